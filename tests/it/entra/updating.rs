//! An instance that is being updated, as an interrupted run or somebody else has left it.

use apim_sandbox::azure::Operation;
use jiff::SignedDuration;

use super::EntraCase;

#[tokio::test]
async fn an_update_is_awaited_and_nothing_is_sent() {
    let entra = EntraCase::without_identity("updating").await;
    entra.deploy(|_| {}).await;
    let case = &entra.case;
    let time = SignedDuration::from_secs(8);
    case.azure()
        .begin_identity(&case.gateway, &case.principal.tenant, time);
    let flags = [
        "--create-app",
        "gw",
        "--mode",
        "app-secret",
        "--enable-identity",
        "--yes",
    ];
    let ended = entra.setup(&flags).exits(0).await;
    let awaited = "is being updated; its system-assigned identity is awaited";
    assert!(ended.stdout.contains(awaited), "{}", ended.stdout);
    ended.says(&["proved"]);
    for change in [Operation::PatchService, Operation::PutService] {
        assert!(case.requests(change).is_empty(), "{:#?}", case.requests(change));
    }
    assert!(case.azure().identity(&case.gateway).system_assigned.is_some());
    case.rolled_out("gw").await;
}
