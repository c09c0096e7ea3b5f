//! The program's command line as a whole.

use std::ffi::{OsStr, OsString};

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command as ClapCommand, CommandFactory, FromArgMatches, Parser, Subcommand};

use super::brief::with_brief_help;
use super::entra::EntraArgs;
use super::program::{PROGRAM, display_name};
use super::spelling::written_out;
use super::variables::{Variables, notes, with_variables};
use super::{
    CompletionArgs, GlobalArgs, InstallCronjobArgs, KubeArgs, RenderRbacArgs, RotateArgs, StatusArgs,
    UninstallCronjobArgs, VersionArgs,
};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Rotate the credentials of Azure API Management self-hosted gateways on Kubernetes
#[derive(Parser, Debug)]
#[command(version = VERSION, propagate_version = false, disable_help_subcommand = true)]
#[command(
    before_help = "Examples:
  kubectl apim status              # list the gateways, with their expiry
  kubectl apim rotate --dry-run    # show what a rotation would do
  kubectl apim rotate              # rotate the gateway of the current namespace",
    after_long_help = "Flags go after `apim`: kubectl takes none before the name of a plugin.
A variable can set any flag except the Kubernetes options: KUBECTL_APIM_TOKEN_KEY sets --token-key."
)]
pub struct Cli {
    #[command(flatten)]
    pub kube: KubeArgs,
    #[command(flatten)]
    pub global: GlobalArgs,
    /// Without a command the help is printed.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands, each with the first line of its help. Their flags are defined
/// only where they are needed: hundreds of them take longer than to parse one
/// line.
#[derive(Subcommand, Debug)]
#[command(defer = true)]
pub enum Command {
    /// Mint a new token for a gateway, store it, restart the gateway and prove that the token works
    Rotate(Box<RotateArgs>),
    /// Show when each credential expires, which pods run with an older one, and how to fix it
    Status(Box<StatusArgs>),
    /// Install a CronJob that rotates gateways before their tokens expire, with minimal rights
    InstallCronjob(Box<InstallCronjobArgs>),
    /// Remove what `install-cronjob` installed, and nothing else
    UninstallCronjob(UninstallCronjobArgs),
    /// Let gateways sign in by Microsoft Entra in place of a token
    Entra(Box<EntraArgs>),
    /// Print the minimal rights for a scheduled rotation, in Kubernetes or in Azure
    RenderRbac(Box<RenderRbacArgs>),
    /// Print a completion script for a shell
    Completion(CompletionArgs),
    /// Print the version
    Version(VersionArgs),
}

/// A command line that was understood.
pub struct Parsed {
    pub cli: Cli,
    pub matches: ArgMatches,
    /// What the user should be shown about variables that set flags.
    pub notes: Vec<String>,
}

/// Parses the program's arguments, the first being its own name. The other
/// commands matter to the help and to suggestions only, so they are defined
/// only if the first attempt fails.
pub fn parse(
    program: &str,
    arguments: &[OsString],
    variables: &Variables<'_>,
) -> clap::error::Result<Parsed> {
    let line = written_out(arguments);
    let line = help(&line).unwrap_or(line);
    let arguments = line.as_slice();
    let mut command = narrow(program, arguments, variables);
    let matches = match command.try_get_matches_from_mut(arguments) {
        Err(error) if error.kind() != ErrorKind::DisplayVersion => {
            command = self::command(program, arguments, variables);
            command.try_get_matches_from_mut(arguments)?
        }
        result => result?,
    };
    Ok(Parsed {
        cli: Cli::from_arg_matches(&matches)?,
        notes: notes(&command, &matches),
        matches,
    })
}

/// What a line says that is still being typed, so that something required may be
/// missing. `None` for a line that is wrong already.
pub(super) fn unfinished(line: &[OsString]) -> Option<ArgMatches> {
    let line = written_out(line);
    let command = narrow(PROGRAM, &line, &|_| None);
    match command.clone().try_get_matches_from(&line) {
        Ok(matches) => Some(matches),
        Err(error) => {
            let kinds = [ErrorKind::MissingRequiredArgument, ErrorKind::MissingSubcommand];
            let may_be_finished = kinds.contains(&error.kind());
            let command = may_be_finished.then(|| command.ignore_errors(true))?;
            command.try_get_matches_from(&line).ok()
        }
    }
}

/// `help rotate` as `rotate --help`: kubectl has the command, and clap's own would
/// define the flags of every command.
fn help(arguments: &[OsString]) -> Option<Vec<OsString>> {
    let (program, rest) = arguments.split_first()?;
    let (first, words) = rest.split_first()?;
    (first == "help").then(|| {
        let program = std::iter::once(program.clone());
        program
            .chain(words.iter().cloned())
            .chain(["--help".into()])
            .collect()
    })
}

/// The command line under the name that the program was called by, for one
/// line of words: only the commands that are among them have flags, since clap
/// chooses a command by a word that is its name.
pub fn command<W: AsRef<OsStr>>(program: &str, line: &[W], variables: &Variables<'_>) -> ClapCommand {
    let name = display_name(program);
    let root = Cli::command().name(name.clone()).bin_name(name);
    let root = root.mut_subcommands(|subcommand| {
        if line.iter().any(|word| word.as_ref() == subcommand.get_name()) {
            with_flags(subcommand)
        } else {
            subcommand
        }
    });
    with_variables(with_brief_help(root), variables)
}

/// The same without the commands that are not among the words. clap copies the
/// global flags to every command, which takes most of the time of a parse.
fn narrow<W: AsRef<OsStr>>(program: &str, line: &[W], variables: &Variables<'_>) -> ClapCommand {
    let name = display_name(program);
    let root = ClapCommand::new(name.clone())
        .bin_name(name)
        .version(VERSION)
        .disable_help_subcommand(true);
    let mut root = GlobalArgs::augment_args(KubeArgs::augment_args(root));
    for word in line.iter().filter_map(|word| word.as_ref().to_str()) {
        if let Some(add) = flags_of(word)
            && root.find_subcommand(word).is_none()
        {
            root = root.subcommand(add(ClapCommand::new(word.to_owned())));
        }
    }
    with_variables(root, variables)
}

/// A command with its flags. clap itself would add them behind the global
/// ones and too late for their variables.
fn with_flags(command: ClapCommand) -> ClapCommand {
    match flags_of(command.get_name()) {
        // Nothing is left for clap to add.
        Some(add) => add(command).defer(std::convert::identity),
        None => command,
    }
}

/// What adds the flags of the command of this name.
fn flags_of(command: &str) -> Option<fn(ClapCommand) -> ClapCommand> {
    Some(match command {
        "rotate" => RotateArgs::augment_args,
        "status" => StatusArgs::augment_args,
        "install-cronjob" => InstallCronjobArgs::augment_args,
        "uninstall-cronjob" => UninstallCronjobArgs::augment_args,
        "entra" => EntraArgs::augment_args,
        "render-rbac" => RenderRbacArgs::augment_args,
        "completion" => CompletionArgs::augment_args,
        "version" => VersionArgs::augment_args,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        let root = Cli::command();
        let names = root
            .get_subcommands()
            .map(|command| command.get_name().to_owned());
        names.collect()
    }

    #[test]
    fn the_command_line_is_consistent() {
        command("kubectl-apim", &names(), &|_| Some("x".to_owned())).debug_assert();
    }

    /// The meaning of a line; `None` for one that is to be parsed again.
    fn parsed(mut command: ClapCommand, line: &[&str]) -> Option<String> {
        let matches = command.try_get_matches_from_mut(line).ok()?;
        Some(format!("{:?}", Cli::from_arg_matches(&matches).ok()?))
    }

    #[test]
    fn a_line_has_the_same_meaning_without_the_other_commands() {
        for line in [
            "",
            "--version",
            "version -o json",
            "rotate deploy status -n shop -k primary --dry-run",
            "--context x --as-group a -v=6 rotate --as-group b -l status",
            "-n status status -A --sort-by verdict",
            "install-cronjob --all --auth managed-identity --name rotate",
            "uninstall-cronjob version --yes",
            "rotate --no-such-flag",
            "rotat",
            "status --help",
            "--help rotate",
            "rotate -- status --all",
            "entra setup deploy/gw --create-app status --yes",
            "entra -n x setup --app y",
            "entra",
        ] {
            let words = format!("kubectl-apim {line}");
            let words: Vec<&str> = words.split_whitespace().collect();
            let narrow = parsed(narrow("kubectl-apim", &words, &|_| None), &words);
            let whole = parsed(command("kubectl-apim", &words, &|_| None), &words);
            assert_eq!(narrow, whole, "{line}");
        }
    }

    #[test]
    fn a_command_that_is_not_called_has_no_flags_and_the_same_summary() {
        let summary = |command: &ClapCommand| command.get_about().map(ToString::to_string);
        for name in names() {
            let short = command("kubectl-apim", &["--help"], &|_| None);
            let full = command("kubectl-apim", &["--context", "x", &name], &|_| None);
            for other in names() {
                let (short, full) = (
                    short.find_subcommand(&other).unwrap(),
                    full.find_subcommand(&other).unwrap(),
                );
                let is_defined = |command: &ClapCommand| {
                    command.get_arguments().next().is_some() || command.has_subcommands()
                };
                assert!(!is_defined(short), "{other}");
                assert_eq!(is_defined(full), other == name, "{other}");
                assert_eq!(summary(short), summary(full), "{other}");
            }
        }
    }
}
