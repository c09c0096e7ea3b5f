//! The flags of `status`.

use clap::{Args, ValueEnum};
use jiff::SignedDuration;

use super::{AzureArgs, SelectArgs};
use crate::model::parse_duration;

/// How the gateways are printed to stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum StatusFormat {
    /// A table
    #[default]
    Table,
    /// The table with more columns, and the reason of each verdict
    Wide,
    /// JSON
    Json,
    /// YAML
    Yaml,
    /// TYPE/NAME of each workload
    Name,
    /// Metrics for Prometheus, for the textfile collector or a Pushgateway
    Prometheus,
}

/// What the rows are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SortBy {
    /// Namespace and name
    #[default]
    Name,
    /// What expires first
    ExpiresIn,
    /// What is worst
    Verdict,
    /// What was rotated the longest time ago
    RotatedAt,
}

/// Say which credential lapses when, which pods run with an old one, and what to do about it
///
/// Every workload that runs a gateway is found, by its image, its settings or the annotations of an earlier rotation.
/// The expiry is read from the token itself. Azure is not asked, unless with --azure.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  kubectl apim status                              the gateways of the current namespace
  kubectl apim status -A --sort-by expires-in      of all namespaces, what lapses first on top
  kubectl apim status -A --fail-within 10d         as an alarm: exit code 9 if anything needs a hand
  kubectl apim status -A -o prometheus             as metrics
  kubectl apim status -w                           and whatever changes from now on

Verdicts, the worst first:
  Expired         the token has lapsed: the next pod that starts is dead
  RestartOwed     a rotation has written a token that no restart has brought to the pods
  StalePods       pods run with an older token than the Secret holds
  Expiring        the token lapses within 7 days
  Unknown         the credential cannot be read, or the cluster does not know its expiry
  WillBeReverted  another tool owns the Secret and restores its own token
  ChangedByOther  another token was written since the last rotation
  Unprotected     nothing that is seen here rotates it
  Due             the token lapses within 15 days
  Healthy         none of these

A cell that cannot be known says <unknown>, one that this user may not read <forbidden>.

Exit codes:
  0  done
  1  error
  2  wrong command line or variable
  9  --fail-within: a token lapses within that time, or a verdict is Expired, StalePods, RestartOwed or Unknown")]
pub struct StatusArgs {
    /// The workloads: NAME, TYPE/NAME or TYPE NAME, several of them; all gateways when absent
    #[arg(value_name = "TARGET")]
    pub target: Vec<String>,

    /// Which of many
    #[command(flatten)]
    pub select: SelectArgs,

    /// Output format
    #[arg(short = 'o', long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: StatusFormat,

    /// Leave out the line with the names of the columns
    #[arg(long)]
    pub no_headers: bool,

    /// What to sort by
    #[arg(long, value_enum, default_value_t, value_name = "COLUMN")]
    pub sort_by: SortBy,

    /// Go on, and print each gateway again when something about it has changed
    ///
    /// With -o json each is an object on a line of its own, and one that has gone comes once more with `deleted`. It takes
    /// the right to list and watch what is shown; what may not be watched costs a warning.
    #[arg(short, long)]
    pub watch: bool,

    /// Exit with 9 if a token lapses within this time, or a gateway needs a hand or cannot be read
    #[arg(long, value_parser = parse_duration, value_name = "DURATION", allow_hyphen_values = true)]
    #[arg(conflicts_with = "watch")]
    pub fail_within: Option<SignedDuration>,

    /// Ask Azure too: whether the gateway exists, its location, its APIs, the tier and the minimum API version
    #[arg(long = "azure")]
    pub ask_azure: bool,

    /// How to sign in to Azure
    #[command(flatten)]
    pub azure: AzureArgs,
}
