//! The demo's own text between the outputs of its commands.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use apim_sandbox::Sandbox;

use crate::shell::Shell;

const BOLD: &str = "1";
const CYAN: &str = "36";
const DIM: &str = "2";

/// A line of text.
pub(crate) fn line(text: &str) {
    // The reader may have closed stdout; the sandbox must be removed even so.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// A line to stderr.
pub(crate) fn error(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// The beginning of a part.
pub(crate) fn headline(number: usize, text: &str) {
    line(&format!("\n{}", paint(BOLD, &format!("{number}. {text}"))));
}

/// A command that is about to run.
pub(crate) fn command(text: &str) {
    line(&paint(CYAN, &format!("$ {text}")));
}

/// How long the parts took.
pub(crate) fn durations(parts: &[(String, Duration)]) {
    let total: Duration = parts.iter().map(|(_, duration)| *duration).sum();
    for (number, (headline, duration)) in parts.iter().enumerate() {
        let part = format!("{:6.1} s  {}. {headline}", duration.as_secs_f64(), number + 1);
        line(&paint(DIM, &part));
    }
    line(&paint(DIM, &format!("{:6.1} s  in all", total.as_secs_f64())));
}

/// How to use the sandbox from another terminal.
pub(crate) fn keep(sandbox: &Sandbox, shell: &Shell) {
    line("\nThe sandbox stays until Ctrl-C. In another terminal:\n");
    for export in shell.exports() {
        line(&export);
    }
    line(&format!("export ADMIN='{}'", sandbox.azure().admin_url()));
    line("\nADMIN is the admin endpoint of the emulator of Azure: docs/sandbox.md says how to break things.");
}

/// Colours text, on a terminal only.
fn paint(code: &str, text: &str) -> String {
    if std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        format!("\x1b[{code}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}
