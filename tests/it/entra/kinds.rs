//! Workloads whose pods Kubernetes does not replace by itself.

use apim_sandbox::wait;
use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};

use super::EntraCase;
use crate::case::LIMIT;
use crate::user::{may, user};

const FLAGS: [&str; 7] = [
    "--create-app",
    "gw",
    "--mode",
    "app-secret",
    "--yes",
    "--timeout",
    "2m",
];

/// A gateway of another kind without a credential, whose only pod is not ready.
async fn broken(kind: &str, strategy: &Value) -> EntraCase {
    let entra = EntraCase::new("kinds").await;
    entra
        .deploy(|it| {
            it["kind"] = kind.into();
            it["spec"]["updateStrategy"] = strategy.clone();
            if kind == "StatefulSet" {
                it["spec"]["serviceName"] = "gw".into();
            }
        })
        .await;
    wait::until("a pod that is not ready", LIMIT, async || {
        let pods = pods(&entra).list(&ListParams::default()).await?;
        let status = pods.items.into_iter().next().and_then(|pod| pod.status);
        let containers = status.and_then(|it| it.container_statuses);
        Ok(containers.map(|all| assert!(all.iter().all(|it| !it.ready), "{all:?}")))
    })
    .await
    .unwrap();
    entra
}

fn pods(entra: &EntraCase) -> Api<Pod> {
    Api::namespaced(entra.case.client.clone(), &entra.case.namespace)
}

fn target(entra: &EntraCase, name: &str) -> Vec<String> {
    let target = super::target(&entra.case);
    let line = ["entra", "setup", name].map(str::to_owned).into_iter();
    let flags = FLAGS.map(str::to_owned);
    line.chain(flags).chain(target).collect()
}

fn words(line: &[String]) -> Vec<&str> {
    line.iter().map(String::as_str).collect()
}

/// Kubernetes waits for a pod of a StatefulSet to be ready before it replaces it.
async fn a_stateful_set_whose_pod_is_not_ready() {
    let entra = broken("StatefulSet", &json!({"type": "RollingUpdate"})).await;
    let line = target(&entra, "sts/gw");
    let ended = entra.case.apim(&words(&line)).exits(0).await;
    let note = "a pod that is not ready is deleted";
    assert!(ended.stdout.contains(note), "{}", ended.stdout);
    ended.says(&["deleted    pod gw-0", "proved"]);
}

async fn the_same_without_the_right_to_delete_pods() {
    let entra = broken("StatefulSet", &json!({"type": "RollingUpdate"})).await;
    let rules = json!([
        may("apps", &["statefulsets"], &["get", "patch"]),
        may("", &["secrets"], &["get", "create", "patch"]),
        may("", &["namespaces", "configmaps", "pods/log"], &["get"]),
        may("", &["pods"], &["get", "list"]),
    ]);
    let kubeconfig = user(&entra.case, &rules).await;
    let line = [
        target(&entra, "sts/gw"),
        vec!["-n".to_owned(), entra.case.namespace.clone()],
    ]
    .concat();
    let run = entra.case.apim(&words(&line)).env("KUBECONFIG", &kubeconfig);
    let ended = run.exits(3).await;
    let command = format!("kubectl -n {} delete pod gw-0", entra.case.namespace);
    ended.says(&[&command]);
    pods(&entra)
        .delete("gw-0", &DeleteParams::default())
        .await
        .unwrap();
    let run = entra.case.apim(&words(&line)).env("KUBECONFIG", &kubeconfig);
    run.exits(0).await.says(&["proved"]);
}

/// Only a person replaces its pods.
async fn on_delete(kind: &'static str, name: &'static str) {
    let entra = broken(kind, &json!({"type": "OnDelete"})).await;
    let line = target(&entra, name);
    let ended = entra.case.apim(&words(&line)).exits(3).await;
    let note = "until somebody deletes them, because of the strategy OnDelete";
    assert!(ended.stdout.contains(note), "{}", ended.stdout);
    let pod = &pods(&entra).list(&ListParams::default()).await.unwrap().items[0];
    let pod = pod.metadata.name.as_deref().unwrap();
    let command = format!("kubectl -n {} delete pod {pod}", entra.case.namespace);
    ended.says(&[&command]);
    pods(&entra).delete(pod, &DeleteParams::default()).await.unwrap();
    entra.case.apim(&words(&line)).exits(0).await.says(&["proved"]);
}

/// Side by side, since most of their time is waiting.
#[tokio::test]
async fn pods_that_kubernetes_does_not_replace() {
    tokio::join!(
        a_stateful_set_whose_pod_is_not_ready(),
        the_same_without_the_right_to_delete_pods(),
        join_all(
            [("StatefulSet", "sts/gw"), ("DaemonSet", "ds/gw")].map(|(kind, name)| on_delete(kind, name))
        ),
    );
}
