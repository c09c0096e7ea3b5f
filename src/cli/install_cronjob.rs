//! The flags of `install-cronjob`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::SignedDuration;

use super::{DryRun, ProveMode, TargetArgs};
use crate::manifest::DEFAULT_NAME;
use crate::model::parse_duration;

/// How objects are printed to stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ObjectFormat {
    /// A line an object: what was done to it
    #[default]
    Table,
    /// The objects as JSON
    Json,
    /// The objects as YAML
    Yaml,
    /// TYPE/NAME of what was changed
    Name,
}

/// As whom the pods sign in to Azure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PodAuth {
    /// A token of the ServiceAccount, which a federated credential in Entra trusts
    WorkloadIdentity,
    /// The identity of the node
    ManagedIdentity,
    /// A service principal, whose client secret or certificate a Secret holds
    ServicePrincipal,
}

/// When an image is pulled, as Kubernetes spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum PullPolicy {
    /// At every start
    Always,
    /// Where it is not there yet
    IfNotPresent,
    /// Never
    Never,
}

/// Install a CronJob that rotates gateways before their tokens lapse, with the least rights for it
///
/// The gateways are found as `rotate` finds them, and everything about them is written into the CronJob, so that it needs
/// `get` and `patch` of the named Secrets and workloads and nothing else. What is installed is a ServiceAccount, a Role, a
/// RoleBinding, the CronJob and, for a service principal, a Secret. The same command again changes nothing. Named with
/// other gateways of the namespace, it adds them.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = "Examples:
  kubectl apim install-cronjob --auth workload-identity --client-id ID --run-now
  kubectl apim install-cronjob deployment/gw -n apim --auth managed-identity
  kubectl apim install-cronjob --all --auth service-principal -c ID --tenant ID --client-secret-file FILE
  kubectl apim install-cronjob --auth managed-identity --dry-run=server --diff
  kubectl apim install-cronjob --auth managed-identity --dry-run=client -o yaml > cronjob.yaml

Exit codes:
  0  done, or nothing to do
  1  error
  2  wrong command line or variable
  4  refused: an object of that name belongs to others, another CronJob rotates the gateway,
     rights that you may not grant, or a namespace that does not admit the pods
With --run-now it is the exit code of the run.")]
pub struct InstallCronjobArgs {
    /// Which gateway
    #[command(flatten)]
    pub target: TargetArgs,

    /// All gateways of the namespace
    #[arg(long, conflicts_with_all = ["target", "k8s_object"])]
    pub all: bool,

    /// The name of what is installed
    #[arg(long, default_value = DEFAULT_NAME, value_name = "NAME")]
    pub name: String,

    /// When it runs, as five fields; daily at a time of the name's own when absent
    #[arg(long, value_name = "CRON")]
    pub schedule: Option<String>,

    /// The time zone of the schedule
    #[arg(long, default_value = "Etc/UTC", value_name = "ZONE")]
    pub time_zone: String,

    /// Install it without letting it run
    #[arg(long)]
    pub suspend: bool,

    /// Which tokens a run rotates: those that expire within this time
    #[arg(long, default_value = "15d", value_parser = parse_duration, value_name = "DURATION")]
    pub if_expiring_within: SignedDuration,

    /// How long the rotation of one gateway may take
    #[arg(long, default_value = "5m", value_parser = parse_duration, value_name = "DURATION")]
    pub timeout: SignedDuration,

    /// Write a Secret that Helm, Argo CD, Flux or a controller owns
    #[arg(long)]
    pub adopt: bool,

    /// Let each run prove the token by the logs of the new pods too, for which its Role may list pods and read their logs
    #[arg(long, value_enum, value_name = "HOW", default_value = "rollout")]
    pub prove: ProveMode,

    /// Let each run tell the workloads by Kubernetes Events, for which its Role may create Events
    #[arg(long)]
    pub events: bool,

    /// Run it now too, follow the run to its end and exit with its code
    #[arg(long)]
    pub run_now: bool,

    /// Take over the objects that the article about the script apim-shg-rotate installs under this name
    #[arg(long)]
    pub replace_legacy: bool,

    /// Only say what would be done
    #[arg(long, value_enum, value_name = "WHERE", conflicts_with = "run_now")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "client", default_value = "none")]
    #[arg(hide_default_value = true)]
    pub dry_run: DryRun,

    /// Show what differs from what is there
    #[arg(long)]
    pub diff: bool,

    /// Output format
    #[arg(short = 'o', long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: ObjectFormat,

    /// How the pods sign in to Azure
    #[command(flatten)]
    pub identity: IdentityArgs,

    /// The pods
    #[command(flatten)]
    pub pod: PodArgs,
}

/// How the pods sign in to Azure.
#[derive(Args, Debug)]
#[command(next_help_heading = "Azure options")]
pub struct IdentityArgs {
    /// How the pods sign in
    #[arg(long, value_enum, value_name = "METHOD")]
    pub auth: Option<PodAuth>,

    /// The client id of the service principal, the workload identity or a user-assigned managed identity
    #[arg(short = 'c', long, value_name = "ID")]
    pub client_id: Option<String>,

    /// The tenant, by id or domain
    #[arg(long, value_name = "ID")]
    pub tenant: Option<String>,

    /// A file with the service principal's secret, or its certificate with the key; - for stdin
    ///
    /// It is written to a Secret, which the pods mount as a file.
    #[arg(long, value_name = "FILE", conflicts_with = "existing_secret")]
    pub client_secret_file: Option<PathBuf>,

    /// A Secret of your own that holds it, under `client-secret` or the key named
    #[arg(long, value_name = "NAME[:KEY]")]
    pub existing_secret: Option<String>,

    /// The cloud: public, china, usgov or the URL of its Azure Resource Manager; else told by the endpoint
    #[arg(long, value_name = "CLOUD")]
    pub cloud: Option<String>,
}

/// The pods.
#[derive(Args, Debug)]
#[command(next_help_heading = "Pod options")]
pub struct PodArgs {
    /// The image, pinned by a tag or a digest
    #[arg(long, default_value = IMAGE, value_name = "IMAGE")]
    pub image: String,

    /// When the image is pulled
    #[arg(long, value_enum, value_name = "WHEN", ignore_case = true)]
    pub image_pull_policy: Option<PullPolicy>,

    /// A Secret to pull the image with; may be repeated
    #[arg(long, value_name = "NAME")]
    pub image_pull_secret: Vec<String>,

    /// A taint to tolerate: KEY, KEY=VALUE, each with :EFFECT for one effect alone; may be repeated
    #[arg(long, value_name = "TAINT")]
    pub toleration: Vec<String>,

    /// A label that nodes must have; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub node_selector: Vec<String>,

    /// The proxy on the way to Azure: http://HOST:PORT
    #[arg(long, value_name = "URL")]
    pub proxy: Option<String>,

    /// A ConfigMap with further authorities to trust for Azure, PEM, under `ca.crt` or the key named
    #[arg(long, value_name = "NAME[:KEY]")]
    pub ca_configmap: Option<String>,

    /// Install a NetworkPolicy too, which lets the pods out to the ports 53, 443, 6443 and the proxy's
    #[arg(long)]
    pub network_policy: bool,
}

/// The image of this very version.
const IMAGE: &str = concat!("ghcr.io/kubectl-apim/kubectl-apim:v", env!("CARGO_PKG_VERSION"));
