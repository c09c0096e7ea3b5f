//! What a rotation records on the workload: who has proved it, who waits for it,
//! and an id for each Secret. Only that makes a rotation unfinished.

use std::collections::BTreeMap;

use apim_sandbox::azure::{Action, Slot};
use apim_sandbox::manifests::GatewayManifest;
use apim_sandbox::wait;
use k8s_openapi::api::apps::v1::ReplicaSet;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::{LAST_USED_KEY, RESTARTED_AT, ROTATED_AT, ROTATION_ID};
use crate::case::{Case, DAY, LIMIT};

const PROVED: &str = "apim-rotate/proved";
const GIVEN_UP: &str = "apim-rotate/given-up";

impl Case {
    /// The annotations of the workload itself.
    pub(super) async fn workload_annotations(&self, workload: &str) -> BTreeMap<String, String> {
        let deployment = self.deployments().get(workload).await.unwrap();
        deployment.metadata.annotations.unwrap_or_default()
    }

    /// How often its pods were replaced, and one.
    async fn revisions(&self, workload: &str) -> usize {
        let sets: Api<ReplicaSet> = Api::namespaced(self.client.clone(), &self.namespace);
        let of_workload = ListParams::default().labels(&format!("app={workload}"));
        sets.list(&of_workload).await.unwrap().items.len()
    }

    /// Breaks the readiness of a workload for good, as something else does.
    async fn becomes_unready(&self, workload: &str) {
        let mode =
            json!({"spec": {"template": {"metadata": {"annotations": {"sandbox.apim/mode": "image-pull"}}}}});
        self.patch_deployment(workload, &mode).await;
        wait::until("an unready pod", LIMIT, async || {
            let status = self.deployments().get(workload).await?.status.unwrap_or_default();
            Ok((status.unavailable_replicas.unwrap_or_default() > 0).then_some(()))
        })
        .await
        .unwrap();
    }
}

/// Moves the time of the rotation back, as if it had been two weeks ago.
async fn backdate(case: &Case) {
    let at = (case.azure().now() - DAY * 14).to_string();
    let annotations = json!({"metadata": {"annotations": {ROTATED_AT: at}}});
    case.patch_secret("gw-token", &annotations).await;
}

#[tokio::test]
async fn the_proof_is_recorded_without_a_change_of_the_template() {
    let case = Case::new("proved").await;
    let manifest = case.portal();
    case.deploy(&manifest).await;
    case.apim(&["rotate"]).exits(0).await;
    let id = case.annotation(&manifest, ROTATION_ID).await;
    let own = case.workload_annotations("gw").await;
    assert_eq!(own.get(PROVED), id.as_ref());
    assert_eq!(own.get(GIVEN_UP), None);
    assert_eq!(case.revisions("gw").await, 2, "the pods were replaced once");

    case.apim(&["rotate", "--no-wait"]).exits(0).await;
    let id = case.annotation(&manifest, ROTATION_ID).await;
    let own = case.workload_annotations("gw").await;
    assert_eq!((own.get(PROVED), own.get(GIVEN_UP)), (None, id.as_ref()));
    assert_eq!(case.revisions("gw").await, 3);
}

#[tokio::test]
async fn a_pod_that_is_unready_weeks_later_does_not_stop_a_rotation() {
    let case = Case::new("unready-later").await;
    let manifest = case.portal();
    case.deploy(&manifest).await;
    case.apim(&["rotate"]).exits(0).await;
    backdate(&case).await;
    case.becomes_unready("gw").await;
    let leaked = case.credential(&manifest).await;

    // A daily run that is not due has nothing to wait for.
    let daily = ["rotate", "--if-expiring-within", "1d", "-o", "json"];
    let report = case.fails_untouched(case.apim(&daily), 0).await.json();
    assert_eq!(report["outcome"], "NotDue");

    // After a leak the other key must sign.
    let ended = case
        .apim(&["rotate", "-k", "rotate", "--no-wait", "-o", "json"])
        .exits(0)
        .await;
    assert_eq!(ended.json()["outcome"], "Rotated");
    assert_eq!(case.mints(), 2);
    assert_eq!(case.slot(&manifest).await, Slot::Secondary);
    assert_ne!(case.credential(&manifest).await, leaked);
}

