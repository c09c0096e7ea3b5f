//! The flags of `rotate`. They keep the names and short forms of the shell
//! script `apim-shg-rotate`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::SignedDuration;
use secrecy::SecretString;

use super::{GatewayArgs, SelectArgs};
use crate::model::request::{DryRun, ProveMode, RotateFormat};
use crate::model::{KeyChoice, parse_api_version, parse_duration};

/// How to sign in to Azure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum AuthMethod {
    /// The first of the following that is available
    #[default]
    Auto,
    /// Client secret or certificate of a service principal
    ServicePrincipal,
    /// Token of a service account, which a federated credential trusts, as Azure Workload Identity sets up
    WorkloadIdentity,
    /// Managed identity of a VM, a node or an app
    ManagedIdentity,
    /// The user who is signed in to the Azure CLI
    AzureCli,
}

/// Mint a new token for a gateway, store it, restart the gateway and prove that the token works
///
/// Discovers what you do not specify: the workload that runs a gateway in the namespace, the Secret and key that its
/// pod spec references, the gateway that the current token names, and its API Management instance. A flag takes
/// precedence over a variable, a variable over an annotation, and an annotation over discovery.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(before_help = "Examples:
  kubectl apim rotate --dry-run                    # show what would be done
  kubectl apim rotate                              # rotate the only gateway
  kubectl apim rotate deployment/gw -n apim        # rotate one gateway by name
  kubectl apim rotate -k rotate                    # switch to the other key
  kubectl apim rotate -A --if-expiring-within 10d  # rotate all that are due")]
#[command(after_long_help = "Write a duration as 30d, 12h, 90m or 1d12h.

Exit codes:
  0  done, nothing to do, or skipped as requested
  1  error; nothing was changed
  2  invalid command line or variable
  3  written, but a restart or its proof is owed; run the same command again to resume
  4  refused before a token was minted
  5  Azure refused the new token; the previous one was put back, or the new one replaced
  6  some of several gateways were not rotated
  7  a write could not be read back, so its outcome is unknown

A variable can set any flag except the Kubernetes options: KUBECTL_APIM_TOKEN_KEY
sets --token-key. These work too:
  of the script apim-shg-rotate: SUBSCRIPTION_ID, RESOURCE_GROUP, APIM_INSTANCE,
  APIM_GATEWAY, NAMESPACE, TOKEN_SECRET, TOKEN_KEY, K8S_OBJECT, SP_ID,
  SP_SECRET, TENANT, DEBUG
  of Azure's own tools: AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_CLIENT_SECRET,
  AZURE_CLIENT_CERTIFICATE_PATH, AZURE_CLIENT_CERTIFICATE_PASSWORD,
  AZURE_CLIENT_SEND_CERTIFICATE_CHAIN, AZURE_FEDERATED_TOKEN_FILE,
  AZURE_AUTHORITY_HOST, IDENTITY_ENDPOINT, IDENTITY_HEADER")]
pub struct RotateArgs {
    #[command(flatten)]
    pub target: TargetArgs,

    /// Key to sign the token with: the one used last, the other one, or one by name
    #[arg(short = 'k', long, value_enum, default_value_t, value_name = "KEY")]
    pub token_key: KeyChoice,

    /// Lifetime of the token, at most 30d
    #[arg(long, default_value = "30d", value_parser = parse_duration, value_name = "DURATION")]
    #[arg(allow_hyphen_values = true)]
    pub expiry: SignedDuration,

    /// Rotate only if the token expires within this time
    #[arg(long, value_parser = parse_duration, value_name = "DURATION", allow_hyphen_values = true)]
    pub if_expiring_within: Option<SignedDuration>,

    /// Rotate only if the token was written longer ago than this
    #[arg(long, value_parser = parse_duration, value_name = "DURATION", allow_hyphen_values = true)]
    pub if_older_than: Option<SignedDuration>,

    /// If no token is due, sign in to Azure all the same and check the right to mint one
    #[arg(long)]
    pub check_azure: bool,

    /// Mint a token even if an unfinished rotation could be completed
    #[arg(long)]
    pub force: bool,

    /// Do not wait for the restart and its proof
    #[arg(long)]
    pub no_wait: bool,

    /// Do not restart the gateway, because something else restarts it when the Secret changes
    #[arg(long)]
    pub no_restart: bool,

    /// How to prove the credential; by default `logs` if you can read pods, and `rollout` in a pod
    #[arg(long, value_enum, value_name = "HOW")]
    pub prove: Option<ProveMode>,

    /// Time limit of one rotation; the proof ends 30s before it
    #[arg(long, default_value = "5m", value_parser = parse_duration, value_name = "DURATION")]
    pub timeout: SignedDuration,

    /// Write a Secret that Helm, Argo CD, Flux or a controller owns
    #[arg(long)]
    pub adopt: bool,

    /// Write Kubernetes Events on the gateway's workloads: rotated, failed, expiring within 7 days
    #[arg(long)]
    pub events: bool,

