//! Putting back is two writes, and whatever happens between them is completed by
//! the next run.

use std::time::Duration;

use apim_sandbox::azure::{Action as AzureAction, Slot};
use apim_sandbox::manifests::GatewayManifest;
use apim_sandbox::wait;
use apim_sandbox::wire::{Action, Fault, Wire};
use http::Method;
use k8s_openapi::api::core::v1::Secret;
use serde_json::json;

use super::refused::with_previous_token_of_the_secondary_key;
use super::{LAST_USED_KEY, ROTATION_ID};
use crate::case::{Case, DAY, LIMIT};

const PUT_BACK: &str = "apim-rotate/put-back";

/// A write that restarts pods, and no rehearsal.
const RESTART: &str = "/deployments/gw?&fieldManager=apim-rotate";

/// The write that removes what was owed to the pod templates.
const FORGET: &str = "/secrets/gw-token?&fieldManager=apim-rotate-marks";

/// A gateway whose previous token is of the secondary key, and an Azure that
/// refuses the next token.
async fn to_be_put_back(name: &str) -> (Case, GatewayManifest) {
    let case = Case::new(name).await;
    let manifest = with_previous_token_of_the_secondary_key(&case, None).await;
    case.disturb_mint(AzureAction::RefusedToken, 1);
    (case, manifest)
}

async fn wire(case: &Case) -> Wire {
    case.sandbox.wire(&case.kubeconfig_path()).await.unwrap()
}

/// Lets the next write of an object pass, so that the one after it is disturbed.
fn passes(path: &str) -> Fault {
    Fault::on(path, Action::Delay(Duration::ZERO))
        .method(Method::PATCH)
        .once()
}

/// Waits until so many writes of an object have arrived.
async fn arrive(wire: &Wire, path: &str, count: usize) {
    wait::until("a write", LIMIT, async || {
        Ok((wire.seen_of(&Method::PATCH, path).len() >= count).then_some(()))
    })
    .await
    .unwrap();
}

async fn is_restored(case: &Case, before: &Secret) {
    let after = case.secret("gw-token").await;
    assert_eq!(after.data, before.data);
    assert_eq!(after.metadata.annotations, before.metadata.annotations);
    assert!(!case.template_annotations("gw").await.contains_key(ROTATION_ID));
    case.rolled_out("gw").await;
}

/// Kills a run before the write that restores the pods, or before the one that
/// forgets what was owed, and has the next run, with these arguments, do the rest.
async fn killed(name: &str, is_restored_before: bool, next: &[&str]) {
    let (case, _) = to_be_put_back(name).await;
    let before = case.secret("gw-token").await;
    let wire = wire(&case).await;
    let last = if is_restored_before {
        FORGET
    } else {
        wire.fault(passes(RESTART));
        RESTART
    };
    wire.fault(Fault::on(last, Action::Hang).method(Method::PATCH));
    let run = case
        .apim(&["rotate", "-k", "primary"])
        .through(&wire)
        .start()
        .await;
    let arrivals = if is_restored_before { 1 } else { 2 };
    arrive(&wire, last, arrivals).await;
    run.signal("KILL").await;
    run.ended().await;
    let half = case.secret("gw-token").await;
    assert_eq!(half.data, before.data, "the token is back");
    assert!(half.metadata.annotations.unwrap().contains_key(PUT_BACK));

    let line = [&["rotate", "-o", "json"], next].concat();
    let ended = case.apim(&line).exits(5).await;
    ended.says(&[
        "put a refused credential back",
        "the previous one is back in place",
    ]);
    let report = ended.json();
    assert_eq!(report["outcome"], "PutBack", "{report:#}");
    for field in ["rotationId", "keySlot", "expiresAt"] {
        assert!(report.get(field).is_none(), "{report:#}");
    }
    assert_eq!(report["workloads"][0]["restarted"], !is_restored_before);
    assert_eq!(case.mints(), 1);
    is_restored(&case, &before).await;

    // Nothing is left of it.
    let daily = ["rotate", "--if-expiring-within", "1d", "-o", "json"];
    let report = case.fails_untouched(case.apim(&daily), 0).await.json();
    assert_eq!(report["outcome"], "NotDue");
}

#[tokio::test]
async fn killed_between_the_two_writes_the_same_command_restores_the_pods() {
    killed("put-back-killed", false, &["-k", "primary"]).await;
}

#[tokio::test]
async fn killed_between_the_two_writes_a_run_that_is_not_due_restores_the_pods() {
    killed("put-back-killed-daily", false, &["--if-expiring-within", "1d"]).await;
}

#[tokio::test]
async fn killed_after_the_second_write_the_next_run_only_removes_the_record() {
    killed("put-back-killed-late", true, &["--if-expiring-within", "1d"]).await;
}

