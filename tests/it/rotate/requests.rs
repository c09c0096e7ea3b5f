//! What a run asks of the two servers, and how often.

use apim_sandbox::azure::Operation;
use serde_json::json;

use crate::case::{Case, DAY};

/// Verb and resource of each request to the API server.
async fn kube(case: &Case) -> Vec<String> {
    let records = case.kube_requests().await;
    let name = |resource: Option<String>| resource.unwrap_or_default();
    records
        .into_iter()
        .map(|record| format!("{} {}", record.verb, name(record.resource)))
        .collect()
}

#[tokio::test]
async fn a_token_that_is_not_due_costs_two_reads() {
    let case = Case::new("not-due").await;
    case.deploy(&case.idle_portal()).await;
    let run = case.apim(&["rotate", "deploy/gw", "--if-expiring-within", "1d"]);
    let ended = case.fails_untouched(run, 0).await;
    assert!(ended.stdout.contains("the token expires in"), "{}", ended.stdout);
    let mut asked = kube(&case).await;
    asked.sort_unstable();
    assert_eq!(asked, ["get deployments", "get secrets"]);
    assert!(case.arm_requests().is_empty());
    assert!(case.requests(Operation::SignIn).is_empty());
}

#[tokio::test]
async fn a_due_token_is_rotated() {
    let case = Case::new("due").await;
    let manifest = case.idle_portal();
    case.deploy(&manifest).await;
    case.apim(&["rotate", "--if-expiring-within", "3d"])
        .exits(0)
        .await;
    assert_eq!(case.mints(), 1);
    assert!(case.azure().accepts(&case.credential(&manifest).await));
}

#[tokio::test]
async fn a_token_of_unknown_age_is_older_than_anything_until_it_was_rotated() {
    let case = Case::new("age").await;
    case.deploy(&case.idle_portal()).await;
    let line = ["rotate", "deploy/gw", "--if-older-than", "1d"];
    case.apim(&line).exits(0).await;
    assert_eq!(case.mints(), 1);
    let ended = case.fails_untouched(case.apim(&line), 0).await;
    assert!(ended.stdout.contains("not older than 1 day"), "{}", ended.stdout);
    assert_eq!(case.mints(), 1);
}

#[tokio::test]
async fn given_everything_it_makes_two_requests_to_azure_and_at_most_eight_to_the_cluster() {
    let case = Case::new("count-given").await;
    case.deploy(&case.idle_portal()).await;
    let gateway = &case.gateway;
    let azure = case.azure().wire().await.unwrap();
    case.apim(&["rotate", "deploy/gw", "--no-wait", "-t", "gw-token"])
        .envs(&[
            ("SUBSCRIPTION_ID", &gateway.subscription),
            ("RESOURCE_GROUP", &gateway.resource_group),
            ("APIM_INSTANCE", &gateway.service),
            ("APIM_GATEWAY", &gateway.name),
        ])
        .envs(&[azure.variable()])
        .exits(0)
        .await;
    let mut uris: Vec<String> = azure.seen().into_iter().map(|seen| seen.uri).collect();
    uris.retain(|uri| uri.starts_with("management.azure.com/"));
    assert_eq!(uris.len(), 2, "{uris:?}");
    assert!(
        uris[0].starts_with("management.azure.com/metadata/endpoints?"),
        "{uris:?}"
    );
    assert!(uris[1].contains("/generateToken?"), "{uris:?}");
    let asked = kube(&case).await;
    assert!(asked.len() <= 8, "{asked:?}");
}

#[tokio::test]
async fn bare_it_makes_at_most_ten_requests_to_the_cluster_and_looks_the_gateway_up_once() {
    let case = Case::new("count-bare").await;
    case.deploy(&case.idle_portal()).await;
    case.apim(&["rotate", "--no-wait"]).exits(0).await;
    let asked = kube(&case).await;
    assert!(asked.len() <= 10, "{asked:?}");
    assert_eq!(case.requests(Operation::ResourceGraph).len(), 1);
    assert_eq!(case.arm_requests().len(), 3);

    // The first run has recorded the gateway's ARM id.
    case.apim(&["rotate", "--no-wait"]).exits(0).await;
    assert_eq!(case.mints(), 2);
    assert_eq!(case.requests(Operation::ResourceGraph).len(), 1);
    assert_eq!(case.arm_requests().len(), 4);
}

#[tokio::test]
async fn a_rotation_writes_each_object_once() {
    let case = Case::new("count-writes").await;
    case.deploy(&case.portal()).await;
    case.apim(&["rotate"]).exits(0).await;
    let mut writes = case.kube_writes().await;
    writes.retain(|write| !write.dry_run);
    let mut resources: Vec<_> = writes
        .iter()
        .map(|write| (write.resource.as_deref().unwrap(), write.verb.as_str()))
        .collect();
    resources.sort_unstable();
    // The Deployment is restarted by one, and the other records the proof.
    assert_eq!(
        resources,
        [
            ("deployments", "patch"),
            ("deployments", "patch"),
            ("secrets", "patch")
        ]
    );
}

#[tokio::test]
async fn the_life_asked_for_is_the_life_given() {
    let case = Case::new("expiry").await;
    let manifest = case.idle_portal();
    case.deploy(&manifest).await;
    let report = case
        .apim(&["rotate", "--expiry", "2d", "-o", "json"])
        .exits(0)
        .await
        .json();
    let expires = case
        .azure()
        .judge(&case.credential(&manifest).await)
        .unwrap()
        .expires;
    let life = expires.duration_since(case.azure().now());
    assert!(life > DAY * 2 - DAY / 24 && life <= DAY * 2, "{life:?}");
    assert_eq!(report["expiresAt"], json!(expires.to_string()));
}