/// The same without a record of the proof, as versions before it left it.
#[tokio::test]
async fn without_a_record_of_the_proof_the_time_decides() {
    let case = Case::new("unready-unrecorded").await;
    let manifest = case.portal();
    case.deploy(&manifest).await;
    case.apim(&["rotate"]).exits(0).await;
    backdate(&case).await;
    let unrecorded = json!({"metadata": {"annotations": {PROVED: null}}});
    case.patch_deployment("gw", &unrecorded).await;
    case.becomes_unready("gw").await;
    let daily = ["rotate", "--if-expiring-within", "1d", "-o", "json"];
    let report = case.fails_untouched(case.apim(&daily), 0).await.json();
    assert_eq!(report["outcome"], "NotDue");
    case.apim(&["rotate", "-k", "rotate", "--no-wait"]).exits(0).await;
    assert_eq!(case.mints(), 2);
    assert_eq!(case.slot(&manifest).await, Slot::Secondary);
}

#[tokio::test]
async fn a_completion_says_that_nothing_was_minted() {
    let case = Case::new("completion-says").await;
    let manifest = case.portal().mode("slow:3");
    case.deploy(&manifest).await;
    case.apim(&["rotate", "--no-wait"]).exits(0).await;
    let ended = case.apim(&["rotate"]).exits(0).await;
    ended.says(&["still rolling out; completing it, without a new token"]);
    assert!(
        ended.stdout.contains("no new token was minted"),
        "{}",
        ended.stdout
    );
    // Nobody owes anything now.
    let ended = case.apim(&["rotate", "--no-wait", "-o", "json"]).exits(0).await;
    assert_eq!(ended.json()["outcome"], "Rotated");
    let report = case.apim(&["rotate", "-o", "json"]).exits(0).await.json();
    assert_eq!(report["outcome"], "Completed");
    assert!(
        report["reason"]
            .as_str()
            .unwrap()
            .contains("no new token was minted")
    );
}

/// A workload of two containers, each with a Secret of its own.
async fn two_secrets(case: &Case) -> [GatewayManifest; 2] {
    let first = case.portal();
    let token = case.token(Slot::Primary, DAY * 2);
    let second = GatewayManifest::portal("second", &case.endpoint(), &token).replicas(0);
    case.deploy(&first).await;
    case.deploy(&second).await;
    let container = json!({"spec": {"template": {"spec": {"containers": [{
    "name": "second", "image": "mcr.microsoft.com/azure-api-management/gateway:v2", "env": [
        {"name": "config.service.endpoint", "value": case.endpoint()},
        {"name": "config.service.auth", "valueFrom": {"secretKeyRef": {"name": "second-token", "key": "value"}}},
    ]}]}}}});
    let params = PatchParams::default();
    let patch = Patch::Strategic(&container);
    case.deployments().patch("gw", &params, &patch).await.unwrap();
    case.deployments()
        .delete("second", &DeleteParams::default())
        .await
        .unwrap();
    case.rolled_out("gw").await;
    [first, second]
}

#[tokio::test]
async fn two_secrets_of_one_workload_owe_each_other_nothing() {
    let case = Case::new("two-secrets").await;
    let secrets = two_secrets(&case).await;
    let rotate = async |secret: &str, more: &[&str]| {
        let line = [&["rotate", "deploy/gw", "-t", secret, "-o", "json"], more].concat();
        case.apim(&line).exits(0).await.json()
    };
    for secret in ["gw-token", "second-token"] {
        assert_eq!(rotate(secret, &[]).await["outcome"], "Rotated");
    }
    let before = case.versions().await;
    for secret in ["gw-token", "second-token"] {
        let report = rotate(secret, &["--if-expiring-within", "1d"]).await;
        assert_eq!(report["outcome"], "NotDue", "{report:#}");
    }
    assert_eq!(case.versions().await, before, "nothing was restarted");
    assert_eq!(case.mints(), 2);

    // Another round replaces each id where it is.
    for secret in ["gw-token", "second-token"] {
        rotate(secret, &[]).await;
    }
    let mut ids = Vec::new();
    for secret in &secrets {
        ids.extend(case.annotation(secret, ROTATION_ID).await);
    }
    let both = ids.join(",");
    assert_eq!(case.template_annotations("gw").await[ROTATION_ID], both);
    assert_eq!(case.workload_annotations("gw").await[PROVED], both);
}

