//! The flags of `rotate`. The names and short forms of the shell script
//! `apim-shg-rotate` are kept.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::SignedDuration;
use secrecy::SecretString;

use super::SelectArgs;
use crate::model::{KeyChoice, parse_duration};

/// How the result is printed to stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// Lines for people
    #[default]
    Table,
    /// One row with gateway, instance and outcome
    Wide,
    /// JSON
    Json,
    /// YAML
    Yaml,
    /// TYPE/NAME of what was changed
    Name,
}

/// What a dry run may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DryRun {
    /// Do it
    None,
    /// Only read
    Client,
    /// Read, and let the API server check both patches without storing them
    Server,
}

/// How a new credential is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProveMode {
    /// The rollout completes and no new pod logs that the credential was refused
    Logs,
    /// The rollout completes
    Rollout,
}

/// How to sign in to Azure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum AuthMethod {
    /// The first of the others that is there, in this order
    #[default]
    Auto,
    /// A service principal's client secret or certificate
    ServicePrincipal,
    /// A token of the cluster that a federated credential trusts, as Azure Workload Identity sets up
    WorkloadIdentity,
    /// The identity that Azure gives to a VM, a node or an app
    ManagedIdentity,
    /// Whoever is signed in to the Azure CLI
    AzureCli,
}

/// Mint a new token for a gateway, store it, restart the gateway and prove that it works
///
/// Everything that is not told is discovered: the workload that runs a gateway in the namespace, the Secret and key
/// that its pod spec points at, the gateway that the present token names, and its API Management instance. A flag beats
/// a variable, which beats an annotation, which beats discovery.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = "Examples:
  kubectl apim rotate --dry-run                       what would be done in the current namespace
  kubectl apim rotate                                 do it
  kubectl apim rotate deployment/gw -n apim           one gateway by name
  kubectl apim rotate --if-expiring-within 10d        only if it is due, as in a scheduled job
  kubectl apim rotate -k rotate -o json               move to the other signing key; report as JSON
  kubectl apim rotate -A --if-expiring-within 10d     all that are due in all namespaces; asks first

A duration is written like 30d, 12h, 90m or 1d12h.

Exit codes:
  0  done, nothing to do, or left out as asked
  1  error; nothing was changed
  2  wrong command line or variable
  3  written, but a restart or its proof is owed; the same command again resumes
  4  refused before anything was minted
  5  Azure refused the new token; it was put back or replaced
  6  of several gateways, some were not rotated
  7  a write that could not be read back

Every flag of its own can be set by a variable too: --token-key by
KUBECTL_APIM_TOKEN_KEY. The Kubernetes options cannot.
The variables of the script apim-shg-rotate count as well: SUBSCRIPTION_ID,
RESOURCE_GROUP, APIM_INSTANCE, APIM_GATEWAY, NAMESPACE, TOKEN_SECRET,
TOKEN_KEY, K8S_OBJECT, SP_ID, SP_SECRET, TENANT, DEBUG; and those of Azure's
own tools: AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_CLIENT_SECRET,
AZURE_CLIENT_CERTIFICATE_PATH, AZURE_CLIENT_CERTIFICATE_PASSWORD,
AZURE_CLIENT_SEND_CERTIFICATE_CHAIN, AZURE_FEDERATED_TOKEN_FILE,
AZURE_AUTHORITY_HOST, IDENTITY_ENDPOINT, IDENTITY_HEADER.")]
pub struct RotateArgs {
    /// What to rotate
    #[command(flatten)]
    pub target: TargetArgs,

    /// Key to sign the token with: the last one again, the other one, or one by name
    #[arg(short = 'k', long, value_enum, default_value_t, value_name = "KEY")]
    pub token_key: KeyChoice,

    /// How long the token is to live, at most 30d
    #[arg(long, default_value = "30d", value_parser = parse_duration, value_name = "DURATION")]
    #[arg(allow_hyphen_values = true)]
    pub expiry: SignedDuration,

    /// Rotate only if the token expires within this time
    #[arg(long, value_parser = parse_duration, value_name = "DURATION", allow_hyphen_values = true)]
    pub if_expiring_within: Option<SignedDuration>,

    /// Rotate only if the token was written longer ago than this
    #[arg(long, value_parser = parse_duration, value_name = "DURATION", allow_hyphen_values = true)]
    pub if_older_than: Option<SignedDuration>,

    /// Mint a token even where an unfinished rotation could be completed
    #[arg(long)]
    pub force: bool,

    /// Do not wait for the restart and its proof
    #[arg(long)]
    pub no_wait: bool,

    /// Do not restart the gateway, because something else does when the Secret changes
    #[arg(long)]
    pub no_restart: bool,

    /// How to prove the credential; `logs` where pods may be read, `rollout` in a pod
    #[arg(long, value_enum, value_name = "HOW")]
    pub prove: Option<ProveMode>,

    /// How long a rotation may take; proof ends 30s before it
    #[arg(long, default_value = "5m", value_parser = parse_duration, value_name = "DURATION")]
    pub timeout: SignedDuration,

    /// Write a Secret that Helm, Argo CD, Flux or a controller owns
    #[arg(long)]
    pub adopt: bool,

    /// Write Kubernetes Events on the gateway's workloads: rotated, failed, expiring within 7 days
    #[arg(long)]
    pub events: bool,

