//! Who may be rotated: over several namespaces a fleet needs consent, since
//! anyone who can write a Secret there could name another team's gateway in it.

use crate::commands::confirm::{confirm, has_terminal};
use crate::error::{Error, Result};
use crate::model::counted;
use crate::output::Output;
use crate::settings::{FleetSettings, GatewayList};

/// What was consented to.
pub(super) enum Consent {
    /// Everything that was found.
    All,
    /// These workloads, each for the one gateway.
    Listed(GatewayList),
}

/// The file, read before anything is asked; without one the answer to the
/// question is yet to come.
pub(super) fn listed(fleet: &FleetSettings) -> Result<Option<GatewayList>> {
    fleet.gateways.as_deref().map(GatewayList::read).transpose()
}

/// Asks whether these gateways of several namespaces may be rotated.
pub(super) async fn ask(lines: &[String], places: usize, output: &Output) -> Result<()> {
    let gateways = counted(lines.len(), "gateway");
    let namespaces = counted(places, "namespace");
    if !has_terminal() {
        return Err(Error::usage(format!(
            "{gateways} in {namespaces} would be rotated, and there is no terminal to ask"
        ))
        .hint("list those that may be rotated in a file, with --gateways FILE")
        .hint("or pass --yes, which trusts anyone who can write Secrets in these namespaces"));
    }
    for line in lines {
        output.note(line);
    }
    confirm(&format!("Rotate {gateways} in {namespaces}?"), output).await
}