#[tokio::test]
async fn two_secrets_are_rotated_at_once_and_one_token_is_refused() {
    let case = Case::new("two-at-once").await;
    let secrets = two_secrets(&case).await;
    for secret in &secrets {
        let token = case.token(Slot::Secondary, DAY * 2);
        let change = json!({"stringData": {"value": token}, "metadata": {"annotations": {LAST_USED_KEY: "secondary"}}});
        case.patch_secret(&secret.secret_name(), &change).await;
    }
    case.disturb_mint(Action::RefusedToken, 1);
    let rotate = async |secret| {
        let line = ["rotate", "deploy/gw", "-t", secret, "-k", "primary"];
        case.apim(&line).start().await
    };
    let refused = rotate("gw-token").await;
    case.mint_was_asked_for().await;
    let healthy = rotate("second-token").await;
    tokio::join!(refused.ends(5), healthy.ends(0));
    case.rolled_out("gw").await;
    let [first, second] = &secrets;
    assert_eq!(case.slot(first).await, Slot::Secondary);
    assert_eq!(case.slot(second).await, Slot::Primary);
    let id = case.annotation(second, ROTATION_ID).await;
    assert_eq!(
        case.template_annotations("gw").await.get(ROTATION_ID),
        id.as_ref()
    );
}

#[tokio::test]
async fn no_restart_leaves_an_owed_restart() {
    let case = Case::new("owed-no-restart").await;
    let manifest = case.portal();
    case.deploy(&manifest).await;
    case.apim(&["rotate"]).exits(0).await;
    // As if the run had ended before its restart.
    let gone = json!({
        "metadata": {"annotations": {PROVED: null}},
        "spec": {"template": {"metadata": {"annotations": {ROTATION_ID: "older"}}}},
    });
    case.patch_deployment("gw", &gone).await;
    case.rolled_out("gw").await;
    let rewritten: Value =
        json!({"metadata": {"annotations": {ROTATED_AT: (case.azure().now() + DAY).to_string()}}});
    case.patch_secret("gw-token", &rewritten).await;
    let line = ["rotate", "--no-restart", "--if-expiring-within", "1d"];
    let ended = case.fails_untouched(case.apim(&line), 0).await;
    assert!(
        ended
            .stdout
            .contains("the restart of deployment.apps/gw is still owed"),
        "{}",
        ended.stdout
    );
    assert_eq!(case.template_annotations("gw").await[ROTATION_ID], "older");
    assert!(case.template_annotations("gw").await.contains_key(RESTARTED_AT));
}

#[tokio::test]
async fn the_operator_that_owns_a_workload_is_named_before_a_token_is_minted() {
    let case = Case::new("owned").await;
    case.deploy(&case.idle_portal()).await;
    let owner = json!({"metadata": {"ownerReferences": [{
        "apiVersion": "v1", "kind": "Secret", "name": "gw-token", "controller": true,
        "uid": case.secret("gw-token").await.metadata.uid,
    }]}});
    case.patch_deployment("gw", &owner).await;
    let run = case.apim(&["rotate", "--dry-run"]);
    let ended = case.fails_untouched(run, 0).await;
    ended.says(&["deployment.apps/gw is controlled by Secret gw-token"]);
}

#[tokio::test]
async fn an_expiry_that_azure_cannot_grant_is_due() {
    let case = Case::new("year-2999").await;
    let manifest = case.idle_portal();
    case.deploy(&manifest).await;
    let forged = json!({"stringData": {"value": "GatewayKey gw&299901010000&Zm9yZ2VkIHNpZ25hdHVyZQ=="}});
    case.patch_secret("gw-token", &forged).await;
    case.apim(&["rotate", "--if-expiring-within", "1d"])
        .exits(0)
        .await;
    assert_eq!(case.mints(), 1);
    assert!(case.azure().accepts(&case.credential(&manifest).await));
}
