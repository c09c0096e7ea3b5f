//! A rotation that was not finished is completed by the next run, with the
//! token that is there already.

use apim_sandbox::azure::{Operation, Slot};
use apim_sandbox::manifests::GatewayManifest;
use serde_json::{Value, json};

use super::{RESTARTED_AT, ROTATED_AT, ROTATION_ID};
use crate::case::Case;
use crate::policy::NoRestarts;

/// Removes what a rotation set in the pod template, as an older manifest that
/// is applied again does.
fn without_marks() -> Value {
    let marks = json!({ROTATION_ID: null, RESTARTED_AT: null});
    json!({"spec": {"template": {"metadata": {"annotations": marks}}}})
}

/// A gateway whose Secret was rotated and whose restart failed, with the
/// policy that made it fail gone again.
pub(super) async fn restart_owed(case: &Case) -> GatewayManifest {
    let manifest = case.portal();
    case.deploy(&manifest).await;
    let policy = NoRestarts::of(case).await;
    let ended = case.apim(&["rotate"]).exits(3).await;
    ended.says(&["restarting deployment.apps/gw", "no restarts today", "resumes"]);
    assert_eq!(case.mints(), 1);
    policy.lift(case).await;
    manifest
}

async fn is_complete(case: &Case, manifest: &GatewayManifest) {
    case.rolled_out("gw").await;
    let template = case.template_annotations("gw").await;
    let id = case.annotation(manifest, ROTATION_ID).await;
    assert_eq!(template.get(ROTATION_ID), id.as_ref());
    let written = case.annotation(manifest, ROTATED_AT).await;
    assert_eq!(template.get(RESTARTED_AT), written.as_ref());
    assert!(case.azure().accepts(&case.credential(manifest).await));
}

#[tokio::test]
async fn an_owed_restart_is_made_with_the_token_that_is_there() {
    let case = Case::new("owed").await;
    let manifest = restart_owed(&case).await;
    let written = case.credential(&manifest).await;
    let ended = case.apim(&["rotate"]).exits(0).await;
    ended.says(&["written, but not restarted", "proved"]);
    assert_eq!(case.mints(), 1);
    assert_eq!(case.credential(&manifest).await, written);
    is_complete(&case, &manifest).await;
}

#[tokio::test]
async fn an_owed_restart_is_made_even_if_nothing_is_due_and_without_azure() {
    let case = Case::new("owed-not-due").await;
    let manifest = restart_owed(&case).await;
    let asked = (case.arm_requests().len(), case.requests(Operation::SignIn).len());
    let line = ["rotate", "deploy/gw", "--if-expiring-within", "1d", "-o", "json"];
    let report = case.apim(&line).exits(0).await.json();
    assert_eq!(report["outcome"], "Completed");
    let asked_now = (case.arm_requests().len(), case.requests(Operation::SignIn).len());
    assert_eq!(asked_now, asked);
    is_complete(&case, &manifest).await;
}

#[tokio::test]
async fn a_dry_run_only_reports_an_owed_restart() {
    let case = Case::new("owed-dry").await;
    restart_owed(&case).await;
    let run = case.apim(&["rotate", "--dry-run", "-o", "json"]);
    let report = case.fails_untouched(run, 0).await.json();
    assert_eq!(report["outcome"], "Planned");
    assert_eq!(report["workloads"][0]["restarted"], true);
}

#[tokio::test]
async fn force_mints_all_the_same() {
    let case = Case::new("owed-force").await;
    let manifest = restart_owed(&case).await;
    case.apim(&["rotate", "--force"]).exits(0).await;
    assert_eq!(case.mints(), 2);
    is_complete(&case, &manifest).await;
}

#[tokio::test]
async fn the_other_key_is_minted_all_the_same() {
    let case = Case::new("owed-key").await;
    let manifest = restart_owed(&case).await;
    case.apim(&["rotate", "-k", "secondary"]).exits(0).await;
    assert_eq!(case.mints(), 2);
    assert_eq!(case.slot(&manifest).await, Slot::Secondary);
    is_complete(&case, &manifest).await;
}

#[tokio::test]
async fn a_rollout_that_still_runs_is_waited_for() {
    let case = Case::new("rolling").await;
    let manifest = case.portal().mode("slow:3");
    case.deploy(&manifest).await;
    case.apim(&["rotate", "--no-wait"]).exits(0).await;
    let ended = case.apim(&["rotate", "-o", "json"]).exits(0).await;
    ended.says(&["still rolling out", "proved"]);
    assert_eq!(ended.json()["outcome"], "Completed");
    assert_eq!(case.mints(), 1);
    is_complete(&case, &manifest).await;
}

#[tokio::test]
async fn a_finished_rotation_is_not_completed_again() {
    let case = Case::new("finished").await;
    case.deploy(&case.portal()).await;
    case.apim(&["rotate"]).exits(0).await;
    case.apim(&["rotate"]).exits(0).await;
    assert_eq!(case.mints(), 2);
}

#[tokio::test]
async fn pods_that_an_older_manifest_brought_back_are_restarted() {
    let case = Case::new("older-manifest").await;
    let manifest = case.portal();
    case.deploy(&manifest).await;
    case.apim(&["rotate"]).exits(0).await;
    // New pods read the new token, whatever their annotations are: nothing is owed.
    case.patch_deployment("gw", &without_marks()).await;
    case.rolled_out("gw").await;
    let line = ["rotate", "--if-expiring-within", "1d", "-o", "json"];
    let report = case.apim(&line).exits(0).await.json();
    // Within the band in which clocks may differ, an unneeded restart is the safe answer.
    assert!(
        ["NotDue", "Completed"].contains(&report["outcome"].as_str().unwrap()),
        "{report:#}"
    );
    assert_eq!(case.mints(), 1);
}

#[tokio::test]
async fn a_restart_that_was_left_to_something_else_is_not_owed() {
    let case = Case::new("no-restart").await;
    let manifest = case.portal();
    case.deploy(&manifest).await;
    let before = case.versions().await;
    case.apim(&["rotate", "--no-restart"]).exits(0).await;
    let after = case.versions().await;
    assert_eq!(after["deployment/gw"], before["deployment/gw"]);
    let by_other = case.annotation(&manifest, "apim-rotate/restart-by-other").await;
    assert_eq!(by_other.as_deref(), Some("true"));

    let line = ["rotate", "--if-expiring-within", "1d"];
    let ended = case.fails_untouched(case.apim(&line), 0).await;
    assert!(ended.stdout.contains("unchanged"), "{}", ended.stdout);

    // The next rotation restarts, and reports it.
    case.apim(&["rotate"]).exits(0).await;
    assert_eq!(case.mints(), 2);
    is_complete(&case, &manifest).await;
    let by_other = case.annotation(&manifest, "apim-rotate/restart-by-other").await;
    assert_eq!(by_other, None);
}

#[tokio::test]
async fn pods_that_never_start_leave_both_in_place() {
    let case = Case::new("undecided").await;
    let manifest = case.portal();
    case.deploy(&manifest).await;
    // The image of the next pod cannot be pulled, which says nothing about the
    // token, and the old pod serves on.
    let mode =
        json!({"spec": {"template": {"metadata": {"annotations": {"sandbox.apim/mode": "image-pull"}}}}});
    case.patch_deployment("gw", &mode).await;
    let ended = case.apim(&["rotate", "--timeout", "1m"]).exits(3).await;
    ended.says(&["in place, but not proved", "resumes"]);
    assert_eq!(case.mints(), 1);
    assert!(case.azure().accepts(&case.credential(&manifest).await));
}
