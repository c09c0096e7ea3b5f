//! Consent to a run over several namespaces: anyone who can write a Secret in
//! one of them could put the gateway of another team into it.

use std::io::{BufRead, IsTerminal};

use crate::error::{Error, Result};
use crate::output::Output;
use crate::settings::{FleetSettings, GatewayList};

/// The gateways that the user has consented to.
pub(super) enum Consent {
    /// All gateways that were found.
    All,
    /// Pairs of a workload and a gateway.
    Listed(GatewayList),
}

/// Reads the file of `--gateways`, if there is one.
pub(super) fn listed(fleet: &FleetSettings) -> Result<Option<GatewayList>> {
    fleet.gateways.as_deref().map(GatewayList::read).transpose()
}

/// Sees that somebody consents to rotating these gateways, of several
/// namespaces.
pub(super) async fn ask(lines: &[String], places: usize, output: &Output) -> Result<()> {
    let (stdin, stderr) = (std::io::stdin(), std::io::stderr());
    if !(stdin.is_terminal() && stderr.is_terminal()) {
        return Err(Error::usage(format!(
            "{} gateways in {places} namespaces would be rotated, and there is no terminal to ask",
            lines.len()
        ))
        .hint("name those that may be rotated in a file, with --gateways FILE")
        .hint("or say --yes: then whoever can write Secrets in these namespaces is trusted"));
    }
    for line in lines {
        output.note(line);
    }
    output.question(&format!(
        "Rotate these {} gateways in {places} namespaces? [y/N] ",
        lines.len()
    ));
    if matches!(answer().await.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(Error::failed("not confirmed; nothing was changed"))
}

/// A line of standard input. It is read on a thread of its own, so that a
/// signal meanwhile ends the run.
async fn answer() -> String {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        // Whoever waited may have gone.
        let _ = sender.send(read.map(|_| line).unwrap_or_default());
    });
    receiver.await.unwrap_or_default()
}