    /// Only show what would be done; no token is minted
    #[arg(long, value_enum, value_name = "WHERE")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "client", default_value = "none")]
    #[arg(hide_default_value = true)]
    pub dry_run: DryRun,

    /// Output format
    #[arg(short = 'o', long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: RotateFormat,

    #[command(flatten)]
    pub fleet: FleetArgs,

    #[command(flatten)]
    pub azure: AzureArgs,

    /// Log at debug level to stderr; secrets are never logged
    #[arg(long)]
    pub debug: bool,
}

/// Which gateway.
#[derive(Args, Debug)]
pub struct TargetArgs {
    /// Workload that runs the gateway, as NAME, TYPE/NAME or TYPE NAME; several make a fleet
    #[arg(value_name = "TARGET")]
    pub target: Vec<String>,

    /// Workload that runs the gateway, as TYPE/NAME
    #[arg(long, value_name = "TYPE/NAME", conflicts_with = "target")]
    pub k8s_object: Option<String>,

    /// Secret that holds the token
    #[arg(short = 't', long, value_name = "NAME")]
    pub token_secret: Option<String>,

    #[command(flatten)]
    pub gateway: GatewayArgs,
}

/// Many gateways in one run.
#[derive(Args, Debug)]
#[command(next_help_heading = "Fleet options")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct FleetArgs {
    #[command(flatten)]
    pub select: SelectArgs,

    /// Rotate all gateways in the namespace
    #[arg(long)]
    pub all: bool,

    /// Look in these contexts of the kubeconfig, by name or glob, such as eu-*,us-1
    #[arg(long, value_delimiter = ',', value_name = "NAMES", conflicts_with = "context")]
    pub contexts: Vec<String>,

    /// File that lists the gateways that may be rotated, one per line: namespace, TYPE/NAME, ARM id
    ///
    /// A gateway that is found but not listed is refused before a token is minted. Someone who can write a Secret
    /// elsewhere therefore gains nothing by naming another team's gateway in it.
    #[arg(long, value_name = "FILE")]
    pub gateways: Option<PathBuf>,

    /// Do not ask for confirmation; trust everyone who can write Secrets in these namespaces
    #[arg(short, long)]
    pub yes: bool,

    /// How many workloads may restart at the same time
    #[arg(long, default_value = "20", value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub max_parallel: u16,

    /// How many of these may belong to one API Management instance
    #[arg(long, default_value = "5", value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub max_parallel_per_instance: u16,

    /// How many gateways to rotate and prove before the others; by default 1, or none with --no-wait
    #[arg(long, value_name = "N")]
    pub canary: Option<usize>,

    /// Start no other gateway after this many new tokens were refused or not proved; by default 2% of the gateways, at
    /// least 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_failures: Option<u32>,

    /// How often to try a gateway again that failed, unless it or its new token was refused; 0 by default
    #[arg(long, value_name = "N")]
    pub retries: Option<u8>,

    /// Use the whole request quota of the subscription, and leave nothing to others
    #[arg(long)]
    pub burst: bool,

    /// Do not print column headers
    #[arg(long)]
    pub no_headers: bool,
}

/// How to sign in to Azure.
#[derive(Args, Debug)]
#[command(next_help_heading = "Azure options")]
pub struct AzureArgs {
    /// How to sign in to Azure
    #[arg(long, value_enum, default_value_t, value_name = "METHOD")]
    pub auth: AuthMethod,

    /// Client id of the service principal, the workload identity or a user-assigned managed identity
    #[arg(short = 'c', long, value_name = "ID")]
    pub client_id: Option<String>,

    /// Secret of the service principal, or path of its certificate with the private key (PEM or PKCS#12)
    ///
    /// Other users of the machine can read a secret on the command line; a file is safer. A value that looks like a path
    /// must be one, unless it begins with `literal:`.
    #[arg(short = 'p', long, value_name = "SECRET", value_parser = hidden)]
    pub client_secret: Option<SecretString>,

    /// File with the secret or certificate of the service principal; - for stdin
    #[arg(long, value_name = "FILE", conflicts_with = "client_secret")]
    pub client_secret_file: Option<PathBuf>,

    /// File with the password of the certificate
    #[arg(long, value_name = "FILE")]
    pub client_secret_password_file: Option<PathBuf>,

    /// Tenant, by id or domain
    #[arg(long, value_name = "ID")]
    pub tenant: Option<String>,

    /// Cloud: public, china, usgov or the URL of its Azure Resource Manager; by default that of the endpoint, or public
    /// for several gateways
    #[arg(long, value_name = "CLOUD")]
    pub cloud: Option<String>,

    /// API version of Azure Resource Manager, for an instance that requires a newer one
    #[arg(long, default_value = "2024-05-01", value_parser = parse_api_version, value_name = "VERSION")]
    pub api_version: String,

    /// File with additional certificate authorities to trust for Azure (PEM)
    #[arg(long, value_name = "FILE")]
    pub azure_ca_file: Option<PathBuf>,
}

/// A value that no output shows, not even a parser error.
#[expect(clippy::unnecessary_wraps, reason = "clap takes a parser that may fail")]
fn hidden(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(SecretString::from(text))
}
