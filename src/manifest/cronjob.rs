//! The CronJob that rotates, and the objects installed with it.

mod pod;

use jiff::SignedDuration;
use k8s_openapi::ByteString;
use k8s_openapi::api::batch::v1::{
    CronJob, CronJobSpec, JobSpec, JobTemplateSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec, Secret};
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::document::{document, meta};
use super::ownership::Owner;
use crate::error::Kind;
use crate::model::{Object, WorkloadRef, in_short};

pub use pod::PodOptions;

/// The name of the CronJob's only container.
pub const CONTAINER: &str = "rotate";

/// The annotations of Azure Workload Identity on a ServiceAccount.
pub const CLIENT_ID: &str = "azure.workload.identity/client-id";
pub const TENANT_ID: &str = "azure.workload.identity/tenant-id";

/// The audience of a token that Entra exchanges.
pub const AUDIENCE: &str = "api://AzureADTokenExchange";

/// The key in an installed Secret for the client credential of a service
/// principal.
pub const CLIENT_SECRET_KEY: &str = "client-secret";

/// The maximum length of the CronJob's name: the names of its Jobs are eleven
/// characters longer.
pub const LONGEST_NAME: usize = 52;

/// How many successful and how many failed Jobs are kept.
const HISTORY: i32 = 3;

/// How many seconds late a Job may start. After that, the next one is soon
/// enough.
const LATEST_START: i64 = 3600;

/// The time for a Job's pod to start, in addition to the rotations.
const START: SignedDuration = SignedDuration::from_secs(60);

/// The errors that would recur if the Job were retried.
const NOT_RETRIED: [Kind; 3] = [Kind::Usage, Kind::Refused, Kind::PutBack];

/// An installation: its objects all have the same namespace and name.
#[derive(Clone, Debug)]
pub struct Installation {
    pub namespace: String,
    pub name: String,
    pub schedule: Schedule,
    pub task: Task,
    pub identity: PodIdentity,
    pub pod: PodOptions,
}

#[derive(Clone, Debug)]
pub struct Schedule {
    /// Five fields or a macro.
    pub cron: String,
    pub time_zone: String,
    pub suspend: bool,
}

/// What a run rotates, complete enough that nothing must be discovered.
#[derive(Clone, Debug)]
pub struct Task {
    /// The workloads, in order.
    pub workloads: Vec<WorkloadRef>,
    /// The Secrets with their tokens, in order.
    pub secrets: Vec<String>,
    /// ConfigMaps that contain the name of a gateway or its instance.
    pub config_maps: Vec<String>,
    /// The instance, if all gateways belong to the same one.
    pub instance: Option<Instance>,
    /// The gateway's id, if there is only one gateway.
    pub gateway: Option<String>,
    /// The cloud, unless it is Azure's global one.
    pub cloud: Option<String>,
    pub if_expiring_within: SignedDuration,
    /// The limit for one rotation.
    pub timeout: SignedDuration,
    /// Whether to write Secrets that something else owns.
    pub adopt: bool,
    /// Whether to read pods and their logs as proof.
    pub prove_logs: bool,
    /// Whether to write Events.
    pub events: bool,
}

/// An API Management instance, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    pub name: String,
    pub resource_group: Option<String>,
    pub subscription: Option<String>,
}

/// The identity with which the pod signs in to Azure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodIdentity {
    /// An app or a user-assigned identity that trusts the tokens of the pod's
    /// ServiceAccount by a federated credential.
    Workload {
        client_id: String,
        /// Without it, the webhook's default tenant.
        tenant: Option<String>,
    },
    /// A managed identity of the node.
    Managed {
        /// Selects one of several.
        client_id: Option<String>,
    },
    /// A service principal with a client credential in a Secret.
    ServicePrincipal {
        client_id: String,
        tenant: String,
        /// The Secret with the client secret or the certificate.
        credential: KeyOf,
    },
}

/// A key of a Secret or a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyOf {
    /// The object's name.
    pub name: String,
    pub key: String,
}

