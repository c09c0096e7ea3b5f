//! What the workload's own status shows, for users without the right to see
//! pods and logs.

use std::time::Instant;

use apim_sandbox::azure::Action;
use apim_sandbox::manifests::apply;
use kube::api::DeleteParams;
use serde_json::json;

use super::super::refused::with_previous_token_of_the_secondary_key;
use super::{EARLY, SHORT, new_pod};
use crate::case::Case;
use crate::user::{may, user};

/// A refused token by a user with the rights of an installed `CronJob`.
async fn is_put_back(name: &str, arguments: &[&str]) {
    let case = Case::new(name).await;
    let manifest = with_previous_token_of_the_secondary_key(&case, None).await;
    if arguments.is_empty() {
        let deadline = json!({"spec": {"progressDeadlineSeconds": 5}});
        case.patch_deployment("gw", &deadline).await;
    }
    let before = case.secret("gw-token").await;
    case.disturb_mint(Action::RefusedToken, 1);
    let rights = json!([
        may("apps", &["deployments"], &["get", "patch"]),
        may("", &["secrets"], &["get", "patch"]),
    ]);
    let path = user(&case, &rights).await;
    let line = [
        "rotate",
        "deploy/gw",
        "-a",
        &case.gateway.service,
        "-k",
        "primary",
        "--prove",
        "rollout",
    ];
    let begun = Instant::now();
    let run = case.apim(&[&line, arguments].concat()).env("KUBECONFIG", &path);
    let ended = run.exits(5).await;
    assert!(begun.elapsed() < EARLY, "{:?}", begun.elapsed());
    ended.says(&["although the previous pods were ready", "is back in place"]);
    assert_eq!(case.secret("gw-token").await.data, before.data);
    case.rolled_out("gw").await;
    assert!(case.azure().accepts(&case.credential(&manifest).await));
}

#[tokio::test]
async fn a_refused_token_is_put_back_at_the_end_of_the_proof() {
    is_put_back("status-time", &SHORT).await;
}

#[tokio::test]
async fn a_refused_token_is_put_back_after_the_deadline_of_the_rollout() {
    is_put_back("status-overdue", &[]).await;
}

#[tokio::test]
async fn a_healthy_gateway_is_proved() {
    let case = Case::new("status-healthy").await;
    case.deploy(&case.portal().replicas(2).mode("slow:18")).await;
    let line = [&["rotate", "--prove", "rollout"], &SHORT[..]].concat();
    // Its first new pod is ready in time, its second one is not.
    case.apim(&line).exits(3).await.says(&["at the deadline"]);
    let ended = case.apim(&["rotate", "--prove", "rollout"]).exits(0).await;
    ended.says(&["2 new pods are ready; their logs were not read"]);
    assert_eq!(case.mints(), 1);
}

#[tokio::test]
async fn a_quota_that_blocks_the_rollout_is_named_early() {
    let case = Case::new("quota").await;
    let manifest = case.portal();
    case.deploy(&manifest).await;
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"},
        "spec": {"hard": {"pods": "1"}}});
    apply(&case.client, &case.namespace, quota).await.unwrap();
    case.kubectl(&[
        "wait",
        "resourcequota/small",
        "--for=jsonpath={.status.used.pods}=1",
        "-n",
        &case.namespace,
    ])
    .exits(0)
    .await;
    let begun = Instant::now();
    let ended = case.apim(&["rotate"]).exits(3).await;
    assert!(begun.elapsed() < EARLY, "{:?}", begun.elapsed());
    let command = format!("kubectl describe resourcequota small -n {}", case.namespace);
    ended.says(&["exceeded quota: small", &command, "resumes"]);
    assert!(case.azure().accepts(&case.credential(&manifest).await));
    let status = case.apim(&["status"]).exits(0).await;
    assert!(status.stdout.contains("Blocked"), "{}", status.stdout);
    status.says(&[&command]);

    // With room it goes on by itself, and the same command completes it.
    case.kubectl(&["delete", "resourcequota", "small", "-n", &case.namespace])
        .exits(0)
        .await;
    case.apim(&["rotate"]).exits(0).await;
    assert_eq!(case.mints(), 1);
}

#[tokio::test]
async fn a_workload_that_is_deleted_ends_the_proof() {
    let case = Case::new("deleted").await;
    case.deploy(&case.portal().mode("slow:30")).await;
    let begun = Instant::now();
    let running = case.apim(&["rotate"]).start().await;
    new_pod(&case).await;
    case.deployments()
        .delete("gw", &DeleteParams::default())
        .await
        .unwrap();
    let ended = running.ends(3).await;
    ended.says(&["deployment.apps/gw was deleted during the rollout"]);
    assert!(begun.elapsed() < EARLY, "{:?}", begun.elapsed());
}
