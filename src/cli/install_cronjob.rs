//! The flags of `install-cronjob`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::SignedDuration;

use super::TargetArgs;
use crate::model::request::{DryRun, ObjectFormat, ProveMode};
use crate::model::{DEFAULT_NAME, parse_api_version, parse_duration};

/// The identity with which the pods sign in to Azure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PodAuth {
    /// Token of the ServiceAccount, which a federated credential in Entra trusts
    WorkloadIdentity,
    /// Managed identity of the node
    ManagedIdentity,
    /// Service principal, whose client secret or certificate is in a Secret
    ServicePrincipal,
}

/// When an image is pulled, as Kubernetes spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum PullPolicy {
    /// Each time a pod starts
    Always,
    /// If the node does not have it yet
    IfNotPresent,
    /// Never
    Never,
}

/// The user and the group of the pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RunAs {
    /// User and group 65532, those of the image
    Image,
    /// Those that the cluster assigns, as OpenShift does
    Cluster,
}

/// Install a CronJob that rotates gateways before their tokens expire, with minimal rights
///
/// Finds the gateways as `rotate` does and names them in the CronJob, so that it needs only `get` and `patch` of these
/// Secrets and workloads. Installs a ServiceAccount, a Role, a RoleBinding, the CronJob and, for a service principal, a
/// Secret. Running the same command again changes nothing; running it for other gateways of the namespace adds them.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(before_help = "Examples:
  kubectl apim install-cronjob --auth workload-identity --client-id ID --run-now
  kubectl apim install-cronjob deployment/gw -n apim --auth managed-identity
  kubectl apim install-cronjob --all --auth managed-identity
  kubectl apim install-cronjob --auth managed-identity --dry-run=server --diff")]
#[command(after_long_help = "Exit codes:
  0  done, or nothing to do
  1  error
  2  invalid command line or variable
  4  refused: an object of that name belongs to something else, another CronJob rotates the gateway,
     you may not grant the rights, the namespace does not admit the pods, or a policy denies the rotation
With --run-now, the exit code is that of the run.")]
pub struct InstallCronjobArgs {
    #[command(flatten)]
    pub target: TargetArgs,

    /// All gateways in the namespace
    #[arg(long, conflicts_with_all = ["target", "k8s_object"])]
    pub all: bool,

    /// Name of the installed objects
    #[arg(long, default_value = DEFAULT_NAME, value_name = "NAME")]
    pub name: String,

    /// Cron schedule in five fields; by default daily, at a time derived from the name
    #[arg(long, value_name = "CRON")]
    pub schedule: Option<String>,

    /// Time zone of the schedule
    #[arg(long, default_value = "Etc/UTC", value_name = "ZONE")]
    pub time_zone: String,

    /// Install the CronJob suspended
    #[arg(long)]
    pub suspend: bool,

    /// Rotate the tokens that expire within this time
    #[arg(long, default_value = "15d", value_parser = parse_duration, value_name = "DURATION")]
    pub if_expiring_within: SignedDuration,

    /// Time limit of the rotation of one gateway
    #[arg(long, default_value = "5m", value_parser = parse_duration, value_name = "DURATION")]
    pub timeout: SignedDuration,

    /// Write a Secret that Helm, Argo CD, Flux or a controller owns
    #[arg(long)]
    pub adopt: bool,

    /// How each run proves the token; `logs` adds the rights to list pods and read their logs
    #[arg(long, value_enum, value_name = "HOW", default_value = "rollout")]
    pub prove: ProveMode,

    /// Let each run write Kubernetes Events on the workloads; adds the right to create Events
    #[arg(long)]
    pub events: bool,

    /// Add policies that limit the account to changing the credential and the annotations of a rotation
    ///
    /// They are kept in step with the Role. They have no namespace, so they need the right to write them in the whole
    /// cluster. Requires Kubernetes 1.30.
    #[arg(long)]
    pub admission_policy: bool,

    /// Also run it now, follow the run and exit with its code
    #[arg(long)]
    pub run_now: bool,

    /// Take over the objects of this name that were installed for the script apim-shg-rotate
    #[arg(long)]
    pub replace_legacy: bool,

    /// Only show what would be done
    #[arg(long, value_enum, value_name = "WHERE", conflicts_with = "run_now")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "client", default_value = "none")]
    #[arg(hide_default_value = true)]
    pub dry_run: DryRun,

