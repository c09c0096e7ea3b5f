//! A key that somebody regenerates in Azure during a rotation: the token that
//! was just minted is refused, and the gateway may not show it.

use std::time::Duration;

use apim_sandbox::azure::{Action, Slot};
use apim_sandbox::manifests::GatewayManifest;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;

use super::refused::with_previous_token_of_the_secondary_key;
use crate::case::Case;
use crate::install::workload_identity;

/// Longer than it takes to regenerate a key once a token was requested.
const ANSWERED_LATE: Duration = Duration::from_secs(3);

/// Azure accepts the stored token, and all pods that run are ready with it.
async fn serves_with_what_is_stored(case: &Case, manifest: &GatewayManifest) {
    assert!(case.azure().accepts(&case.credential(manifest).await));
    case.rolled_out("gw").await;
    let pods: Api<Pod> = Api::namespaced(case.client.clone(), &case.namespace);
    let mut pods = pods
        .list(&ListParams::default().labels("app=gw"))
        .await
        .unwrap()
        .items;
    pods.retain(|pod| pod.metadata.deletion_timestamp.is_none());
    assert_eq!(pods.len(), 1);
    for pod in pods {
        let log = case
            .kubectl_in_namespace(&["logs", &pod.metadata.name.unwrap()])
            .await;
        assert!(!log.contains("ConfigurationApiV2NotAvailable"), "{log}");
    }
}

#[tokio::test]
async fn a_silent_gateway_gets_its_previous_token_back() {
    let case = Case::new("regenerated").await;
    let manifest = with_previous_token_of_the_secondary_key(&case, Some("silent")).await;
    let before = case.credential(&manifest).await;
    case.disturb_mint(Action::delay_after(ANSWERED_LATE), 1);
    let running = case
        .apim(&["rotate", "-k", "primary", "--prove", "logs"])
        .start()
        .await;
    case.mint_was_asked_for().await;
    assert!(case.azure().regenerate(&case.gateway, Slot::Primary));
    running.ends(5).await.says(&["Azure refused the new token"]);
    assert_eq!(case.credential(&manifest).await, before);
    serves_with_what_is_stored(&case, &manifest).await;
}

#[tokio::test]
async fn a_silent_gateway_gets_a_token_of_the_other_key_from_its_cron_job() {
    let (case, _) = Case::in_pod("regenerated-job").await;
    let manifest = with_previous_token_of_the_secondary_key(&case, Some("silent")).await;
    let principal = case.federated().await;
    case.disturb_mint(Action::delay_after(ANSWERED_LATE), 1);
    let line = [&workload_identity(&principal)[..], &["--prove", "logs"]].concat();
    let running = case.install_cronjob_that_runs(&line).await.start().await;
    case.mint_was_asked_for().await;
    // The new token and the previous one were signed by this key.
    assert!(case.azure().regenerate(&case.gateway, Slot::Secondary));
    let ended = running.ends(5).await;
    assert!(
        ended.stdout.contains("a token of the primary key replaced it"),
        "{}",
        ended.stdout
    );
    assert_eq!(case.slot(&manifest).await, Slot::Primary);
    serves_with_what_is_stored(&case, &manifest).await;
}
