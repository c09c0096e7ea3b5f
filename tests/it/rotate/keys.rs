//! Which of the two keys signs.

use apim_sandbox::azure::Slot;
use apim_sandbox::manifests::GatewayManifest;
use serde_json::json;

use super::LAST_USED_KEY;
use crate::case::{Case, DAY};

/// A gateway without pods: which key signs does not depend on them.
async fn idle(name: &str) -> (Case, GatewayManifest) {
    let case = Case::new(name).await;
    let manifest = case.idle_portal();
    case.deploy(&manifest).await;
    (case, manifest)
}

async fn rotate(case: &Case, manifest: &GatewayManifest, arguments: &[&str]) -> Slot {
    let line = [&["rotate", "deploy/gw", "--no-wait"], arguments].concat();
    case.apim(&line).exits(0).await;
    let slot = case.slot(manifest).await;
    let recorded = case.annotation(manifest, LAST_USED_KEY).await;
    assert_eq!(recorded, Some(slot.to_string()));
    slot
}

#[tokio::test]
async fn each_key_can_be_asked_for() {
    let (case, manifest) = idle("keys").await;
    assert_eq!(
        rotate(&case, &manifest, &["-k", "secondary"]).await,
        Slot::Secondary
    );
    assert_eq!(
        rotate(&case, &manifest, &["--token-key=primary"]).await,
        Slot::Primary
    );
}

#[tokio::test]
async fn last_is_the_key_of_the_rotation_before() {
    let (case, manifest) = idle("keys-last").await;
    assert_eq!(rotate(&case, &manifest, &[]).await, Slot::Primary);
    rotate(&case, &manifest, &["-k", "secondary"]).await;
    assert_eq!(rotate(&case, &manifest, &["-k", "last"]).await, Slot::Secondary);
}

#[tokio::test]
async fn rotate_alternates() {
    let (case, manifest) = idle("keys-alternate").await;
    // Which key signed the first token is unknown, and that means primary.
    let mut slots = Vec::new();
    for _ in 0..3 {
        slots.push(rotate(&case, &manifest, &["-k", "rotate"]).await);
    }
    assert_eq!(slots, [Slot::Primary, Slot::Secondary, Slot::Primary]);
    let previous = case.annotation(&manifest, "apim-rotate/previous-key").await;
    assert_eq!(previous.as_deref(), Some("secondary"));
}

#[tokio::test]
async fn the_scripts_annotation_alone_is_honoured() {
    let (case, manifest) = idle("keys-script").await;
    let marked = json!({"metadata": {"annotations": {LAST_USED_KEY: "secondary"}}});
    case.patch_secret("gw-token", &marked).await;
    assert_eq!(rotate(&case, &manifest, &[]).await, Slot::Secondary);
    let previous = case.annotation(&manifest, "apim-rotate/previous-key").await;
    assert_eq!(previous.as_deref(), Some("secondary"));
}

#[tokio::test]
async fn annotations_about_another_token_count_as_unknown() {
    let (case, manifest) = idle("keys-by-hand").await;
    rotate(&case, &manifest, &["-k", "secondary"]).await;
    let by_hand = case.token(Slot::Secondary, DAY * 3);
    case.patch_secret("gw-token", &json!({"stringData": {"value": by_hand}}))
        .await;
    let ended = case
        .apim(&["rotate", "deploy/gw", "--no-wait", "-o", "json"])
        .exits(0)
        .await;
    ended.says(&["primary (previous slot unknown)"]);
    assert_eq!(case.slot(&manifest).await, Slot::Primary);
    assert!(ended.json().get("previousKeySlot").is_none());
}
