//! A token that something else replaces while its rotation is proved.

use apim_sandbox::azure::Slot;
use apim_sandbox::manifests::GatewayManifest;
use apim_sandbox::wait;
use serde_json::json;

use super::ROTATION_ID;
use crate::case::{Case, DAY, LIMIT};
use crate::run::Running;

/// A rotation that waits for its pods.
async fn in_proof(case: &Case) -> (GatewayManifest, Running<'_>) {
    let manifest = case.portal().mode("slow:6");
    case.deploy(&manifest).await;
    let run = case
        .apim(&["rotate", "-k", "primary", "-o", "json"])
        .start()
        .await;
    let id = case.written(&manifest).await;
    wait::until("the restart", LIMIT, async || {
        let template = case.template_annotations("gw").await;
        Ok((template.get(ROTATION_ID) == Some(&id)).then_some(()))
    })
    .await
    .unwrap();
    (manifest, run)
}

#[tokio::test]
async fn by_another_rotation_only_what_is_stored_is_reported() {
    let case = Case::new("overtaken").await;
    let (manifest, run) = in_proof(&case).await;
    let other = ["rotate", "--force", "-k", "secondary", "--no-wait"];
    case.apim(&other).exits(0).await;
    let ended = run.ends(0).await;
    ended.says(&["a concurrent rotation was faster"]);
    let stored = case.annotation(&manifest, ROTATION_ID).await.unwrap();
    let report = ended.json();
    assert_eq!(
        (&report["rotationId"], &report["keySlot"]),
        (&json!(stored), &json!("secondary")),
        "{report:#}"
    );
}

#[tokio::test]
async fn by_something_else_the_run_does_not_report_its_own_token() {
    let case = Case::new("overwritten").await;
    let (manifest, run) = in_proof(&case).await;
    let token = case.token(Slot::Secondary, DAY * 3);
    let change = json!({"stringData": {"value": token}});
    case.patch_secret("gw-token", &change).await;
    let ended = run.ends(3).await;
    ended.says(&["secret/gw-token was changed by somebody-else"]);
    let report = ended.json();
    for field in ["rotationId", "keySlot", "expiresAt", "proof"] {
        assert!(report.get(field).is_none(), "{report:#}");
    }
    assert_eq!(case.credential(&manifest).await, token);
}
