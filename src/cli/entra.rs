//! The flags of `entra setup`.

use clap::{Args, Subcommand};
use jiff::SignedDuration;

use super::{AzureArgs, GatewayArgs};
use crate::model::entra::Mode;
use crate::model::parse_duration;
use crate::model::request::{DryRun, OutputFormat};

/// Let gateways sign in by Microsoft Entra in place of a token
#[derive(Args, Debug)]
pub struct EntraArgs {
    #[command(subcommand)]
    pub command: EntraCommand,
}

/// The commands of the group.
#[derive(Subcommand, Debug)]
pub enum EntraCommand {
    Setup(Box<EntraSetupArgs>),
}

/// Set up in Azure and in the cluster what a gateway needs to sign in by Entra
///
/// Shows a plan, one line for each part: `=` is there, `+` is created, `~` is changed, `?` is not known and tried, `!` is
/// missing and cannot be made by you. Then asks, makes it, waits until Azure knows it, and proves that the gateway reads
/// its configuration. Running the same command again changes nothing.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(before_help = "Examples:
  kubectl apim entra setup deployment/gw --create-app gw --dry-run
  kubectl apim entra setup deployment/gw --create-app gw
  kubectl apim entra setup deployment/gw --create-app gw --print-az > setup.sh
  kubectl apim entra setup -s ID -r GROUP -a INSTANCE -g GATEWAY \\
    --service-account gw --create-app gw")]
#[command(
    after_long_help = "The client id of --client-id and AZURE_CLIENT_ID is that of who signs in, never that of the gateway.

Exit codes:
  0  everything is there, or made and proved
  1  error, or declined; nothing was changed
  2  invalid command line or variable, or nobody to ask and no --yes
  3  written, but Azure's delay or the proof is owed; run the same command again to resume
  4  a line of the plan is `!`, whatever else was done
  5  Azure refused the credential; the workload was put back
  7  a write could not be read back, so its outcome is unknown"
)]
pub struct EntraSetupArgs {
    /// Workload that runs the gateway, as NAME, TYPE/NAME or TYPE NAME
    #[arg(value_name = "TARGET")]
    pub target: Vec<String>,

    /// Workload that runs the gateway, as TYPE/NAME
    #[arg(long, value_name = "TYPE/NAME", conflicts_with = "target")]
    pub k8s_object: Option<String>,

    #[command(flatten)]
    pub gateway: GatewayArgs,

    /// How the gateway signs in; by default as it does now, or by workload identity where that works
    #[arg(long, value_enum, value_name = "MODE")]
    pub mode: Option<Mode>,

    /// Create an app of this display name for the gateway, or use the one that an earlier run made
    #[arg(long, value_name = "NAME", conflicts_with = "app")]
    pub create_app: Option<String>,

    /// Use this app or user-assigned managed identity, by its client id
    #[arg(long, value_name = "CLIENT-ID")]
    pub app: Option<String>,

    /// ServiceAccount of the pods, which is created if it does not exist; by default that of the workload
    #[arg(long, value_name = "NAME")]
    pub service_account: Option<String>,

    /// Secret for the credential; by default WORKLOAD-entra
    #[arg(long, value_name = "NAME")]
    pub secret: Option<String>,

    /// Lifetime of a client secret or a certificate
    #[arg(long, default_value = "180d", value_parser = parse_duration, value_name = "DURATION")]
    #[arg(allow_hyphen_values = true)]
    pub secret_lifetime: SignedDuration,

    /// Enable the system-assigned identity of the instance; its user-assigned identities stay
    #[arg(long)]
    pub enable_identity: bool,

    /// Create the gateway in API Management if it does not exist, at a location of this name
    #[arg(long, value_name = "NAME")]
    pub location_name: Option<String>,

    /// Print the changes in Azure as a shell script for the Azure CLI, and change nothing
    #[arg(long, conflicts_with = "print_bicep")]
    pub print_az: bool,

    /// With --print-az: print what removes the set-up again
    #[arg(long, requires = "print_az", conflicts_with = "print_bicep")]
    pub undo: bool,

    /// Print roles, assignments and federated credentials of managed identities as Bicep, and change nothing
    #[arg(long)]
    pub print_bicep: bool,

    /// Audience of the gateway's token, in place of that of the cloud
    #[arg(long, value_name = "URL")]
    pub token_audience: Option<String>,

    /// Audience of the ServiceAccount's token, in place of that of the cloud
    #[arg(long, value_name = "AUDIENCE")]
    pub federation_audience: Option<String>,

    /// Microsoft Graph, for a cloud whose metadata does not name it
    #[arg(long, value_name = "URL")]
    pub graph_url: Option<String>,

    /// Do not wait for the proof by the pods
    #[arg(long)]
    pub no_wait: bool,

    /// Time limit of the whole command
    #[arg(long, default_value = "30m", value_parser = parse_duration, value_name = "DURATION")]
    pub timeout: SignedDuration,

    /// Do not ask for confirmation
    #[arg(short, long)]
    pub yes: bool,

    /// Only show the plan
    #[arg(long, value_enum, value_name = "WHERE")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "client", default_value = "none")]
    #[arg(hide_default_value = true)]
    pub dry_run: DryRun,

    /// Output format
    #[arg(short = 'o', long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: OutputFormat,

    #[command(flatten)]
    pub azure: AzureArgs,

    /// Log at debug level to stderr; secrets are never logged
    #[arg(long)]
    pub debug: bool,
}
