//! The pod of a Job: it meets the Pod Security Standard `restricted`, writes to
//! no disk, and its tokens expire when it ends.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapProjection, ConfigMapVolumeSource, Container, DownwardAPIProjection,
    DownwardAPIVolumeFile, EnvVar, KeyToPath, LocalObjectReference, ObjectFieldSelector, PodSecurityContext,
    PodSpec, ProjectedVolumeSource, ResourceRequirements, SeccompProfile, SecretVolumeSource,
    SecurityContext, ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::arguments::arguments;
use super::files::{CA, CREDENTIAL_DIRECTORY};
use super::installation::{AUDIENCE, CONTAINER, Installation, PodIdentity, RunAs};

/// The user of the image, which owns no files.
const USER: i64 = 65532;

/// The label of a node with its operating system, and that of the image.
pub const OS_LABEL: &str = "kubernetes.io/os";
pub const OS: &str = "linux";

/// Where a client of Kubernetes looks for the token of its ServiceAccount.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Where the token for Entra is mounted. The webhook of Azure Workload Identity
/// mounts another one, and does not change a variable that is already set.
const FEDERATED: &str = "/var/run/secrets/apim-rotate/federated";
const FEDERATED_FILE: &str = "token";

/// The shortest lifetime of a token that the API server accepts, in seconds.
const SHORTEST_TOKEN: i64 = 600;

/// The mode of files that only the user and the group of the pod may read. Without
/// a group of the pod they belong to root, and the default mode lets the pod read
/// them.
fn mode(run_as: RunAs) -> Option<i32> {
    match run_as {
        RunAs::Image => Some(0o440),
        RunAs::Cluster => None,
    }
}

pub(super) fn spec(installation: &Installation) -> PodSpec {
    let options = &installation.pod;
    let (volumes, mounts) = volumes(installation).into_iter().unzip();
    let container = Container {
        name: CONTAINER.to_owned(),
        image: Some(options.image.clone()),
        image_pull_policy: options.pull_policy.clone(),
        // The image's entry point is the script's link.
        command: Some(vec!["/kubectl-apim".to_owned()]),
        args: Some(arguments(installation)),
        env: Some(variables(installation)).filter(|variables| !variables.is_empty()),
        resources: Some(resources()),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                add: None,
            }),
            ..SecurityContext::default()
        }),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(mounts),
        ..Container::default()
    };
    let user = match options.run_as {
        RunAs::Image => Some(USER),
        RunAs::Cluster => None,
    };
    let pull_secret = |name: &String| LocalObjectReference { name: name.clone() };
    PodSpec {
        service_account_name: Some(installation.name.clone()),
        // The automounted token would be valid for longer than the pod runs.
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        restart_policy: Some("Never".to_owned()),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: user,
            run_as_group: user,
            fs_group: user,
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                localhost_profile: None,
            }),
            ..PodSecurityContext::default()
        }),
        containers: vec![container],
        volumes: Some(volumes),
        image_pull_secrets: some(options.pull_secrets.iter().map(pull_secret).collect()),
        tolerations: some(options.tolerations.clone()),
        node_selector: Some(node_selector(&options.node_selector)),
        priority_class_name: options.priority_class.clone(),
        ..PodSpec::default()
    }
}

/// The node pools with Windows of a managed cluster have no taint that would keep
/// the pod away.
fn node_selector(given: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut labels = given.clone();
    labels.insert(OS_LABEL.to_owned(), OS.to_owned());
    labels
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|list| !list.is_empty())
}

/// A run needs 15 MiB, and CPU only for the TLS handshakes. The limits leave
/// room for a fleet.
fn resources() -> ResourceRequirements {
    let quantities = |pairs: &[(&str, &str)]| {
        let pair = |&(name, amount): &(&str, &str)| (name.to_owned(), Quantity(amount.to_owned()));
        Some(pairs.iter().map(pair).collect())
    };
    ResourceRequirements {
        requests: quantities(&[("cpu", "10m"), ("memory", "32Mi")]),
        limits: quantities(&[("cpu", "500m"), ("memory", "128Mi")]),
        claims: None,
    }
}

