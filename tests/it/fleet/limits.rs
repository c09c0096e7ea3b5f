//! The canary, and when a fleet stops.

use apim_sandbox::azure::{Action, Fault, Operation};

use crate::case::Case;

fn refuse_mint(case: &Case, gateway: &str) {
    let body = r#"{"error":{"code":"Conflict","message":"The gateway is being updated."}}"#;
    let refusal = Action::Status {
        code: 409,
        body: body.to_owned(),
        headers: Vec::new(),
    };
    let path = format!("{}/gateways/{gateway}/", case.gateway.service);
    case.azure().fault(
        Fault::on(Operation::GenerateToken, refusal)
            .matching(&path)
            .times(1),
    );
}

#[tokio::test]
async fn a_workload_that_is_gone_does_not_keep_the_others() {
    let case = Case::new("fleet-gone").await;
    case.members(2).await;
    let named = [
        "rotate",
        "deployment/gone",
        "deployment/gw-001",
        "gw-002",
        "-o",
        "json",
    ];
    let ended = case.apim(&named).exits(6).await;
    assert_eq!(ended.with_outcome("Rotated"), ["gw-001-token", "gw-002-token"]);
    assert_eq!(ended.with_outcome("Failed"), ["gone"]);
    ended.says(&["deployment.apps/gone", "does not exist in namespace"]);
    case.fails_untouched(case.apim(&["rotate", "deployment/gone", "statefulset/gone"]), 1)
        .await
        .says(&["deployment.apps/gone", "does not exist in namespace"]);
}

#[tokio::test]
async fn a_canary_that_fails_saves_the_others() {
    let case = Case::new("fleet-canary").await;
    case.members(3).await;
    // The soonest to expire goes first.
    let soon = case.token(
        apim_sandbox::azure::Slot::Primary,
        jiff::SignedDuration::from_hours(1),
    );
    let soon = soon.replace("GatewayKey gw&", "GatewayKey gw-002&");
    case.patch_secret(
        "gw-002-token",
        &serde_json::json!({"stringData": {"value": soon}}),
    )
    .await;
    refuse_mint(&case, "gw-002");
    let ended = case.apim(&["rotate", "--all", "-o", "json"]).exits(6).await;
    assert_eq!(ended.with_outcome("Failed"), ["gw-002-token"]);
    assert_eq!(ended.with_outcome("NotBegun"), ["gw-001-token", "gw-003-token"]);
    ended.says(&["Conflict", "3 gateways: 0 rotated, 1 failed, 2 not begun"]);
    assert_eq!(ended.json()["items"][0]["reason"], "the canary failed");
    assert_eq!(case.mints(), 1);
    // The same again, without its trouble, does them all.
    case.apim(&["rotate", "--all"])
        .exits(0)
        .await
        .says(&["3 rotated"]);
}

#[tokio::test]
async fn a_canary_that_is_refused_leaves_its_place_to_the_next() {
    let case = Case::new("fleet-canary-refused").await;
    case.members(2).await;
    case.patch_secret("gw-001-token", &serde_json::json!({"immutable": true}))
        .await;
    let ended = case.apim(&["rotate", "--all", "-o", "json"]).exits(6).await;
    assert_eq!(ended.with_outcome("Refused"), ["gw-001-token"]);
    assert_eq!(ended.with_outcome("Rotated"), ["gw-002-token"]);
}

#[tokio::test]
async fn too_many_failures_stop_the_fleet() {
    let case = Case::new("fleet-stops").await;
    case.members(6).await;
    for name in ["gw-001", "gw-002", "gw-003"] {
        refuse_mint(&case, name);
    }
    let line = [
        "rotate",
        "--all",
        "--canary",
        "0",
        "--max-parallel",
        "1",
        "--max-failures",
        "2",
        "-o",
        "json",
    ];
    let ended = case.apim(&line).exits(6).await;
    assert_eq!(ended.with_outcome("Failed"), ["gw-001-token", "gw-002-token"]);
    assert_eq!(ended.with_outcome("NotBegun").len(), 4);
    // An error of the same kind is printed once.
    ended.says(&["2 gateways (", "6 gateways: 0 rotated, 2 failed, 4 not begun"]);
    assert_eq!(
        ended.stderr.matches("The gateway is being updated").count(),
        3,
        "{}",
        ended.stderr
    );
}
