//! `completion`: scripts for shells.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::{self, Cli, CompletionShell};
use crate::error::{Error, Result};

const PROGRAM: &str = "kubectl-apim";

/// The script for a shell. kubectl itself completes a plugin through an
/// executable `kubectl_complete-NAME` on the PATH, which answers like
/// kubectl's own hidden command `__complete`.
pub(super) fn script(shell: CompletionShell, program: &str) -> Result<String> {
    let shell = match shell {
        CompletionShell::Bash => Shell::Bash,
        CompletionShell::Zsh => Shell::Zsh,
        CompletionShell::Fish => Shell::Fish,
        CompletionShell::Powershell => Shell::PowerShell,
        CompletionShell::Kubectl => return Ok(KUBECTL_SCRIPT.to_owned()),
    };
    // The shells know the file's name alone, and a space would break the
    // names of their functions.
    let all = Cli::command();
    let names: Vec<&str> = all.get_subcommands().map(clap::Command::get_name).collect();
    let command = cli::command(program, &names, &|_| false);
    let mut command = command.name(PROGRAM).bin_name(PROGRAM);
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, PROGRAM, &mut script);
    String::from_utf8(script)
        .map_err(|error| Error::failed("the completion script is no UTF-8").caused_by(error))
}

/// What `kubectl_complete-apim` holds.
const KUBECTL_SCRIPT: &str = "#!/bin/sh\nexec kubectl-apim __complete \"$@\"\n";
