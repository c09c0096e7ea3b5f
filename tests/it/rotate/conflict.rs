//! Somebody else writes at the same time.

use std::collections::BTreeSet;
use std::time::Duration;

use apim_sandbox::azure::{Action, Slot};
use serde_json::json;

use super::{RESTARTED_AT, ROTATION_ID};
use crate::case::{Case, DAY};

/// Long enough for another write, which waits for the request to be seen.
const MEANWHILE: Duration = Duration::from_secs(2);

#[tokio::test]
async fn another_change_of_the_secret_is_kept_and_the_same_token_written() {
    let case = Case::new("conflict-label").await;
    let manifest = case.idle_portal();
    case.deploy(&manifest).await;
    case.disturb_mint(Action::delay_before(MEANWHILE), 1);
    let run = case.apim(&["rotate"]).start().await;
    case.mint_was_asked_for().await;
    case.patch_secret("gw-token", &json!({"metadata": {"labels": {"team": "shop"}}}))
        .await;
    run.ends(0).await;

    assert_eq!(case.mints(), 1);
    let secret = case.secret("gw-token").await;
    assert_eq!(secret.metadata.labels.unwrap()["team"], "shop");
    assert!(case.annotation(&manifest, ROTATION_ID).await.is_some());
    let writes = case.kube_writes().await;
    let conflicts = writes.iter().filter(|write| write.status == Some(409)).count();
    assert_eq!(conflicts, 1, "{writes:?}");
}

#[tokio::test]
async fn a_credential_that_a_person_wrote_meanwhile_stays() {
    let case = Case::new("conflict-value").await;
    let manifest = case.idle_portal();
    case.deploy(&manifest).await;
    case.disturb_mint(Action::delay_before(MEANWHILE), 1);
    let run = case.apim(&["rotate"]).start().await;
    case.mint_was_asked_for().await;
    let by_hand = case.token(Slot::Secondary, DAY * 5);
    case.patch_secret("gw-token", &json!({"stringData": {"value": by_hand}}))
        .await;
    let ended = run.ends(1).await;

    ended.says(&["secret/gw-token was changed by somebody-else", "the change stays"]);
    assert_eq!(case.credential(&manifest).await, by_hand);
    assert_eq!(case.annotation(&manifest, ROTATION_ID).await, None);
    assert!(!case.template_annotations("gw").await.contains_key(RESTARTED_AT));
}

#[tokio::test]
async fn a_secret_that_was_recreated_meanwhile_is_not_changed() {
    let case = Case::new("conflict-uid").await;
    let manifest = case.idle_portal();
    case.deploy(&manifest).await;
    case.disturb_mint(Action::delay_before(MEANWHILE), 1);
    let run = case.apim(&["rotate"]).start().await;
    case.mint_was_asked_for().await;
    let params = kube::api::DeleteParams::default();
    case.secrets().delete("gw-token", &params).await.unwrap();
    manifest.apply(&case.client, &case.namespace).await.unwrap();
    run.ends(1).await;
    assert_eq!(case.annotation(&manifest, ROTATION_ID).await, None);
}

#[tokio::test]
async fn a_deployment_that_is_scaled_meanwhile_is_restarted_all_the_same() {
    let case = Case::new("conflict-scale").await;
    let manifest = case.idle_portal();
    case.deploy(&manifest).await;
    case.disturb_mint(Action::delay_before(MEANWHILE), 1);
    let run = case.apim(&["rotate"]).start().await;
    case.mint_was_asked_for().await;
    case.patch_deployment("gw", &json!({"spec": {"replicas": 1}}))
        .await;
    run.ends(0).await;
    case.rolled_out("gw").await;
    let live = case.deployments().get("gw").await.unwrap();
    assert_eq!(live.spec.unwrap().replicas, Some(1));
    let id = case.annotation(&manifest, ROTATION_ID).await;
    let template = case.template_annotations("gw").await;
    assert_eq!(template.get(ROTATION_ID), id.as_ref());
}

#[tokio::test]
async fn another_rotation_that_was_faster_wins() {
    let case = Case::new("conflict-yield").await;
    let manifest = case.idle_portal();
    case.deploy(&manifest).await;
    case.disturb_mint(Action::delay_before(MEANWHILE), 1);
    let slow = case.apim(&["rotate", "-o", "json"]).start().await;
    case.mint_was_asked_for().await;
    case.apim(&["rotate"]).exits(0).await;
    let winner = case.annotation(&manifest, ROTATION_ID).await;
    let report = slow.ends(0).await.json();
    assert_eq!(report["outcome"], "Yielded");
    assert_eq!(case.annotation(&manifest, ROTATION_ID).await, winner);
    let template = case.template_annotations("gw").await;
    assert_eq!(template.get(ROTATION_ID), winner.as_ref());
}

#[tokio::test]
async fn of_two_at_once_one_wins_and_the_pods_run_with_its_token() {
    for round in 0..3 {
        let case = Case::new("race").await;
        let manifest = case.portal();
        case.deploy(&manifest).await;
        let runs = [
            case.apim(&["rotate"]).start().await,
            case.apim(&["rotate"]).start().await,
        ];
        let mut codes = BTreeSet::new();
        for run in runs {
            codes.insert(run.ended().await.code);
        }
        // A run whose token was replaced while it restarted leaves the rest to
        // the other one, and says that.
        assert!(
            codes.is_subset(&BTreeSet::from([Some(0), Some(3)])) && codes.contains(&Some(0)),
            "round {round}: {codes:?}"
        );
        case.rolled_out("gw").await;
        let id = case.annotation(&manifest, ROTATION_ID).await;
        let template = case.template_annotations("gw").await;
        assert_eq!(template.get(ROTATION_ID), id.as_ref());
        assert!(case.azure().accepts(&case.credential(&manifest).await));
        let mut writes = case.kube_writes().await;
        writes.retain(|write| {
            !write.dry_run && write.status == Some(200) && write.resource.as_deref() == Some("secrets")
        });
        assert!(writes.len() <= case.mints(), "{writes:?}");
    }
}