#[tokio::test]
async fn what_could_not_be_restored_is_owed_and_the_refused_token_is_not_reported() {
    let (case, _) = to_be_put_back("put-back-owed").await;
    let before = case.secret("gw-token").await;
    let wire = wire(&case).await;
    wire.fault(passes(RESTART));
    wire.fault(Fault::on(RESTART, Action::status(403)).method(Method::PATCH));
    let ended = case
        .apim(&["rotate", "-k", "primary", "-o", "json"])
        .through(&wire)
        .exits(3)
        .await;
    ended.says(&[
        "Azure refused the new token",
        "the previous token is back in secret/gw-token, but the pods are not restored",
        "resumes",
    ]);
    let report = ended.json();
    for field in ["rotationId", "keySlot", "expiresAt", "rotatedAt"] {
        assert!(report.get(field).is_none(), "{report:#}");
    }
    case.apim(&["rotate"]).exits(5).await;
    is_restored(&case, &before).await;
}

/// Two requests one after the other take as long as the status rests.
#[tokio::test]
async fn a_deployment_whose_status_never_rests_is_restored() {
    let (case, manifest) = to_be_put_back("put-back-busy").await;
    let before = case.secret("gw-token").await;
    let wire = wire(&case).await;
    wire.set_round_trip(Duration::from_millis(100));
    let restless = case.restless("gw").await;
    let run = case.apim(&["rotate", "-k", "primary"]).through(&wire);
    let ended = run.exits(5).await;
    drop(restless);
    ended.says(&["the previous token of the secondary key is back in place"]);
    is_restored(&case, &before).await;
    assert!(case.azure().accepts(&case.credential(&manifest).await));
}

/// More conflicts than there ever were attempts, one after the other.
#[tokio::test]
async fn conflicts_are_not_counted() {
    let (case, _) = to_be_put_back("put-back-conflicts").await;
    let before = case.secret("gw-token").await;
    let wire = wire(&case).await;
    wire.fault(passes(RESTART));
    wire.fault(
        Fault::on(RESTART, Action::status(409))
            .method(Method::PATCH)
            .times(9),
    );
    let run = case.apim(&["rotate", "-k", "primary"]).through(&wire);
    run.exits(5).await;
    assert_eq!(wire.seen_of(&Method::PATCH, RESTART).len(), 11);
    is_restored(&case, &before).await;
}

#[tokio::test]
async fn another_rotation_that_is_faster_is_not_called_put_back() {
    let (case, manifest) = to_be_put_back("put-back-overtaken").await;
    let wire = wire(&case).await;
    let secret = "/secrets/gw-token?&fieldManager=apim-rotate";
    wire.fault(passes(secret));
    // Long enough for another rotation from its first to its last request.
    wire.fault(
        Fault::on(secret, Action::Delay(Duration::from_secs(20)))
            .method(Method::PATCH)
            .once(),
    );
    let slow = case
        .apim(&["rotate", "-k", "primary", "-o", "json"])
        .through(&wire)
        .start()
        .await;
    arrive(&wire, secret, 2).await;
    case.apim(&["rotate", "--force", "--no-wait"]).exits(0).await;
    let winner = case.annotation(&manifest, ROTATION_ID).await;
    let stored = case.credential(&manifest).await;

    let ended = slow.ends(0).await;
    ended.says(&["a concurrent rotation was faster"]);
    assert!(!ended.stderr.contains("put back"), "{}", ended.stderr);
    assert_ne!(ended.json()["outcome"], "PutBack");
    assert_eq!(case.credential(&manifest).await, stored);
    assert_eq!(case.annotation(&manifest, ROTATION_ID).await, winner);
    assert_eq!(
        case.template_annotations("gw").await.get(ROTATION_ID),
        winner.as_ref()
    );
}

#[tokio::test]
async fn a_token_that_expires_before_the_next_run_is_replaced() {
    let case = Case::new("put-back-short").await;
    let token = case.token(Slot::Secondary, DAY / 2);
    let manifest = GatewayManifest::portal("gw", &case.endpoint(), &token);
    case.deploy(&manifest).await;
    let marked = json!({"metadata": {"annotations": {LAST_USED_KEY: "secondary"}}});
    case.patch_secret("gw-token", &marked).await;
    case.disturb_mint(AzureAction::RefusedToken, 1);
    let report = case
        .apim(&["rotate", "-k", "primary", "-o", "json"])
        .exits(5)
        .await
        .json();
    assert_eq!(report["outcome"], "Replaced");
    assert_eq!(case.slot(&manifest).await, Slot::Secondary);
    assert_eq!(case.mints(), 2);
}

/// A signal after the restart that completes an earlier rotation.
#[tokio::test]
async fn a_completion_that_is_interrupted_after_its_restart_says_that_something_may_have_changed() {
    let case = Case::new("completion-signal").await;
    let manifest = case.portal();
    case.deploy(&manifest).await;
    let wire = wire(&case).await;
    wire.fault(Fault::on(RESTART, Action::Hang).method(Method::PATCH).once());
    let run = case.apim(&["rotate"]).through(&wire).start().await;
    case.written(&manifest).await;
    run.signal("KILL").await;
    run.ended().await;

    wire.clear_faults();
    wire.fault(
        Fault::on(RESTART, Action::Hang)
            .method(Method::PATCH)
            .after_effect(),
    );
    let seen = wire.seen_of(&Method::PATCH, RESTART).len();
    let run = case.apim(&["rotate"]).through(&wire).start().await;
    arrive(&wire, RESTART, seen + 1).await;
    run.signal("TERM").await;
    run.ends(3).await.says(&["completes an unfinished rotation"]);
}
