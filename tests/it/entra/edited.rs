//! Somebody else edits the workload during a set-up.

use apim_sandbox::azure::{Action, Fault, Operation};
use apim_sandbox::wait;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::EntraCase;
use crate::case::LIMIT;
use crate::run::Running;

const FLAGS: [&str; 5] = ["--create-app", "gw", "--mode", "app-secret", "--yes"];

/// Starts a set-up, and waits until it waits for Azure.
async fn waiting(entra: &EntraCase) -> Running<'_> {
    let host = format!("{}.configuration.azure-api.net", entra.case.gateway.service);
    let refusal = Fault::on(Operation::Configuration, Action::status(403));
    entra.case.azure().fault(refusal.host(&host).times(2));
    let run = entra.setup(&FLAGS).start().await;
    wait::until("the configuration endpoint to be asked", LIMIT, async || {
        let asked = entra.case.azure().requests_where(|request| {
            request.operation == Some(Operation::Configuration) && request.proxied && request.host == host
        });
        Ok((!asked.is_empty()).then_some(()))
    })
    .await
    .unwrap();
    run
}

/// Edits the Deployment as `kubectl edit` does.
async fn edit(entra: &EntraCase, change: &Value) {
    let patch = Patch::Strategic(change);
    let params = PatchParams::default();
    entra
        .case
        .deployments()
        .patch("gw", &params, &patch)
        .await
        .unwrap();
}

fn with_variable(name: &str, value: &str) -> Value {
    let container = json!({"name": "gateway", "env": [{"name": name, "value": value}]});
    json!({"spec": {"template": {"spec": {"containers": [container]}}}})
}

/// The variables of the container that have a value, or a reference.
async fn variables(entra: &EntraCase) -> Vec<(String, Option<String>)> {
    let live = entra.case.deployments().get("gw").await.unwrap();
    let spec = live.spec.unwrap().template.spec.unwrap();
    let env = spec.containers.into_iter().next().unwrap().env.unwrap();
    env.into_iter().map(|it| (it.name, it.value)).collect()
}

async fn an_edit_of_the_pod_template_stops_the_change() {
    let entra = EntraCase::new("edited").await;
    entra.deploy(|_| {}).await;
    let run = waiting(&entra).await;
    edit(&entra, &with_variable("gateway.name", "theirs")).await;
    let ended = run.ends(3).await;
    ended.says(&[
        "the pod template of deployment.apps/gw has changed since it was read",
        "run the same command again",
    ]);
    let there = variables(&entra).await;
    assert!(
        there.contains(&("gateway.name".to_owned(), Some("theirs".to_owned()))),
        "{there:?}"
    );
    assert_eq!(there.len(), 2, "{there:?}");
    // The next plan is made of what is there now.
    entra
        .setup(&FLAGS)
        .exits(4)
        .await
        .says(&["`theirs` by the setting gateway.name"]);
}

async fn an_edit_of_something_else_does_not_matter() {
    let entra = EntraCase::new("edited").await;
    entra.deploy(|_| {}).await;
    let run = waiting(&entra).await;
    edit(
        &entra,
        &json!({"metadata": {"annotations": {"team": "shop"}}, "spec": {"replicas": 2}}),
    )
    .await;
    run.ends(0).await.says(&["proved"]);
    entra.case.rolled_out("gw").await;
}

async fn an_edit_during_the_proof_stays_when_the_workload_is_put_back() {
    let entra = EntraCase::new("edited").await;
    entra
        .deploy(|it| {
            it["spec"]["template"]["metadata"]["annotations"] = json!({"sandbox.apim/mode": "slow:20"});
        })
        .await;
    let run = entra.setup(&FLAGS).start().await;
    wait::until("the change of the workload", LIMIT, async || {
        Ok((variables(&entra).await.len() > 1).then_some(()))
    })
    .await
    .unwrap();
    edit(&entra, &with_variable("gateway.name", "theirs")).await;
    let ended = run.ends(5).await;
    ended.says(&["the workload is as it was before, except what something else has changed: gateway.name"]);
    let there = variables(&entra).await;
    assert!(
        there.contains(&("gateway.name".to_owned(), Some("theirs".to_owned()))),
        "{there:?}"
    );
    assert_eq!(there.len(), 2, "{there:?}");
}

/// Side by side, since most of their time is waiting.
#[tokio::test]
async fn what_somebody_else_edits_stays() {
    tokio::join!(
        an_edit_of_the_pod_template_stops_the_change(),
        an_edit_of_something_else_does_not_matter(),
        an_edit_during_the_proof_stays_when_the_workload_is_put_back(),
    );
}
