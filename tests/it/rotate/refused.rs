//! A token that was minted and that Azure refuses all the same: the gateway
//! must end up with one that works.

use apim_sandbox::azure::{Action, Slot};
use apim_sandbox::manifests::GatewayManifest;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;

use super::LAST_USED_KEY;
use crate::case::{Case, DAY};

/// A gateway whose token was signed by the secondary key, as the script's
/// annotation says.
pub(super) async fn with_previous_token_of_the_secondary_key(
    case: &Case,
    mode: Option<&str>,
) -> GatewayManifest {
    let token = case.token(Slot::Secondary, DAY * 2);
    let mut manifest = GatewayManifest::portal("gw", &case.endpoint(), &token);
    if let Some(mode) = mode {
        manifest = manifest.mode(mode);
    }
    case.deploy(&manifest).await;
    let marked = json!({"metadata": {"annotations": {LAST_USED_KEY: "secondary"}}});
    case.patch_secret("gw-token", &marked).await;
    manifest
}

async fn pods(case: &Case) -> Vec<String> {
    let pods: Api<Pod> = Api::namespaced(case.client.clone(), &case.namespace);
    let mut pods = pods.list(&ListParams::default()).await.unwrap().items;
    pods.retain(|pod| pod.metadata.deletion_timestamp.is_none());
    pods.into_iter().filter_map(|pod| pod.metadata.name).collect()
}

async fn is_put_back(name: &str, mode: Option<&str>) {
    let case = Case::new(name).await;
    let manifest = with_previous_token_of_the_secondary_key(&case, mode).await;
    let secret = case.secret("gw-token").await;
    let template = case.template_annotations("gw").await;
    let serving = pods(&case).await;
    case.disturb_mint(Action::RefusedToken, 1);

    let ended = case.apim(&["rotate", "-k", "primary"]).exits(5).await;
    ended.says(&[
        "Azure refused the new token",
        "the previous token of the secondary key is back in place",
    ]);
    assert_eq!(case.mints(), 1);
    let after = case.secret("gw-token").await;
    assert_eq!(after.data, secret.data);
    assert_eq!(after.metadata.annotations, secret.metadata.annotations);
    assert_eq!(case.template_annotations("gw").await, template);
    case.rolled_out("gw").await;
    if mode.is_none() {
        // A pod that the refused one has replaced cannot serve on: one that is
        // silent, or that crashes and starts again between the two writes of
        // putting back, with the token that is already restored.
        assert_eq!(pods(&case).await, serving);
    }
    assert!(case.azure().accepts(&case.credential(&manifest).await));
    let sets: Api<ReplicaSet> = Api::namespaced(case.client.clone(), &case.namespace);
    let mut sets = sets.list(&ListParams::default()).await.unwrap().items;
    sets.retain(|set| set.spec.as_ref().and_then(|spec| spec.replicas) == Some(1));
    assert_eq!(sets.len(), 1, "only the old ReplicaSet serves");
}

#[tokio::test]
async fn the_previous_token_of_the_other_key_is_put_back_unchanged() {
    is_put_back("put-back", None).await;
}

#[tokio::test]
async fn a_gateway_that_is_ready_though_refused_betrays_it_in_its_log() {
    is_put_back("put-back-silent", Some("silent")).await;
}

#[tokio::test]
async fn a_gateway_that_crashes_is_put_back_too() {
    is_put_back("put-back-crash", Some("crash")).await;
}

#[tokio::test]
async fn a_previous_token_of_the_same_key_is_replaced_by_one_of_the_other() {
    let case = Case::new("replaced").await;
    let manifest = case.portal();
    case.deploy(&manifest).await;
    case.apim(&["rotate"]).exits(0).await;
    case.disturb_mint(Action::RefusedToken, 1);

    let ended = case.apim(&["rotate", "-o", "json"]).exits(5).await;
    ended.says(&[
        "a token of the secondary key replaced it",
        "refused the token of the primary key",
    ]);
    let report = ended.json();
    assert_eq!(report["outcome"], "Replaced");
    assert_eq!(report["exitCode"], 5);
    assert_eq!(report["keySlot"], "secondary");
    assert_eq!(case.slot(&manifest).await, Slot::Secondary);
    case.rolled_out("gw").await;
    // One of the first run, the refused one, and its replacement.
    assert_eq!(case.mints(), 3);
}

#[tokio::test]
async fn an_expired_previous_token_is_not_put_back() {
    let case = Case::new("replaced-expired").await;
    let token = case.token(Slot::Secondary, DAY * 2);
    let manifest = GatewayManifest::portal("gw", &case.endpoint(), &token).mode("silent");
    case.deploy(&manifest).await;
    let expired = case.token(Slot::Secondary, -DAY);
    let expired = json!({
        "metadata": {"annotations": {LAST_USED_KEY: "secondary"}}, "stringData": {"value": expired},
    });
    case.patch_secret("gw-token", &expired).await;
    case.disturb_mint(Action::RefusedToken, 1);
    case.apim(&["rotate", "-k", "primary"]).exits(5).await;
    assert_eq!(case.slot(&manifest).await, Slot::Secondary);
    assert_eq!(case.mints(), 2);
}

#[tokio::test]
async fn after_two_refused_tokens_the_next_run_completes() {
    let case = Case::new("both-refused").await;
    let manifest = case.portal();
    case.deploy(&manifest).await;
    case.disturb_mint(Action::RefusedToken, 2);
    let ended = case.apim(&["rotate"]).exits(5).await;
    ended.says(&[
        "Azure refused a token of the primary key",
        "and its replacement, a token of the secondary key, as well",
    ]);
    assert_eq!(case.mints(), 2);

    // The unfinished rotation's token is still refused, so it is replaced.
    case.apim(&["rotate"]).exits(5).await;
    case.rolled_out("gw").await;
    assert!(case.azure().accepts(&case.credential(&manifest).await));
}
