//! The canary, and when a fleet stops.

use std::time::{Duration, Instant};

use apim_sandbox::azure::{Action, Fault, Operation, Slot};
use apim_sandbox::manifests::GatewayManifest;
use apim_sandbox::wire;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::case::Case;
use crate::workloads::{deploy_changed, into_stateful_set, stateful_set_ready};

/// A fleet without a canary, of which the second failure stops the rest.
const ONE_BY_ONE: [&str; 10] = [
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

/// A gateway with a pod, whose token expires in an hour, so that it goes first.
async fn urgent(case: &Case, name: &str) {
    let gateway = case.gateway_named(name);
    let expires = case.azure().now() + SignedDuration::from_hours(1);
    let token = case.azure().mint(&gateway, Slot::Primary, expires);
    case.hides(&token);
    let token = format!("GatewayKey {token}");
    case.deploy(&GatewayManifest::portal(name, &case.endpoint(), &token))
        .await;
}

/// Azure will mint tokens of this gateway that it refuses.
fn mint_refused_tokens(case: &Case, gateway: &str) {
    let path = format!("{}/gateways/{gateway}/", case.gateway.service);
    let fault = Fault::on(Operation::GenerateToken, Action::RefusedToken);
    case.azure().fault(fault.matching(&path).times(1));
}

#[tokio::test]
async fn a_canary_whose_token_is_refused_saves_the_others() {
    let case = Case::new("fleet-canary").await;
    case.members(2).await;
    urgent(&case, "urgent").await;
    mint_refused_tokens(&case, "urgent");
    let ended = case.apim(&["rotate", "--all", "-o", "json"]).exits(6).await;
    assert_eq!(ended.with_outcome("NotBegun"), ["gw-001-token", "gw-002-token"]);
    ended.says(&["Azure refused the new token", "1 failed, 2 not begun"]);
    assert_eq!(ended.json()["items"][0]["reason"], "the canary failed");
    // The same again, without its trouble, does them all.
    case.apim(&["rotate", "--all"])
        .exits(0)
        .await
        .says(&["3 rotated"]);
}

#[tokio::test]
async fn a_canary_that_gets_no_token_leaves_its_place_to_the_next() {
    let case = Case::new("fleet-canary-403").await;
    case.members(3).await;
    // The soonest to expire goes first, every night.
    let soon = case.token(Slot::Primary, SignedDuration::from_hours(1));
    let soon = soon.replace("GatewayKey gw&", "GatewayKey gw-002&");
    case.patch_secret("gw-002-token", &json!({"stringData": {"value": soon}}))
        .await;
    for night in 1..=2 {
        refuse_mint(&case, "gw-002");
        let line = ["rotate", "--all", "--if-older-than", "1h", "-o", "json"];
        let ended = case.apim(&line).exits(6).await;
        assert_eq!(ended.with_outcome("Failed"), ["gw-002-token"]);
        ended.says(&["The gateway is being updated"]);
        let done = if night == 1 { "Rotated" } else { "NotDue" };
        assert_eq!(ended.with_outcome(done), ["gw-001-token", "gw-003-token"]);
    }
    assert_eq!(case.mints(), 4);
}

#[tokio::test]
async fn a_fleet_whose_first_gateways_all_fail_the_same_way_stops() {
    let case = Case::new("fleet-all-fail").await;
    case.members(6).await;
    case.disturb_mint(Action::status(403), 6);
    let ended = case.apim(&["rotate", "--all", "-o", "json"]).exits(6).await;
    assert_eq!(ended.with_outcome("Failed").len(), 3);
    assert_eq!(ended.with_outcome("NotBegun").len(), 3);
    ended.says(&["6 gateways: 0 rotated, 3 failed, 3 not begun"]);
    let list = ended.json();
    let reasons = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|item| item["reason"].as_str());
    assert_eq!(
        reasons.collect::<Vec<_>>(),
        ["3 gateways in a row failed in the same way"; 3]
    );
    assert_eq!(case.mints(), 3, "the others are not asked for");
}

#[tokio::test]
async fn a_canary_that_is_refused_leaves_its_place_to_the_next() {
    let case = Case::new("fleet-canary-refused").await;
    case.members(2).await;
    case.patch_secret("gw-001-token", &json!({"immutable": true}))
        .await;
    let ended = case.apim(&["rotate", "--all", "-o", "json"]).exits(6).await;
    assert_eq!(ended.with_outcome("Refused"), ["gw-001-token"]);
    assert_eq!(ended.with_outcome("Rotated"), ["gw-002-token"]);
}

/// Such a gateway ends every run with a debt, which shows nothing about the others.
#[tokio::test]
async fn a_canary_whose_pods_are_deleted_by_hand_does_not_keep_the_others() {
    let case = Case::new("fleet-by-hand").await;
    let by_hand = json!({"type": "OnDelete"});
    deploy_changed(&case, |object| into_stateful_set(object, 1, &by_hand)).await;
    stateful_set_ready(&case, 1).await;
    let soon = case.token(Slot::Primary, SignedDuration::from_hours(1));
    case.patch_secret("gw-token", &json!({"stringData": {"value": soon}}))
        .await;
    case.members(2).await;
    let ended = case.apim(&["rotate", "--all", "-o", "json"]).exits(6).await;
    assert_eq!(ended.with_outcome("Owed"), ["gw-token"]);
    assert_eq!(ended.with_outcome("Rotated"), ["gw-001-token", "gw-002-token"]);
}

