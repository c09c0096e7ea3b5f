//! Secrets that several workloads use.

use apim_sandbox::azure::Operation;
use apim_sandbox::manifests::apply;
use serde_json::json;

use crate::case::Case;

#[tokio::test]
async fn a_shared_secret_is_rotated_once_and_every_user_of_it_restarted() {
    let case = Case::new("fleet-shared").await;
    let manifest = case.member("gw").await;
    // A second gateway with the same Secret, and something that only mounts it.
    for mut object in manifest.objects() {
        if object["kind"] == "Deployment" {
            object["metadata"]["name"] = json!("gw-twin");
            let labels = json!({"app": "gw-twin"});
            object["spec"]["selector"]["matchLabels"] = labels.clone();
            object["spec"]["template"]["metadata"]["labels"] = labels;
            apply(&case.client, &case.namespace, object).await.unwrap();
        }
    }
    let labels = json!({"app": "watcher"});
    let watcher = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "watcher"},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels},
            "spec": {
                "containers": [{"name": "watcher", "image": "busybox"}],
                "volumes": [{"name": "token", "secret": {"secretName": "gw-token"}}],
            },
        }},
    });
    apply(&case.client, &case.namespace, watcher).await.unwrap();
    case.member("other").await;
    for name in ["gw", "gw-twin", "watcher", "other"] {
        case.rolled_out(name).await;
    }
    let rotated = async |line: &[&str]| {
        let line = [&["rotate", "-o", "json"], line].concat();
        let ended = case.apim(&line).exits(0).await;
        assert_eq!(ended.with_outcome("Rotated"), ["gw-token", "other-token"]);
        let id = case.annotation(&manifest, "apim-rotate/rotation-id").await;
        for name in ["gw", "gw-twin", "watcher"] {
            let template = case.template_annotations(name).await;
            assert_eq!(template.get("apim-rotate/rotation-id"), id.as_ref(), "{name}");
        }
    };
    rotated(&["--all"]).await;
    // Naming two of them selects their Secrets, and all workloads that use these.
    rotated(&["gw", "other"]).await;
    assert_eq!(case.mints(), 4);
}

#[tokio::test]
async fn a_secret_with_the_tokens_of_two_gateways_is_left_to_people() {
    let case = Case::new("fleet-two-keys").await;
    case.member("gw").await;
    let other = case.member("other").await;
    case.patch_secret(
        "gw-token",
        &json!({"stringData": {"other": case.credential(&other).await}}),
    )
    .await;
    let reference = json!({"spec": {"template": {"spec": {"containers": [{"name": "other", "env": [
        {"name": "config.service.auth", "valueFrom": {"secretKeyRef": {"name": "gw-token", "key": "other"}}}]}]}}}});
    let patch = kube::api::Patch::Strategic(&reference);
    case.deployments()
        .patch("other", &kube::api::PatchParams::default(), &patch)
        .await
        .unwrap();
    let ended = case.apim(&["rotate", "--all", "-o", "json"]).exits(6).await;
    assert_eq!(ended.with_outcome("Refused"), ["gw", "other"]);
    ended.says(&["holds the tokens of several gateways, under other and value"]);
    assert_eq!(case.mints(), 0);
}

#[tokio::test]
async fn two_gateways_of_one_workload_are_rotated_one_after_the_other() {
    let case = Case::new("fleet-two-containers").await;
    case.member("gw").await;
    let other = case.member("other").await;
    let second = json!({"spec": {"template": {"spec": {"containers": [{
    "name": "second", "image": "mcr.microsoft.com/azure-api-management/gateway:v2", "env": [
        {"name": "config.service.endpoint", "value": case.endpoint()},
        {"name": "config.service.auth", "valueFrom": {"secretKeyRef": {"name": "other-token", "key": "value"}}},
    ]}]}}}});
    let patch = kube::api::Patch::Strategic(&second);
    let params = kube::api::PatchParams::default();
    case.deployments().patch("gw", &params, &patch).await.unwrap();
    case.rolled_out("gw").await;
    let ended = case
        .apim(&["rotate", "--all", "--canary", "0", "-o", "json"])
        .exits(0)
        .await;
    assert_eq!(ended.with_outcome("Rotated"), ["gw-token", "other-token"]);
    assert!(case.azure().accepts(&case.credential(&other).await));
    // Each has a line of its own among the metrics.
    let metrics = case.apim(&["status", "-o", "prometheus"]).exits(0).await.stdout;
    let mut lines: Vec<&str> = metrics.lines().collect();
    let all = lines.len();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), all, "{metrics}");
}

#[tokio::test]
async fn an_instance_that_has_moved_is_looked_up_once_for_all_its_gateways() {
    let case = Case::new("fleet-moved").await;
    case.members(3).await;
    case.apim(&["rotate", "--all"]).exits(0).await;
    let before = [Operation::ListGateways, Operation::ResourceGraph].map(|of| case.requests(of).len());
    case.azure()
        .move_service(&case.gateway, &case.gateway.subscription, "rg-new");
    let ended = case.apim(&["rotate", "--all", "-o", "json"]).exits(0).await;
    ended.says(&["has moved from resource group rg-apim", "3 gateways: 3 rotated"]);
    assert_eq!(ended.stderr.matches("has moved").count(), 1, "{}", ended.stderr);
    let after = [Operation::ListGateways, Operation::ResourceGraph].map(|of| case.requests(of).len());
    // The list at the old place and at the new one.
    assert_eq!((after[0] - before[0], after[1] - before[1]), (2, 1));
    for item in ended.json()["items"].as_array().unwrap() {
        let gateway = item["gateway"].as_str().unwrap();
        assert!(gateway.contains("/resourceGroups/rg-new/"), "{gateway}");
    }
}
