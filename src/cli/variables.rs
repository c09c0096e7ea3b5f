//! The variable of each flag.

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Command};

/// The variable of a long flag: `APIM_TOKEN_KEY` for `token-key`.
pub fn variable_of(long: &str) -> String {
    format!("APIM_{}", long.replace('-', "_").to_ascii_uppercase())
}

/// The command whose long flags are set by their variables too. An empty
/// variable counts as unset, because that is what templates leave behind.
pub(super) fn with_variables(command: Command, is_set: &dyn Fn(&str) -> bool) -> Command {
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
