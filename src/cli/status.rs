//! The flags of `status`.

use clap::Args;
use jiff::SignedDuration;

use super::{AzureArgs, SelectArgs};
use crate::model::parse_duration;
use crate::model::request::{SortBy, StatusFormat};

/// Show when each credential expires, which pods run with an older one, and how to fix it
///
/// Lists every workload that runs a gateway, found by its image, its settings or the annotations of an earlier rotation.
/// One that is named alone is shown in full, with the source of each fact, unless -o is given.
/// The expiry is read from the token itself; of an Entra app's secret or certificate, from what was recorded with it, or
/// from the certificate. Azure is contacted only with --azure, which also checks what a sign-in by Entra needs.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(before_help = "Examples:
  kubectl apim status                          # list those of the namespace
  kubectl apim status deploy/gw                # show everything about one
  kubectl apim status -A --sort-by expires-in  # list all, by expiry
  kubectl apim status -A --fail-within 10d     # exit with 9 if one is due
  kubectl apim status -w                       # keep running, print changes
  kubectl apim status --fix                    # offer to run the fixes")]
#[command(after_long_help = "Verdicts, the worst first:
  Expired         the credential has expired: the next pod that starts gets no configuration
  CannotSignIn    with --azure: a part of the sign-in by Entra is missing or wrong
  RestartOwed     a rotation wrote a token that no restart has brought to the pods
  Blocked         the API server refuses new pods of the workload, for example because of a quota
  StalePods       pods run with an older token than the Secret holds
  Expiring        the credential expires within 7 days
  Unknown         the credential cannot be read, or its expiry is not known in the cluster
  WillBeReverted  another tool owns the Secret and restores its own token
  ChangedByOther  another token was written since the last rotation
  Unprotected     nothing visible here rotates the gateway
  Due             expires within 15 days (a token) or a third of its life (an app's credential)
  Healthy         none of the above

<unknown> marks a value that cannot be determined, <forbidden> one that you may not read.

Exit codes:
  0  done; with --fix, each command that was offered was run and succeeded
  1  error; with --fix, also if a command failed or was not wanted
  2  invalid command line or variable
  9  --fail-within: a credential expires within that time, or a verdict is Expired, CannotSignIn, RestartOwed, Blocked,
     StalePods or Unknown")]
pub struct StatusArgs {
    /// Workloads, as NAME, TYPE/NAME or TYPE NAME; by default all gateways
    #[arg(value_name = "TARGET")]
    pub target: Vec<String>,

    #[command(flatten)]
    pub select: SelectArgs,

    /// Output format
    #[arg(short = 'o', long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: StatusFormat,

    /// Do not print column headers
    #[arg(long)]
    pub no_headers: bool,

    /// Column to sort by
    #[arg(long, value_enum, default_value_t, value_name = "COLUMN")]
    pub sort_by: SortBy,

    /// Keep running, and print each gateway again when it changes
    ///
    /// A row begins with the time and ends with what has changed. On a terminal the table is drawn in place instead, with
    /// the latest changes below it, unless colors are turned off or -v is given. With -o json each gateway is an object on
    /// a line of its own; one that is gone is printed once more, with `deleted`. Requires the right to list and watch the
    /// objects; a warning names what cannot be watched.
    #[arg(short, long)]
    pub watch: bool,

    /// Exit with 9 if a token expires within this time, or if a gateway needs attention or cannot be read
    #[arg(long, value_parser = parse_duration, value_name = "DURATION", allow_hyphen_values = true)]
    #[arg(conflicts_with = "watch")]
    pub fail_within: Option<SignedDuration>,

    /// Offer the commands that fix the gateways, the worst first, and run those that you agree to
    ///
    /// Needs a terminal. A command is shown in full before it runs, as you: with the environment of this one and without
    /// a shell. At the end it says what is fixed and what is left.
    #[arg(long, conflicts_with_all = ["watch", "fail_within"])]
    pub fix: bool,

    /// Ask Azure too: whether the gateway exists, its location, APIs, tier and minimum API version
    #[arg(long = "azure")]
    pub ask_azure: bool,

    #[command(flatten)]
    pub azure: AzureArgs,
}
