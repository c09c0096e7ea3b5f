//! Consent to a run over several namespaces: anyone who can write a Secret in
//! one of them could put the gateway of another team into it.

use std::collections::BTreeSet;

use crate::commands::confirm::{confirm, has_terminal};
use crate::error::{Error, Result};
use crate::model::counted;
use crate::model::request::Selection;
use crate::output::Output;
use crate::settings::{FleetSettings, GatewayList};

/// The gateways that the user has consented to.
pub(super) enum Consent<'a> {
    /// All gateways that were found.
    All,
    /// Pairs of a workload and a gateway.
    Listed(&'a GatewayList),
}

/// Reads the file of `--gateways`, if there is one.
pub(super) fn listed(fleet: &FleetSettings) -> Result<Option<GatewayList>> {
    fleet.gateways.as_deref().map(GatewayList::read).transpose()
}

/// Whether a run over these places needs consent. The request counts, and not the
/// gateways that are due today.
pub(super) fn needs_consent(selection: &Selection, places: &BTreeSet<String>) -> bool {
    selection.everywhere || places.len() > 1
}

/// Asks whether these gateways of several namespaces may be rotated. The clusters
/// are named as the run names them first.
pub(super) async fn ask(
    lines: &[String],
    places: usize,
    clusters: &BTreeSet<String>,
    output: &Output,
) -> Result<()> {
    let gateways = counted(lines.len(), "gateway", "gateways");
    let namespaces = counted(places, "namespace", "namespaces");
    let clusters = match clusters.first() {
        Some(one) if clusters.len() == 1 => one.clone(),
        _ => counted(clusters.len(), "context", "contexts"),
    };
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
    confirm(
        &format!("Rotate {gateways} in {namespaces} of {clusters}?"),
        output,
    )
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_namespaces_and_several_places_need_consent() {
        let one = BTreeSet::from(["https://eu shop".to_owned()]);
        let two = BTreeSet::from(["https://eu shop".to_owned(), "https://us shop".to_owned()]);
        let namespace = Selection::default();
        let everywhere = Selection {
            everywhere: true,
            ..Selection::default()
        };
        assert!(!needs_consent(&namespace, &one));
        assert!(needs_consent(&namespace, &two));
        assert!(needs_consent(&everywhere, &one));
    }
}
