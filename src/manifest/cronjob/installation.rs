use std::collections::BTreeMap;

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Toleration;

use crate::model::WorkloadRef;
use crate::model::request::CloudRequest;

/// The name of the CronJob's only container.
pub const CONTAINER: &str = "rotate";

/// The audience of a token that Entra exchanges.
pub const AUDIENCE: &str = "api://AzureADTokenExchange";

/// The key in an installed Secret for the client credential of a service
/// principal.
pub const CLIENT_SECRET_KEY: &str = "client-secret";

/// The maximum length of the CronJob's name: the names of its Jobs are eleven
/// characters longer.
pub const LONGEST_NAME: usize = 52;

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
    pub cloud: CloudRequest,
    /// The version of API Management's API, unless it is the default.
    pub api_version: Option<String>,
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

/// A ConfigMap with CA certificates to trust for Azure.
pub type Ca = KeyOf;

#[derive(Clone, Debug, Default)]
pub struct PodOptions {
    /// With a tag or a digest.
    pub image: String,
    pub pull_policy: Option<String>,
    pub pull_secrets: Vec<String>,
    pub tolerations: Vec<Toleration>,
    /// In addition to Linux, the only system that the image runs on.
    pub node_selector: BTreeMap<String, String>,
    pub priority_class: Option<String>,
    /// They take precedence over the labels that keep sidecars away.
    pub labels: BTreeMap<String, String>,
    /// They take precedence over the annotations that keep sidecars away.
    pub annotations: BTreeMap<String, String>,
    /// The URL of the proxy for requests to Azure.
    pub proxy: Option<String>,
    pub ca: Option<Ca>,
    pub run_as: RunAs,
}

/// The user and the group of the pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunAs {
    /// Those of the image, by their numbers.
    #[default]
    Image,
    /// Those that the cluster assigns.
    Cluster,
}
