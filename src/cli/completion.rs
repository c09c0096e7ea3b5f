//! The flags of `completion`, and the scripts that it prints.

use clap::{Args, ValueEnum};
use clap_complete::env::{Bash, EnvCompleter, Fish, Powershell, Zsh};

use super::program::{COMPLETION_VARIABLE, PROGRAM};

/// Print a completion script for a shell
///
/// To complete `kubectl apim`, save the output of `completion kubectl` as an executable file named
/// `kubectl_complete-apim` on the PATH; kubectl's own completion then uses it in every shell. The scripts for bash, zsh,
/// fish and PowerShell complete the program under its own name, `kubectl-apim`.
#[derive(Args, Debug)]
pub struct CompletionArgs {
    /// The shell, or `kubectl` for kubectl's own completion in any shell
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
    /// The script `kubectl_complete-apim`, which kubectl runs to complete the plugin
    Kubectl,
}

impl CompletionShell {
    /// The script. It asks the program for the words, so that it stays the same
    /// whatever flags there are.
    pub fn script(self) -> String {
        let shell: &dyn EnvCompleter = match self {
            Self::Bash => &Bash,
            Self::Zsh => &Zsh,
            Self::Fish => &Fish,
            Self::Powershell => &Powershell,
            Self::Kubectl => return KUBECTL_SCRIPT.to_owned(),
        };
        let mut script = Vec::new();
        shell
            .write_registration(COMPLETION_VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script)
            .expect("writing to memory cannot fail");
        let script = String::from_utf8(script).expect("clap writes UTF-8");
        let more = if self == Self::Zsh { ZSH_AUTOLOAD } else { "" };
        format!("{}\n{more}", script.trim())
    }
}

/// zsh runs a script in `fpath` at the first press of the tab key, and expects
/// an answer to that one too.
const ZSH_AUTOLOAD: &str = "
if [[ $funcstack[1] == _kubectl-apim ]]; then
    _clap_dynamic_completer_kubectl_apim \"$@\"
fi
";

/// What `kubectl_complete-apim` holds: an executable of that name answers
/// kubectl as its own hidden command `__complete` would.
const KUBECTL_SCRIPT: &str = "#!/bin/sh\nexec kubectl-apim __complete \"$@\"\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_of_zsh_calls_the_function_that_it_defines() {
        let script = CompletionShell::Zsh.script();
        let name = "_clap_dynamic_completer_kubectl_apim";
        assert!(script.contains(&format!("function {name}() {{")), "{script}");
        assert!(script.ends_with(ZSH_AUTOLOAD) && ZSH_AUTOLOAD.contains(name));
    }
}