impl Installation {
    /// The limit for a Job in seconds: the sum of its rotations, and the start
    /// of its pod.
    fn deadline(&self) -> i64 {
        let gateways = i64::try_from(self.task.secrets.len().max(1)).unwrap_or(i64::MAX);
        let rotations = self.task.timeout.as_secs().saturating_mul(gateways);
        rotations.saturating_add(START.as_secs())
    }
}

pub fn cron_job(installation: &Installation) -> Object {
    let Installation {
        namespace,
        name,
        schedule,
        ..
    } = installation;
    let object = CronJob {
        metadata: meta(Some(namespace), name, Owner::installation(name)),
        spec: Some(CronJobSpec {
            schedule: schedule.cron.clone(),
            time_zone: Some(schedule.time_zone.clone()),
            concurrency_policy: Some("Forbid".to_owned()),
            starting_deadline_seconds: Some(LATEST_START),
            successful_jobs_history_limit: Some(HISTORY),
            failed_jobs_history_limit: Some(HISTORY),
            suspend: Some(schedule.suspend),
            job_template: JobTemplateSpec {
                metadata: Some(labelled(name)),
                spec: Some(JobSpec {
                    backoff_limit: Some(2),
                    pod_failure_policy: Some(failure_policy()),
                    active_deadline_seconds: Some(installation.deadline()),
                    template: template(installation),
                    ..JobSpec::default()
                }),
            },
        }),
        status: None,
    };
    document(&object)
}

/// A pod like those of the CronJob's Jobs, to check whether the namespace
/// admits it. It uses the default ServiceAccount, since its own may not exist
/// yet.
pub fn pod(installation: &Installation) -> Object {
    let PodTemplateSpec { metadata, spec } = template(installation);
    let mut spec = spec.unwrap_or_default();
    spec.service_account_name = None;
    let object = Pod {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", installation.name)),
            namespace: Some(installation.namespace.clone()),
            ..metadata.unwrap_or_default()
        },
        spec: Some(spec),
        status: None,
    };
    document(&object)
}

/// The Secret with a service principal's client secret or certificate.
pub fn secret(installation: &Installation, credential: &[u8]) -> Object {
    let Installation { namespace, name, .. } = installation;
    let object = Secret {
        metadata: meta(Some(namespace), name, Owner::installation(name)),
        type_: Some("Opaque".to_owned()),
        data: Some([(CLIENT_SECRET_KEY.to_owned(), ByteString(credential.to_vec()))].into()),
        ..Secret::default()
    };
    document(&object)
}

/// A NetworkPolicy that allows the pods DNS and TLS, and no incoming
/// connections. The ports are those of the API server, a proxy and Azure. It
/// restricts no addresses, because Azure's change.
pub fn network_policy(installation: &Installation) -> Object {
    let Installation { namespace, name, .. } = installation;
    let port = |protocol: &str, port: i32| NetworkPolicyPort {
        protocol: Some(protocol.to_owned()),
        port: Some(IntOrString::Int(port)),
        end_port: None,
    };
    let mut ports = vec![
        port("UDP", 53),
        port("TCP", 53),
        port("TCP", 443),
        port("TCP", 6443),
    ];
    if let Some(proxy) = installation.pod.proxy_port()
        && ![53, 443, 6443].contains(&proxy)
    {
        ports.push(port("TCP", i32::from(proxy)));
    }
    if matches!(installation.identity, PodIdentity::Managed { .. }) {
        // The metadata service of the node uses plain HTTP.
        ports.push(port("TCP", 80));
    }
    let object = NetworkPolicy {
        metadata: meta(Some(namespace), name, Owner::installation(name)),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector {
                match_labels: Some(Owner::installation(name).labels()),
                ..LabelSelector::default()
            }),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            egress: Some(vec![NetworkPolicyEgressRule {
                ports: Some(ports),
                to: None,
            }]),
            ingress: None,
        }),
    };
    document(&object)
}