#[tokio::test]
async fn a_workload_that_is_being_deleted_gets_no_token() {
    let case = Case::new("fleet-deleted").await;
    case.members(2).await;
    let hold = |finalizers: Value| json!({"metadata": {"finalizers": finalizers}});
    case.patch_deployment("gw-001", &hold(json!(["example.com/hold"])))
        .await;
    let params = kube::api::DeleteParams::default();
    case.deployments().delete("gw-001", &params).await.unwrap();
    let ended = case.apim(&["rotate", "--all", "-o", "json"]).exits(6).await;
    assert_eq!(ended.with_outcome("Refused"), ["gw-001"]);
    assert_eq!(ended.with_outcome("Rotated"), ["gw-002-token"]);
    ended.says(&["deployment.apps/gw-001 is being deleted", "finalizers"]);
    assert_eq!(case.mints(), 1);
    case.patch_deployment("gw-001", &hold(json!(null))).await;
}

#[tokio::test]
async fn too_many_refused_tokens_stop_the_fleet() {
    let case = Case::new("fleet-stops").await;
    case.members(3).await;
    for name in ["u-1", "u-2", "u-3"] {
        urgent(&case, name).await;
        mint_refused_tokens(&case, name);
    }
    let ended = case.apim(&ONE_BY_ONE).exits(6).await;
    assert_eq!(
        [
            ended.with_outcome("Replaced").len(),
            ended.with_outcome("NotBegun").len()
        ],
        [2, 4]
    );
    ended.says(&["6 gateways: 0 rotated, 2 failed, 4 not begun"]);
}

#[tokio::test]
async fn gateways_that_get_no_token_do_not_count_as_failures_of_the_fleet() {
    let case = Case::new("fleet-no-tokens").await;
    case.members(6).await;
    for name in ["gw-001", "gw-002", "gw-003"] {
        refuse_mint(&case, name);
    }
    let ended = case.apim(&ONE_BY_ONE).exits(6).await;
    assert_eq!(
        ended.with_outcome("Failed"),
        ["gw-001-token", "gw-002-token", "gw-003-token"]
    );
    // An error of the same kind is printed once, beside the line of each.
    ended.says(&["3 gateways (", "6 gateways: 3 rotated, 3 failed"]);
    assert_eq!(
        ended.stderr.matches("The gateway is being updated").count(),
        4,
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn pods_that_cannot_be_listed_cost_a_fleet_one_limit_and_not_one_for_each() {
    let case = Case::new("fleet-no-pods").await;
    case.members(3).await;
    case.apim(&["rotate", "--all", "--no-wait"]).exits(0).await;
    let slow = case.sandbox.wire(&case.kubeconfig_path()).await.unwrap();
    slow.fault(wire::Fault::on("/pods?", wire::Action::Hang));
    let begun = Instant::now();
    let line = ["rotate", "--all", "--if-older-than", "1h", "--timeout", "1m"];
    let ended = case.apim(&line).through(&slow).exits(0).await;
    ended.says(&["3 gateways: 0 rotated, 3 not due"]);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(90), "{took:?}");
}

#[tokio::test]
async fn a_gateway_that_failed_is_tried_again_and_no_other() {
    let case = Case::new("fleet-retries").await;
    case.members(3).await;
    case.patch_secret("gw-001-token", &json!({"immutable": true}))
        .await;
    refuse_mint(&case, "gw-002");
    let line = ["rotate", "--all", "--retries", "2", "-o", "json"];
    let ended = case.apim(&line).exits(6).await;
    ended.says(&["trying 1 gateway again in 10 seconds", "2 rotated, 1 refused"]);
    assert!(!ended.stderr.contains("in 20 seconds"), "{}", ended.stderr);
    assert_eq!(ended.with_outcome("Refused"), ["gw-001-token"]);
    assert_eq!(ended.with_outcome("Rotated"), ["gw-002-token", "gw-003-token"]);
    assert_eq!(case.mints(), 3);
}

#[tokio::test]
async fn neither_a_fleet_that_was_stopped_nor_its_sign_in_is_tried_again() {
    let case = Case::new("fleet-no-retries").await;
    case.members(4).await;
    let line = ["rotate", "--all", "--retries", "2"];
    let run = case.apim(&line).env("AZURE_CLIENT_SECRET", "not-the-secret");
    let ended = case.fails_untouched(run, 1).await;
    assert!(!ended.stderr.contains("again in"), "{}", ended.stderr);
    case.disturb_mint(Action::status(403), 6);
    let ended = case.apim(&line).exits(6).await;
    ended.says(&["3 failed, 1 not begun"]);
    assert!(!ended.stderr.contains("again in"), "{}", ended.stderr);
    assert_eq!(case.mints(), 3);
}

#[tokio::test]
async fn a_gateway_that_is_gone_at_the_retry_keeps_its_failure() {
    let case = Case::new("fleet-retry-gone").await;
    case.members(1).await;
    let line = [
        "rotate",
        "deployment/gone",
        "gw-001",
        "--retries",
        "1",
        "-o",
        "json",
    ];
    let ended = case.apim(&line).exits(6).await;
    ended.says(&["trying 1 gateway again in 10 seconds"]);
    assert_eq!(ended.with_outcome("Failed"), ["gone"]);
    assert_eq!(ended.with_outcome("Rotated"), ["gw-001-token"]);
    assert_eq!(case.mints(), 1);
}
