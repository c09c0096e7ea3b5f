//! The variables that set flags.

use std::ffi::OsString;

use clap::builder::FalseyValueParser;
use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::kube;
use super::spelling::meant;
use crate::environment::PREFIX;

/// The variable of a long flag: `KUBECTL_APIM_TOKEN_KEY` for `token-key`.
pub fn variable_of(long: &str) -> String {
    format!("{PREFIX}{}", long.replace('-', "_").to_ascii_uppercase())
}

/// The value of a variable of this name, unless it is unset or empty.
pub type Variables<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// The command with a variable for each long flag of ours. kubectl's own flags
/// have none: where a run connects to, and as whom, is for the command line and
/// the kubeconfig alone. An empty variable counts as unset, because templates
/// leave empty ones behind, and so does a switch that is set to false: clap would
/// let it conflict with other flags.
pub(super) fn with_variables(command: Command, variables: &Variables<'_>) -> Command {
    let command = command.mut_args(|arg| {
        let Some((variable, value)) = variable(&arg).and_then(|name| Some((name.clone(), variables(&name)?)))
        else {
            return arg;
        };
        let is_switch = matches!(arg.get_action(), ArgAction::SetTrue);
        if is_switch && is_false(&value) {
            return arg;
        }
        let arg = arg.env(variable).hide_env(true);
        if is_switch {
            arg.value_parser(FalseyValueParser::new())
        } else {
            arg
        }
    });
    command.mut_subcommands(|subcommand| with_variables(subcommand, variables))
}

/// What the variables of another process set, as words for its command line:
/// clap itself reads only those of this process. A flag on the line takes
/// precedence.
pub fn as_words(command: &Command, matches: &ArgMatches, variables: &Variables<'_>) -> Vec<OsString> {
    let word = |arg: &Arg| {
        let (long, value) = (arg.get_long()?, variables(&variable(arg)?)?);
        let is_typed = matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
        let is_switch = matches!(arg.get_action(), ArgAction::SetTrue);
        match (is_typed, is_switch) {
            (true, _) => None,
            (false, true) => (!is_false(&value)).then(|| format!("--{long}").into()),
            (false, false) => Some(format!("--{long}={value}").into()),
        }
    };
    command.get_arguments().filter_map(word).collect()
}

/// The words that clap reads as false.
fn is_false(value: &str) -> bool {
    ["n", "no", "f", "false", "off", "0"].contains(&value.to_ascii_lowercase().as_str())
}

/// Hints for an error of clap: the command that was meant, and the variables
/// behind the flags, since clap names only the flags that they set.
pub fn behind(error: &clap::Error, line: &[OsString], variables: &Variables<'_>) -> Vec<String> {
    let mut hints: Vec<String> = meant(error).into_iter().collect();
    for kind in [ContextKind::InvalidArg, ContextKind::PriorArg] {
        let args = match error.get(kind) {
            Some(ContextValue::String(arg)) => vec![arg.clone()],
            Some(ContextValue::Strings(args)) => args.clone(),
            _ => Vec::new(),
        };
        for arg in args {
            let flag = arg.split([' ', '=', '[']).next().unwrap_or_default();
            let Some(long) = flag.strip_prefix("--") else {
                continue;
            };
            let typed = line
                .iter()
                .any(|word| word.to_string_lossy().split('=').next() == Some(flag));
            let variable = variable_of(long);
            if !typed && variables(&variable).is_some() {
                hints.push(format!("the variable {variable} sets {flag}"));
            }
        }
    }
    hints
}

/// A line for each object that a variable names, which would otherwise be
/// chosen in silence.
pub(super) fn notes(root: &Command, matches: &ArgMatches) -> Vec<String> {
    let Some((name, matches)) = matches.subcommand() else {
        return Vec::new();
    };
    let Some(command) = root.find_subcommand(name) else {
        return Vec::new();
    };
    if matches.subcommand().is_some() {
        return notes(command, matches);
    }
    let note = |arg: &Arg| {
        let (long, id) = (arg.get_long()?, arg.get_id().as_str());
        if matches.value_source(id) != Some(ValueSource::EnvVariable) {
            return None;
        }
        let values: Vec<_> = matches
            .get_raw(id)?
            .map(|value| value.to_string_lossy())
            .collect();
        let (values, variable) = (values.join(","), variable_of(long));
        Some(format!("using --{long} {values} from {variable}"))
    };
    let names = command.get_arguments().filter(|arg| names_an_object(arg));
    names.filter_map(note).collect()
}

pub(super) fn variable(arg: &Arg) -> Option<String> {
    let long = arg.get_long()?;
    let is_ours = !matches!(long, "help" | "version") && arg.get_help_heading() != Some(kube::HEADING);
    is_ours.then(|| variable_of(long))
}

/// Whether the value is a name or an id, in Kubernetes or in Azure, as the help
/// shows it.
pub(super) fn names_an_object(arg: &Arg) -> bool {
    let mut values = arg.get_value_names().unwrap_or_default().iter();
    arg.get_action().takes_values() && values.any(|value| value.contains("NAME") || value == "ID")
}