/// A retry does not help with a wrong command line, a refusal of preflight or a
/// token that Azure refused.
fn failure_policy() -> PodFailurePolicy {
    let codes = NOT_RETRIED.map(|kind| i32::from(kind.exit_code()));
    PodFailurePolicy {
        rules: vec![PodFailurePolicyRule {
            action: "FailJob".to_owned(),
            on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
                container_name: Some(CONTAINER.to_owned()),
                operator: "In".to_owned(),
                values: codes.to_vec(),
            }),
            on_pod_conditions: None,
        }],
    }
}

fn template(installation: &Installation) -> PodTemplateSpec {
    let mut metadata = labelled(&installation.name);
    if matches!(installation.identity, PodIdentity::Workload { .. }) {
        let labels = metadata.labels.get_or_insert_default();
        labels.insert("azure.workload.identity/use".to_owned(), "true".to_owned());
    }
    PodTemplateSpec {
        metadata: Some(metadata),
        spec: Some(pod::spec(installation)),
    }
}

fn labelled(installation: &str) -> ObjectMeta {
    ObjectMeta {
        labels: Some(Owner::installation(installation).labels()),
        ..ObjectMeta::default()
    }
}

/// The arguments of the container.
fn arguments(installation: &Installation) -> Vec<String> {
    let Task {
        workloads,
        secrets,
        instance,
        gateway,
        cloud,
        ..
    } = &installation.task;
    let mut words = vec!["rotate".to_owned()];
    words.extend(workloads.iter().map(WorkloadRef::short));
    let mut flag = |name: &str, value: Option<&str>| {
        words.extend(value.map(|value| format!("--{name}={value}")));
    };
    // A fleet finds the Secret and the gateway of each workload by itself.
    if let ([_], [secret]) = (workloads.as_slice(), secrets.as_slice()) {
        flag("token-secret", Some(secret));
        flag("apim-gateway", gateway.as_deref());
    }
    if let Some(instance) = instance {
        flag("apim-instance", Some(&instance.name));
        flag("resource-group", instance.resource_group.as_deref());
        flag("subscription-id", instance.subscription.as_deref());
    }
    let due = in_short(installation.task.if_expiring_within);
    flag("if-expiring-within", Some(&due));
    flag("timeout", Some(&in_short(installation.task.timeout)));
    flag("cloud", cloud.as_deref());
    if workloads.len() > 1 {
        // The soonest to expire goes first. As the canary, one broken gateway
        // would keep all others from being rotated, every night.
        flag("canary", Some("0"));
        flag("max-failures", Some(&secrets.len().max(1).to_string()));
    }
    sign_in_flags(installation, &mut flag);
    if let Some(ca) = &installation.pod.ca {
        flag("azure-ca-file", Some(&pod::ca_file(ca)));
    }
    if installation.task.adopt {
        words.push("--adopt".to_owned());
    }
    if installation.task.prove_logs {
        words.push("--prove=logs".to_owned());
    }
    if installation.task.events {
        words.push("--events".to_owned());
    }
    words
}

fn sign_in_flags(installation: &Installation, flag: &mut impl FnMut(&str, Option<&str>)) {
    let (method, client_id, tenant) = match &installation.identity {
        PodIdentity::Workload { client_id, tenant } => {
            ("workload-identity", Some(client_id), tenant.as_ref())
        }
        PodIdentity::Managed { client_id } => ("managed-identity", client_id.as_ref(), None),
        PodIdentity::ServicePrincipal {
            client_id, tenant, ..
        } => ("service-principal", Some(client_id), Some(tenant)),
    };
    flag("auth", Some(method));
    flag("client-id", client_id.map(String::as_str));
    flag("tenant", tenant.map(String::as_str));
    if let PodIdentity::ServicePrincipal { credential, .. } = &installation.identity {
        flag("client-secret-file", Some(&pod::credential_file(credential)));
    }
}

#[cfg(test)]
mod tests;
