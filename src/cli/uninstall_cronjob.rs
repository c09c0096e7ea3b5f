//! The flags of `uninstall-cronjob`.

use clap::Args;

use crate::model::DEFAULT_NAME;
use crate::model::request::DryRun;

/// Remove what `install-cronjob` installed, and nothing else
///
/// Removes the objects that have the labels of the installation: the CronJob with its Jobs, the ServiceAccount, the Role,
/// the RoleBinding, and the Secret and the NetworkPolicy if there are any. The gateways and their tokens are not changed.
#[derive(Args, Debug)]
#[command(before_help = "Examples:
  kubectl apim uninstall-cronjob -n apim --dry-run  # show what would be removed
  kubectl apim uninstall-cronjob -n apim --yes      # remove it without confirmation")]
pub struct UninstallCronjobArgs {
    /// Name of the installed objects
    #[arg(default_value = DEFAULT_NAME, value_name = "NAME")]
    pub name: String,

    /// Only show what would be removed
    #[arg(long, value_enum, value_name = "WHERE")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "client", default_value = "none")]
    #[arg(hide_default_value = true)]
    pub dry_run: DryRun,

    /// Do not ask for confirmation
    #[arg(short, long)]
    pub yes: bool,
}
