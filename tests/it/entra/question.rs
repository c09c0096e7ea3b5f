//! The question, and what it names.

use super::EntraCase;
use crate::terminal::Answer;

#[tokio::test]
async fn names_everything_that_decides_where_rights_are_granted() {
    let entra = EntraCase::new("setup-question").await;
    entra.deploy(|_| {}).await;
    let gateway = &entra.case.gateway;
    let words = "entra setup deploy/gw -g gw --create-app gw --service-account gw";
    let mut terminal = entra.case.on_a_terminal(words);
    terminal.shows("[y/N]").await;
    let shown = terminal.ends(Answer::Types("n\n"), 1).await;
    for named in [
        "deployment/gw",
        &entra.case.namespace,
        &gateway.service,
        "app gw",
        entra.case.sandbox.control_plane().service_account_issuer(),
        "+ create the app gw",
    ] {
        assert!(shown.contains(named), "`{named}` is missing in: {shown}");
    }
    assert!(entra.azure_writes().is_empty());
}
