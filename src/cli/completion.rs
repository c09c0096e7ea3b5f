//! The flags of `completion`.

use clap::{Args, ValueEnum};

/// Print the completion script for a shell
///
/// To complete `kubectl apim`, save what `completion kubectl` prints as an executable file
/// `kubectl_complete-apim` on the PATH; kubectl's own completion does the rest. The scripts of the shells complete
/// the program called as `kubectl-apim`.
#[derive(Args, Debug)]
pub struct CompletionArgs {
    /// The shell; `kubectl` is for kubectl itself, whichever shell it runs in
    pub shell: CompletionShell,
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