fn variables(installation: &Installation) -> Vec<EnvVar> {
    let variable = |name: &str, value: String| EnvVar {
        name: name.to_owned(),
        value: Some(value),
        value_from: None,
    };
    let mut variables = Vec::new();
    if let Some(proxy) = &installation.pod.proxy {
        // A proxy cannot reach the cluster's internal addresses or the metadata
        // service of the node.
        let direct = "$(KUBERNETES_SERVICE_HOST),169.254.169.254,localhost,.svc,.cluster.local";
        variables.push(variable("HTTPS_PROXY", proxy.clone()));
        variables.push(variable("NO_PROXY", direct.to_owned()));
    }
    if matches!(installation.identity, PodIdentity::Workload { .. }) {
        let file = format!("{FEDERATED}/{FEDERATED_FILE}");
        variables.push(variable("AZURE_FEDERATED_TOKEN_FILE", file));
    }
    variables
}

fn volumes(installation: &Installation) -> Vec<(Volume, VolumeMount)> {
    let lifetime = installation.deadline().max(SHORTEST_TOKEN);
    let mode = mode(installation.pod.run_as);
    let projected = |sources| projected(sources, mode);
    let mut volumes = vec![mounted("account", ACCOUNT, projected(account(lifetime)))];
    match &installation.identity {
        PodIdentity::Workload { .. } => {
            let token = token(Some(AUDIENCE), lifetime, FEDERATED_FILE);
            volumes.push(mounted("federated", FEDERATED, projected(vec![token])));
        }
        PodIdentity::ServicePrincipal { credential, .. } => {
            let secret = Volume {
                secret: Some(SecretVolumeSource {
                    secret_name: Some(credential.name.clone()),
                    items: Some(vec![item(&credential.key)]),
                    default_mode: mode,
                    optional: None,
                }),
                ..Volume::default()
            };
            volumes.push(mounted("principal", CREDENTIAL_DIRECTORY, secret));
        }
        PodIdentity::Managed { .. } => {}
    }
    if let Some(ca) = &installation.pod.ca {
        let map = Volume {
            config_map: Some(ConfigMapVolumeSource {
                name: ca.name.clone(),
                items: Some(vec![item(&ca.key)]),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        };
        volumes.push(mounted("ca", CA, map));
    }
    volumes
}

fn mounted(name: &str, path: &str, source: Volume) -> (Volume, VolumeMount) {
    let volume = Volume {
        name: name.to_owned(),
        ..source
    };
    let mount = VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    };
    (volume, mount)
}

/// The content of the automounted volume, but with a token that expires with
/// the Job.
fn account(lifetime: i64) -> Vec<VolumeProjection> {
    vec![
        token(None, lifetime, "token"),
        VolumeProjection {
            config_map: Some(ConfigMapProjection {
                name: "kube-root-ca.crt".to_owned(),
                items: Some(vec![item("ca.crt")]),
                optional: None,
            }),
            ..VolumeProjection::default()
        },
        VolumeProjection {
            downward_api: Some(DownwardAPIProjection {
                items: Some(vec![DownwardAPIVolumeFile {
                    path: "namespace".to_owned(),
                    field_ref: Some(ObjectFieldSelector {
                        field_path: "metadata.namespace".to_owned(),
                        api_version: None,
                    }),
                    ..DownwardAPIVolumeFile::default()
                }]),
            }),
            ..VolumeProjection::default()
        },
    ]
}

fn token(audience: Option<&str>, lifetime: i64, path: &str) -> VolumeProjection {
    VolumeProjection {
        service_account_token: Some(ServiceAccountTokenProjection {
            audience: audience.map(str::to_owned),
            expiration_seconds: Some(lifetime),
            path: path.to_owned(),
        }),
        ..VolumeProjection::default()
    }
}

fn projected(sources: Vec<VolumeProjection>, mode: Option<i32>) -> Volume {
    Volume {
        projected: Some(ProjectedVolumeSource {
            sources: Some(sources),
            default_mode: mode,
        }),
        ..Volume::default()
    }
}

fn item(key: &str) -> KeyToPath {
    KeyToPath {
        key: key.to_owned(),
        path: key.to_owned(),
        mode: None,
    }
}