    /// Only say what would be done; no token is minted
    #[arg(long, value_enum, value_name = "WHERE")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "client", default_value = "none")]
    #[arg(hide_default_value = true)]
    pub dry_run: DryRun,

    /// Output format
    #[arg(short = 'o', long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: OutputFormat,

    /// Many gateways in one run
    #[command(flatten)]
    pub fleet: FleetArgs,

    /// How to sign in to Azure
    #[command(flatten)]
    pub azure: AzureArgs,

    /// Write a debug log to stderr; never a secret
    #[arg(long)]
    pub debug: bool,
}

/// Which gateway.
#[derive(Args, Debug)]
pub struct TargetArgs {
    /// The workload that runs the gateway: NAME, TYPE/NAME or TYPE NAME; several make a fleet
    #[arg(value_name = "TARGET")]
    pub target: Vec<String>,

    /// The workload as TYPE/NAME
    #[arg(long, value_name = "TYPE/NAME", conflicts_with = "target")]
    pub k8s_object: Option<String>,

    /// The Secret that holds the token
    #[arg(short = 't', long, value_name = "NAME")]
    pub token_secret: Option<String>,

    /// The gateway's id in API Management
    #[arg(short = 'g', long, value_name = "NAME")]
    pub apim_gateway: Option<String>,

    /// The API Management instance
    #[arg(short = 'a', long, value_name = "NAME")]
    pub apim_instance: Option<String>,

    /// The resource group of the instance
    #[arg(short = 'r', long, value_name = "NAME")]
    pub resource_group: Option<String>,

    /// The subscription of the instance
    #[arg(short = 's', long, value_name = "ID")]
    pub subscription_id: Option<String>,
}

/// Many gateways in one run.
#[derive(Args, Debug)]
#[command(next_help_heading = "Fleet options")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct FleetArgs {
    /// Which of many
    #[command(flatten)]
    pub select: SelectArgs,

    /// Rotate all gateways of the namespace
    #[arg(long)]
    pub all: bool,

    /// Look in these contexts of the kubeconfig, by name or glob: eu-*,us-1
    #[arg(long, value_delimiter = ',', value_name = "NAMES", conflicts_with = "context")]
    pub contexts: Vec<String>,

    /// A file with the gateways that may be rotated, a line each: namespace, TYPE/NAME, ARM id
    ///
    /// A gateway that is found and not in the file is refused before anything is minted: whoever can write a Secret
    /// elsewhere earns nothing by naming another team's gateway in it.
    #[arg(long, value_name = "FILE")]
    pub gateways: Option<PathBuf>,

    /// Do not ask: I trust whoever can write Secrets in these namespaces
    #[arg(short, long)]
    pub yes: bool,

    /// How many workloads may be restarting at once
    #[arg(long, default_value = "20", value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub max_parallel: u16,

    /// How many of them may belong to one API Management instance
    #[arg(long, default_value = "5", value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub max_parallel_per_instance: u16,

    /// How many gateways to rotate and prove before the others; 1, and none with --no-wait
    #[arg(long, value_name = "N")]
    pub canary: Option<usize>,

    /// After how many failures no other gateway is begun; 2% of them, but at least 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_failures: Option<u32>,

    /// Use all requests that Azure grants, and leave none to others in the subscription
    #[arg(long)]
    pub burst: bool,

    /// Leave out the line with the names of the columns
    #[arg(long)]
    pub no_headers: bool,
}

/// How to sign in to Azure.
#[derive(Args, Debug)]
#[command(next_help_heading = "Azure options")]
pub struct AzureArgs {
    /// How to sign in
    #[arg(long, value_enum, default_value_t, value_name = "METHOD")]
    pub auth: AuthMethod,

    /// The client id of the service principal, the workload identity or a user-assigned managed identity
    #[arg(short = 'c', long, value_name = "ID")]
    pub client_id: Option<String>,

    /// The service principal's secret, or the path of its certificate with the key, PEM or PKCS#12
    ///
    /// Other users of the machine can read a secret on the command line, so rather put it into a file. A value that
    /// looks like a path must be one, unless it begins with `literal:`.
    #[arg(short = 'p', long, value_name = "SECRET", value_parser = hidden)]
    pub client_secret: Option<SecretString>,

    /// A file with the service principal's secret or certificate; - for stdin
    #[arg(long, value_name = "FILE", conflicts_with = "client_secret")]
    pub client_secret_file: Option<PathBuf>,

    /// A file with the password of the certificate
    #[arg(long, value_name = "FILE")]
    pub client_secret_password_file: Option<PathBuf>,

    /// The tenant, by id or domain
    #[arg(long, value_name = "ID")]
    pub tenant: Option<String>,

    /// The cloud: public, china, usgov or the URL of its Azure Resource Manager; else told by the endpoint
    #[arg(long, value_name = "CLOUD")]
    pub cloud: Option<String>,

    /// The API version of Azure Resource Manager, for an instance that demands a newer one
    #[arg(long, default_value = "2024-05-01", value_name = "VERSION")]
    pub api_version: String,

    /// A file of further certificate authorities to trust for Azure, PEM
    #[arg(long, value_name = "FILE")]
    pub azure_ca_file: Option<PathBuf>,
}

/// A value that no output shows, not even an error of the parser.
#[expect(clippy::unnecessary_wraps, reason = "clap wants a parser that may fail")]
fn hidden(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(SecretString::from(text))
}
