//! Something else has changed a workload that was set up: its credential stays, and its
//! pods are replaced.

use apim_sandbox::wait;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::EntraCase;
use crate::case::LIMIT;

const FLAGS: [&str; 5] = ["--create-app", "gw", "--mode", "app-secret", "--yes"];

/// Takes `gateway.name` away from a workload, and waits for a new pod that is not ready.
async fn drift(entra: &EntraCase, kind: &str, mut spec: Value) {
    let env = json!([{"name": "gateway.name", "$patch": "delete"}]);
    spec["containers"] = json!([{"name": "gateway", "env": env}]);
    let change = json!({"spec": {"template": {"spec": spec}}});
    let (patch, params) = (Patch::Strategic(&change), PatchParams::default());
    let (client, namespace) = (entra.case.client.clone(), &entra.case.namespace);
    if kind == "StatefulSet" {
        let all: Api<StatefulSet> = Api::namespaced(client.clone(), namespace);
        drop(all.patch("gw", &params, &patch).await.unwrap());
    } else {
        let all: Api<Deployment> = Api::namespaced(client.clone(), namespace);
        drop(all.patch("gw", &params, &patch).await.unwrap());
    }
    let pods: Api<Pod> = Api::namespaced(client, namespace);
    wait::until("a new pod that is not ready", LIMIT, async || {
        let all = pods.list(&ListParams::default()).await?;
        Ok(all.iter().any(is_drifted).then_some(()))
    })
    .await
    .unwrap();
}

fn is_drifted(pod: &Pod) -> bool {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let is_named = containers
        .flat_map(|it| it.env.iter().flatten())
        .any(|it| it.name == "gateway.name");
    let conditions = pod.status.iter().flat_map(|it| it.conditions.iter().flatten());
    let is_ready = conditions
        .filter(|it| it.type_ == "Ready")
        .any(|it| it.status == "True");
    !is_named && !is_ready
}

async fn set_up(kind: &'static str, name: &'static str) -> EntraCase {
    let entra = EntraCase::new("drifted").await;
    entra
        .deploy(|it| {
            it["kind"] = kind.into();
            it["spec"]["replicas"] = 2.into();
            if kind == "StatefulSet" {
                it["spec"]["serviceName"] = "gw".into();
            }
        })
        .await;
    entra.setup_of(&[&[name][..], &FLAGS].concat()).exits(0).await;
    entra
}

/// The pods of the template before have the same credential, and are not new ones.
async fn a_setting_that_was_taken_away(kind: &'static str, name: &'static str) {
    let entra = set_up(kind, name).await;
    let line = [&[name][..], &FLAGS].concat();
    drift(&entra, kind, json!({})).await;
    let ended = entra.setup_of(&line).exits(0).await;
    assert!(ended.stdout.contains("gateway.name"), "{}", ended.stdout);
    ended.says(&["proved"]);
    let again = entra.setup_of(&line).exits(0).await.stdout;
    assert!(again.lines().all(|line| line.starts_with(['=', ' '])), "{again}");
    assert_eq!(entra.apps()[0].passwords.len(), 1);
}

/// The earlier pods have proved the credential, and not the template.
async fn a_change_without_a_wait_is_proved_later() {
    let entra = set_up("Deployment", "deploy/gw").await;
    drift(&entra, "Deployment", json!({"nodeSelector": {"zone": "nowhere"}})).await;
    entra.setup(&[&FLAGS[..], &["--no-wait"]].concat()).exits(0).await;
    let plan = entra
        .setup(&[&FLAGS[..], &["--dry-run"]].concat())
        .exits(0)
        .await
        .stdout;
    assert!(plan.contains("is not proved yet"), "{plan}");
}

/// Side by side, since most of their time is waiting.
#[tokio::test]
async fn what_was_taken_away_is_set_again() {
    tokio::join!(
        a_setting_that_was_taken_away("Deployment", "deploy/gw"),
        a_setting_that_was_taken_away("StatefulSet", "sts/gw"),
        a_change_without_a_wait_is_proved_later(),
    );
}
