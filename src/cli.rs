//! The command line as it is typed: clap types only. The doc comments are the
//! help.

pub mod complete;
mod install_cronjob;
pub mod kube;
mod render_rbac;
mod rotate;

mod select;
mod status;
mod uninstall_cronjob;

pub use install_cronjob::{IdentityArgs, InstallCronjobArgs, ObjectFormat, PodArgs, PodAuth, PullPolicy};
pub use kube::KubeArgs;
pub use render_rbac::{AzureForm, AzureRoleArgs, RenderRbacArgs, RightsScope};
pub use rotate::{AuthMethod, AzureArgs, DryRun, OutputFormat, ProveMode, RotateArgs, TargetArgs};
pub use select::SelectArgs;
pub use status::{SortBy, StatusArgs, StatusFormat};
pub use uninstall_cronjob::UninstallCronjobArgs;

use clap::builder::FalseyValueParser;
use clap::{
    ArgAction, Args, ColorChoice, Command as ClapCommand, CommandFactory, Parser, Subcommand, ValueEnum,
};

/// Keeps the credentials of Azure API Management self-hosted gateways fresh
#[derive(Parser, Debug)]
#[command(version, propagate_version = false, disable_help_subcommand = true)]
#[command(
    after_help = "Begin with `status`: it finds the gateways of the current namespace and says what
lapses when. Then `rotate --dry-run` says what a rotation would do. Neither changes anything.

Flags come after `apim`: kubectl itself takes none before the name of a plugin.
Every flag can be set by a variable too: --token-key by APIM_TOKEN_KEY."
)]
pub struct Cli {
    /// How to reach Kubernetes.
    #[command(flatten)]
    pub kube: KubeArgs,
    /// How to talk.
    #[command(flatten)]
    pub talk: TalkArgs,
    /// What to do; without a command the help is shown.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Mint a new token for a gateway, store it, restart the gateway and prove that it works
    Rotate(Box<RotateArgs>),
    /// Say which credential lapses when, which pods run with an old one, and what to do about it
    Status(Box<StatusArgs>),
    /// Install a CronJob that rotates gateways before their tokens lapse, with the least rights for it
    InstallCronjob(Box<InstallCronjobArgs>),
    /// Remove what `install-cronjob` has installed, and nothing else
    UninstallCronjob(UninstallCronjobArgs),
    /// Print the least rights that a scheduled rotation works with, in Kubernetes or in Azure
    RenderRbac(Box<RenderRbacArgs>),
    /// Print the completion script for a shell
    ///
    /// To complete `kubectl apim`, save what `completion kubectl` prints as an executable file
    /// `kubectl_complete-apim` on the PATH; kubectl's own completion does the rest. The scripts of the shells complete
    /// the program called as `kubectl-apim`.
    Completion {
        /// The shell; `kubectl` is for kubectl itself, whichever shell it runs in
        shell: CompletionShell,
    },
    /// Print the version
    Version {
        /// Output format
        #[arg(short, long, value_enum, default_value_t)]
        output: OutputFormat,
    },
}

/// The shells that a completion script can be printed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CompletionShell {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
    /// PowerShell
    Powershell,
    /// The script `kubectl_complete-apim`, through which kubectl itself completes
    Kubectl,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// How a run talks, whatever the command.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Global options")]
pub struct TalkArgs {
    /// Say more: -v the causes of an error, -v=6 every request; never a secret
    #[arg(short, long, global = true, value_name = "LEVEL")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "1", default_value = "0")]
    #[arg(hide_default_value = true)]
    pub verbose: u8,

    /// How progress and warnings are written to stderr; text, and json in a pod
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,

    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: ColorChoice,
}

/// The command line under the name that the program was called by: `kubectl
/// apim` as a plugin, else the file's own name. Every long flag gets the
/// variable `APIM_<FLAG>`; an empty variable counts as unset, because that is
/// what templates leave behind.
pub fn command(program: &str, is_set: &dyn Fn(&str) -> bool) -> ClapCommand {
    let name = display_name(program);
    with_variables(Cli::command().name(name.clone()).bin_name(name), is_set)
}

/// The name of the program's file, without folder and extension.
pub fn file_name(program: &str) -> &str {
    let file = program.rsplit(['/', '\\']).next().unwrap_or(program);
    file.strip_suffix(".exe").unwrap_or(file)
}

/// What to call the program in its help.
fn display_name(program: &str) -> String {
    let file = file_name(program);
    match file.strip_prefix("kubectl-") {
        Some(plugin) => format!("kubectl {}", plugin.replace('-', " ").replace('_', "-")),
        None if file.is_empty() => "kubectl apim".to_owned(),
        None => file.to_owned(),
    }
}

fn with_variables(command: ClapCommand, is_set: &dyn Fn(&str) -> bool) -> ClapCommand {
    let command = command.mut_args(|arg| {
        let Some(long) = arg.get_long() else { return arg };
        let variable = variable_of(long);
        if matches!(long, "help" | "version") || !is_set(&variable) {
            return arg;
        }
        let is_switch = matches!(arg.get_action(), ArgAction::SetTrue);
        let arg = arg.env(variable).hide_env(true);
        if is_switch {
            arg.value_parser(FalseyValueParser::new())
        } else {
            arg
        }
    });
    command.mut_subcommands(|subcommand| with_variables(subcommand, is_set))
}

/// The variable of a long flag: `APIM_TOKEN_KEY` for `token-key`.
pub fn variable_of(long: &str) -> String {
    format!("APIM_{}", long.replace('-', "_").to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command("kubectl-apim", &|_| true).debug_assert();
    }

    #[test]
    fn the_name_follows_the_file() {
        for (program, name) in [
            ("/usr/local/bin/kubectl-apim", "kubectl apim"),
            ("kubectl-apim.exe", "kubectl apim"),
            ("kubectl-apim_gw", "kubectl apim-gw"),
            ("/opt/apim", "apim"),
            ("", "kubectl apim"),
        ] {
            assert_eq!(display_name(program), name, "{program}");
        }
    }
}
