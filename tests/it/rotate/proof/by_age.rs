//! Pods that another controller created: their age shows which token they read.

use std::collections::BTreeMap;
use std::time::Duration;

use apim_sandbox::manifests::apply;
use apim_sandbox::wait;
use apim_sandbox::wire::{Action, Fault};
use http::Method;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::Api;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use super::super::{RESTARTED_AT, ROTATED_AT, ROTATION_ID};
use super::new_pod;
use crate::case::{Case, LIMIT};

/// Pods of the gateway's template under another controller, as an Argo Rollout
/// with `workloadRef` has them.
async fn pods_of_a_rollout(case: &Case, template: &Value) {
    let maps: Api<ConfigMap> = Api::namespaced(case.client.clone(), &case.namespace);
    let owner = maps.get("gw-env").await.unwrap().metadata;
    let labels = BTreeMap::from([("app", "gw"), ("rollouts-pod-template-hash", "6b4")]);
    let mut template = template.clone();
    template["metadata"]["labels"] = json!(labels);
    let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": "web-6b4", "labels": labels, "ownerReferences": [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": "gw-env", "uid": owner.uid, "controller": true}]},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}});
    apply(&case.client, &case.namespace, set).await.unwrap();
    let sets: Api<ReplicaSet> = Api::namespaced(case.client.clone(), &case.namespace);
    wait::until("the pods of the Rollout", LIMIT, async || {
        let status = sets.get("web-6b4").await?.status;
        Ok(status.filter(|status| status.ready_replicas == Some(2)))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn stale_pods_of_an_argo_rollout_are_named_with_its_restart() {
    let case = Case::new("argo").await;
    let manifest = case.idle_portal();
    case.deploy(&manifest).await;
    let objects = manifest.objects();
    let deployment = objects
        .iter()
        .find(|object| object["kind"] == "Deployment")
        .unwrap();
    pods_of_a_rollout(&case, &deployment["spec"]["template"]).await;

    let ended = case.apim(&["rotate"]).exits(3).await;
    let command = format!("kubectl argo rollouts restart web -n {}", case.namespace);
    ended.says(&["2 pods of deployment.apps/gw keep the previous token", &command]);
    assert_eq!(case.mints(), 1);

    // What that command does. Times in a pod have whole seconds, so a pod of the
    // very second of the write would count as old.
    let pods: Api<Pod> = Api::namespaced(case.client.clone(), &case.namespace);
    for pod in pods.list(&kube::api::ListParams::default()).await.unwrap() {
        pods.delete(&pod.metadata.name.unwrap(), &DeleteParams::default())
            .await
            .unwrap();
    }
    case.apim(&["rotate", "--if-expiring-within", "1d"])
        .exits(0)
        .await;
    assert_eq!(case.mints(), 1);
}

#[tokio::test]
async fn pods_are_proved_by_their_age_if_an_operator_removes_the_mark() {
    let case = Case::new("operator").await;
    let manifest = case.portal().mode("slow:3");
    case.deploy(&manifest).await;
    let running = case.apim(&["rotate"]).start().await;
    new_pod(&case).await;
    // Times in a pod have whole seconds: its age is certain a second later.
    let written = case.annotation(&manifest, ROTATED_AT).await.unwrap();
    let written: Timestamp = written.parse().unwrap();
    wait::until("the next second", LIMIT, async || {
        Ok((case.azure().now().as_second() > written.as_second()).then_some(()))
    })
    .await
    .unwrap();
    // An operator writes its own template, with a change of its own.
    let own = json!({"spec": {"template": {"metadata": {"annotations":
        {ROTATION_ID: null, RESTARTED_AT: null, "operator/round": "2"}}}}});
    case.patch_deployment("gw", &own).await;
    let ended = running.ends(0).await;
    ended.says(&["1 new pod is ready", "the restart's annotation was removed"]);
    assert!(case.azure().accepts(&case.credential(&manifest).await));
}

#[tokio::test]
async fn pods_that_an_operator_keeps_are_named() {
    let case = Case::new("operator-keeps").await;
    case.deploy(&case.portal().mode("slow:5")).await;
    let running = case.apim(&["rotate"]).start().await;
    new_pod(&case).await;
    let back = json!({"spec": {"template": {"metadata": {"annotations":
        {ROTATION_ID: null, RESTARTED_AT: null}}}}});
    case.patch_deployment("gw", &back).await;
    let ended = running.ends(3).await;
    let command = format!("kubectl -n {} delete pod gw-", case.namespace);
    ended.says(&["something else changed deployment.apps/gw", &command]);
}

/// The Secret is written long after the run has chosen the time that it records,
/// and meanwhile somebody deletes the pod.
#[tokio::test]
async fn a_pod_that_starts_just_before_the_write_keeps_the_previous_token() {
    let case = Case::new("before-the-write").await;
    case.deploy(&case.portal()).await;
    let wire = case.sandbox.wire(&case.kubeconfig_path()).await.unwrap();
    let write = "/secrets/gw-token?&fieldManager=apim-rotate";
    // Less could be a difference between the clocks of the node and the API server.
    let late = Action::Delay(Duration::from_secs(12));
    wire.fault(Fault::on(write, late).method(Method::PATCH).once());
    let run = case
        .apim(&["rotate", "--no-restart"])
        .through(&wire)
        .start()
        .await;
    wait::until("the write", LIMIT, async || {
        Ok((!wire.seen_of(&Method::PATCH, write).is_empty()).then_some(()))
    })
    .await
    .unwrap();
    let pods: Api<Pod> = Api::namespaced(case.client.clone(), &case.namespace);
    for pod in pods.list(&kube::api::ListParams::default()).await.unwrap() {
        pods.delete(&pod.metadata.name.unwrap(), &DeleteParams::default())
            .await
            .unwrap();
    }
    run.ends(0).await;
    case.rolled_out("gw").await;
    let stale = async || {
        let status = case.apim(&["status", "-o", "json"]).exits(0).await;
        status.gateway("gw")["pods"]["stale"].as_array().unwrap().len()
    };
    assert_eq!(stale().await, 1);

    case.apim(&["rotate"]).exits(0).await;
    assert_eq!(stale().await, 0);
}
