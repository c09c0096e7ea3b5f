//! The CronJob that rotates, and what stands beside it.

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
use serde_json::Value;

use super::{document, labels, meta};
use crate::error::Kind;
use crate::model::{WorkloadRef, in_short};

pub use pod::PodOptions;

/// The container's name.
pub const CONTAINER: &str = "rotate";

/// The annotations of Azure Workload Identity on a ServiceAccount.
pub const CLIENT_ID: &str = "azure.workload.identity/client-id";
/// The tenant, of the same.
pub const TENANT_ID: &str = "azure.workload.identity/tenant-id";

/// The audience of a token that Entra exchanges.
pub const AUDIENCE: &str = "api://AzureADTokenExchange";

/// The key under which a Secret of ours holds the credential of a service
/// principal.
pub const CLIENT_SECRET_KEY: &str = "client-secret";

/// The CronJob's name may have so many letters, because its Jobs add eleven.
pub const LONGEST_NAME: usize = 52;

/// How many Jobs of each outcome are kept to be looked at.
const HISTORY: i32 = 3;

/// How late a Job may begin; after that the next one is soon enough.
const LATEST_START: i64 = 3600;

/// What a Job has beyond the time of its rotations, for its pod to start.
const START: SignedDuration = SignedDuration::from_secs(60);

/// The ends that another try would repeat.
const HOPELESS: [Kind; 3] = [Kind::Usage, Kind::Refused, Kind::PutBack];

/// What is installed.
#[derive(Clone, Debug)]
pub struct Installation {
    /// The namespace of everything.
    pub namespace: String,
    /// The name of everything.
    pub name: String,
    /// When it runs.
    pub schedule: Schedule,
    /// What it rotates.
    pub task: Task,
    /// As whom it signs in to Azure.
    pub identity: PodIdentity,
    /// Where and how its pod runs.
    pub pod: PodOptions,
}

/// When it runs.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Five fields or a macro.
    pub cron: String,
    /// The zone that they are of.
    pub time_zone: String,
    /// Whether nothing is started at present.
    pub suspend: bool,
}

/// What a run rotates, told so that nothing need be looked for.
#[derive(Clone, Debug)]
pub struct Task {
    /// The workloads, in order.
    pub workloads: Vec<WorkloadRef>,
    /// The Secrets with their tokens, in order.
    pub secrets: Vec<String>,
    /// ConfigMaps that must be read to know a gateway or its instance.
    pub config_maps: Vec<String>,
    /// The instance, where all gateways are of one.
    pub instance: Option<Instance>,
    /// The gateway's id, where there is one.
    pub gateway: Option<String>,
    /// The cloud, unless it is Azure's global one.
    pub cloud: Option<String>,
    /// Which tokens are due.
    pub if_expiring_within: SignedDuration,
    /// How long a rotation may take.
    pub timeout: SignedDuration,
    /// Whether Secrets are written that something else owns.
    pub adopt: bool,
    /// Whether pods and their logs are read as proof.
    pub prove_logs: bool,
    /// Whether Events are written.
    pub events: bool,
}

/// An API Management instance, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// Its resource group.
    pub resource_group: Option<String>,
    /// Its subscription.
    pub subscription: Option<String>,
}

/// As whom the pod signs in to Azure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodIdentity {
    /// By a token of its ServiceAccount, which a federated credential trusts.
    Workload {
        /// The app or the user-assigned identity.
        client_id: String,
        /// Its tenant; the webhook's default if it is not told.
        tenant: Option<String>,
    },
    /// As the identity of the node.
    Managed {
        /// Which of several.
        client_id: Option<String>,
    },
    /// As a service principal, by what a Secret holds.
    ServicePrincipal {
        /// The app.
        client_id: String,
        /// Its tenant.
        tenant: String,
        /// The Secret with its client secret or certificate.
        credential: KeyOf,
    },
}

/// A key of a Secret or a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyOf {
    /// The object.
    pub name: String,
    /// The key of its data.
    pub key: String,
}

impl Installation {
    /// How long a Job may take: each gateway its time, and the pod its start.
    fn deadline(&self) -> i64 {
        let gateways = i64::try_from(self.task.secrets.len().max(1)).unwrap_or(i64::MAX);
        let rotations = self.task.timeout.as_secs().saturating_mul(gateways);
        rotations.saturating_add(START.as_secs())
    }
}

/// The CronJob.
pub fn cron_job(installation: &Installation) -> Value {
    let Installation {
        namespace,
        name,
        schedule,
        ..
    } = installation;
    let object = CronJob {
        metadata: meta(Some(namespace), name, name),
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

/// A pod as the CronJob's Jobs make it, to see whether the namespace admits
/// it. Its ServiceAccount may be yet to come, so it has that of every
/// namespace.
pub fn pod(installation: &Installation) -> Value {
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
pub fn secret(installation: &Installation, credential: &[u8]) -> Value {
    let Installation { namespace, name, .. } = installation;
    let object = Secret {
        metadata: meta(Some(namespace), name, name),
        type_: Some("Opaque".to_owned()),
        data: Some([(CLIENT_SECRET_KEY.to_owned(), ByteString(credential.to_vec()))].into()),
        ..Secret::default()
    };
    document(&object)
}

/// A NetworkPolicy that lets the pods out to names and to TLS, and nobody in.
/// The ports are the API server's, a proxy's and Azure's; addresses are left
/// out, because Azure's change.
pub fn network_policy(installation: &Installation) -> Value {
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
        // The metadata service speaks plain HTTP on the node.
        ports.push(port("TCP", 80));
    }
    let object = NetworkPolicy {
        metadata: meta(Some(namespace), name, name),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector {
                match_labels: Some(labels(name)),
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

/// Another try cures neither a wrong command line, nor a refusal, nor a token
/// that Azure has refused.
fn failure_policy() -> PodFailurePolicy {
    let codes = HOPELESS.map(|kind| i32::from(kind.exit_code()));
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
        labels: Some(labels(installation)),
        ..ObjectMeta::default()
    }
}

/// The arguments of the program.
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
        // What lapses first goes first, so that one broken gateway would be
        // everybody's canary each night, and nobody would be rotated.
        flag("canary", Some("0"));
        flag("max-failures", Some(&secrets.len().max(1).to_string()));
    }
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

#[cfg(test)]
mod tests;