    /// Show the differences from the objects in the cluster
    #[arg(long)]
    pub diff: bool,

    /// Output format
    #[arg(short = 'o', long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: ObjectFormat,

    #[command(flatten)]
    pub identity: IdentityArgs,

    #[command(flatten)]
    pub pod: PodArgs,
}

/// How the pods sign in to Azure.
#[derive(Args, Debug)]
#[command(next_help_heading = "Azure options")]
pub struct IdentityArgs {
    /// How the pods sign in to Azure
    #[arg(long, value_enum, value_name = "METHOD")]
    pub auth: Option<PodAuth>,

    /// Client id of the service principal, the workload identity or a user-assigned managed identity
    #[arg(short = 'c', long, value_name = "ID")]
    pub client_id: Option<String>,

    /// Tenant, by id or domain
    #[arg(long, value_name = "ID")]
    pub tenant: Option<String>,

    /// File with the secret of the service principal, or its certificate with the private key; - for stdin
    ///
    /// It is stored in a Secret, which the pods mount as a file.
    #[arg(long, value_name = "FILE", conflicts_with = "existing_secret")]
    pub client_secret_file: Option<PathBuf>,

    /// Existing Secret that holds it, under the key `client-secret` or KEY
    #[arg(long, value_name = "NAME[:KEY]")]
    pub existing_secret: Option<String>,

    /// Cloud: public, china, usgov or the URL of its Azure Resource Manager; by default that of the endpoint, or public
    /// for several gateways
    #[arg(long, value_name = "CLOUD")]
    pub cloud: Option<String>,

    /// API version of Azure Resource Manager for the runs, for an instance that requires a newer one
    #[arg(long, value_parser = parse_api_version, value_name = "VERSION")]
    pub api_version: Option<String>,
}

/// The pods.
#[derive(Args, Debug)]
#[command(next_help_heading = "Pod options")]
pub struct PodArgs {
    /// Image to run, pinned by tag or digest
    #[arg(long, default_value = IMAGE, value_name = "IMAGE")]
    pub image: String,

    /// When to pull the image
    #[arg(long, value_enum, value_name = "WHEN", ignore_case = true)]
    pub image_pull_policy: Option<PullPolicy>,

    /// Secret to pull the image with; can be repeated
    #[arg(long, value_name = "NAME")]
    pub image_pull_secret: Vec<String>,

    /// Taint to tolerate: KEY or KEY=VALUE, with :EFFECT for one effect only; can be repeated
    #[arg(long, value_name = "TAINT")]
    pub toleration: Vec<String>,

    /// Label that nodes must have; can be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub node_selector: Vec<String>,

    /// Priority class of the pods
    #[arg(long, value_name = "NAME")]
    pub priority_class: Option<String>,

    /// Label of the pods; can be repeated
    ///
    /// The pods opt out of the sidecars of Istio, Linkerd, Kuma and Open Service Mesh, which would keep a Job from ending.
    /// A label or an annotation of yours takes precedence.
    #[arg(long, value_name = "KEY=VALUE")]
    pub pod_label: Vec<String>,

    /// Annotation of the pods; can be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub pod_annotation: Vec<String>,

    /// Proxy for requests to Azure: http://HOST:PORT
    #[arg(long, value_name = "URL")]
    pub proxy: Option<String>,

    /// ConfigMap with additional certificate authorities to trust for Azure (PEM), under the key `ca.crt` or KEY
    #[arg(long, value_name = "NAME[:KEY]")]
    pub ca_configmap: Option<String>,

    /// User and group of the pods
    #[arg(long, value_enum, value_name = "WHO", default_value = "image")]
    pub run_as: RunAs,

    /// Also install a NetworkPolicy that allows the pods egress only to DNS, Azure, the API server and the proxy
    ///
    /// The ports are 53 and 5353, 443, those of the API server, of --proxy and of the URL of --cloud, and with a managed
    /// identity port 80 of 169.254.169.254.
    #[arg(long)]
    pub network_policy: bool,

    /// Another TCP port that the NetworkPolicy allows; can be repeated
    #[arg(long, value_name = "PORT", requires = "network_policy", value_parser = clap::value_parser!(u16).range(1..))]
    pub network_policy_port: Vec<u16>,
}

/// The image of this very version.
const IMAGE: &str = concat!("ghcr.io/kubectl-apim/kubectl-apim:v", env!("CARGO_PKG_VERSION"));
