//! Records of others that the account may not forge: the managed fields, by which
//! server-side apply removes fields, and `last-applied-configuration`, by which
//! `kubectl apply` does.

use apim_sandbox::azure::{Action, Slot};
use apim_sandbox::manifests::GatewayManifest;
use k8s_openapi::ByteString;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::admission::{ACCOUNT, guard_all};
use crate::case::{Case, DAY};
use crate::policy::NoRestarts;

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Whether an entry is of this manager.
fn is_of(entry: &Value, manager: &str) -> bool {
    entry["manager"] == manager
}

impl Case {
    async fn managed_fields(&self, object: &str) -> Vec<Value> {
        let line = ["get", object, "-o", "json", "--show-managed-fields"];
        let line = [&["-n", self.namespace.as_str()], &line[..]].concat();
        let output = self.kubectl(&line).command().output().await.unwrap();
        let object: Value = serde_json::from_slice(&output.stdout).unwrap();
        object["metadata"]["managedFields"].as_array().unwrap().clone()
    }

    /// A patch of the account, which is denied for this reason.
    async fn is_denied(&self, object: &str, patch: &Value, why: &str) {
        let patch = patch.to_string();
        let line = ["patch", object, "--type", "merge", "-p", &patch];
        self.kubectl_as_account(&line).await.exits(1).await.says(&[why]);
    }

    /// Whether a record was denied; the API server itself ignores some.
    async fn denies_record(&self, object: &str, patch: &Value) -> bool {
        let patch = patch.to_string();
        let line = ["patch", object, "--type", "merge", "-p", &patch];
        let tried = self.kubectl_as_account(&line).await.command().output().await;
        let tried = tried.unwrap();
        let answer = String::from_utf8([tried.stdout, tried.stderr].concat()).unwrap();
        let is_denied = answer.contains(OF_OTHERS);
        assert!(is_denied || answer.contains("(no change)"), "{patch}: {answer}");
        is_denied
    }

    async fn rotates_under_policies(&self, more: &[&str], code: i32) {
        let line = [&["rotate", "deployment/gw"], more].concat();
        self.apim_as(ACCOUNT, &line).await.exits(code).await;
    }
}

const OF_OTHERS: &str = "not change the managed fields of others";

/// The managed fields of others, forged in every way.
async fn no_record_can_be_forged(case: &Case, object: &str) {
    let mut denied = 0;
    let entries = case.managed_fields(object).await;
    let patch = |entries: &Value| json!({"metadata": {"managedFields": entries}});
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut entries = entries.clone();
        let theirs = entries.iter_mut().rfind(|entry| is_of(entry, "kubectl"));
        change(theirs.unwrap());
        json!(entries)
    };
    let with = |entry: Value| {
        let mut entries = entries.clone();
        entries.push(entry);
        json!(entries)
    };
    let fields = || json!({"f:metadata": {"f:labels": {"f:theirs": {}}}});
    let entry = |manager: &str, operation: &str| {
        json!({
            "manager": manager, "operation": operation, "apiVersion": entries[0]["apiVersion"],
            "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": fields(),
        })
    };
    for forged in [
        json!([{}]),
        changed(&|theirs| theirs["fieldsV1"]["f:metadata"]["f:labels"]["f:x"] = json!({})),
        changed(&|theirs| theirs["fieldsV1"]["f:spec"]["f:x"] = json!({})),
        changed(&|theirs| theirs["fieldsV1"]["f:metadata"]["f:annotations"]["f:x"] = json!({})),
        changed(&|theirs| theirs["fieldsV1"]["f:metadata"]["f:annotations"]["f:last-used-key"] = json!({})),
        changed(&|theirs| theirs["fieldsV1"]["f:metadata"] = json!({})),
        changed(&|theirs| theirs["manager"] = "helm".into()),
        changed(&|theirs| theirs["operation"] = "Apply".into()),
        changed(&|theirs| theirs["time"] = "2020-01-01T00:00:00Z".into()),
        json!(
            entries
                .iter()
                .filter(|entry| !is_of(entry, "kubectl"))
                .collect::<Vec<_>>()
        ),
        with(entry("argocd-controller", "Apply")),
        with(entry("kubectl-client-side-apply", "Update")),
        with(entry("apim-rotate", "Apply")),
        with(entry("apim-rotate", "Update")),
        with(entry("ancient-changes", "Update")),
    ] {
        denied += usize::from(case.denies_record(object, &patch(&forged)).await);
    }
    assert!(denied >= 12, "{denied}");
}

#[tokio::test]
async fn the_managed_fields_of_others_cannot_be_forged() {
    let case = Case::new("rbac-forged").await;
    case.deploy(&case.portal()).await;
    // Annotations of theirs, so that there are fields beside ours.
    let theirs = json!({"metadata": {"annotations": {"note": "x"}, "labels": {"team": "shop"}}});
    let params = PatchParams {
        field_manager: Some("kubectl".to_owned()),
        ..PatchParams::default()
    };
    let patch = Patch::Merge(&theirs);
    case.secrets().patch("gw-token", &params, &patch).await.unwrap();
    case.deployments().patch("gw", &params, &patch).await.unwrap();
    guard_all(&case).await;
    for object in ["secret/gw-token", "deployment/gw"] {
        no_record_can_be_forged(&case, object).await;
    }
    // What the account may change, it may not change as another manager.
    let mark = json!({"metadata": {"annotations": {"last-used-key": "primary"}}}).to_string();
    let line = ["patch", "secret/gw-token", "--field-manager", "helm", "-p", &mark];
    case.kubectl_as_account(&line)
        .await
        .exits(1)
        .await
        .says(&[OF_OTHERS]);
    case.rotates_under_policies(&["--prove", "logs"], 0).await;
    for object in ["secret/gw-token", "deployment/gw"] {
        no_record_can_be_forged(&case, object).await;
    }
    case.rotates_under_policies(&["--prove", "rollout"], 0).await;
}

/// An owner that applies the token itself loses it to the account, and nothing else.
/// The API server merges the entries of many managers, which is no forgery.
#[tokio::test]
async fn an_adopted_secret_and_one_of_many_managers_are_rotated() {
    let case = Case::new("rbac-adopted").await;
    let manifest = case.idle_portal();
    case.deploy(&manifest).await;
    let token = json!(ByteString(case.token(Slot::Primary, DAY * 2).into_bytes()));
    let applied = json!({
        "apiVersion": "v1", "kind": "Secret", "data": {"value": token, "other": "a2VlcA=="},
        "metadata": {"name": "gw-token", "annotations": {"last-used-key": "primary", "note": "x"}},
    });
    let params = PatchParams::apply("argocd-controller").force();
    let patch = Patch::Apply(&applied);
    case.secrets().patch("gw-token", &params, &patch).await.unwrap();
    guard_all(&case).await;
    case.rotates_under_policies(&["--adopt", "--no-wait"], 0).await;
    assert!(case.azure().accepts(&case.credential(&manifest).await));
    let entries = case.managed_fields("secret/gw-token").await;
    let theirs = entries
        .iter()
        .find(|entry| is_of(entry, "argocd-controller"))
        .unwrap();
    assert_eq!(theirs["fieldsV1"]["f:data"], json!({"f:other": {}}));
    for number in 0..12 {
        let params = PatchParams {
            field_manager: Some(format!("manager-{number}")),
            ..PatchParams::default()
        };
        let theirs = json!({"metadata": {"labels": {(format!("label-{number}")): "x"}}});
        let patch = Patch::Merge(&theirs);
        case.secrets().patch("gw-token", &params, &patch).await.unwrap();
        case.deployments().patch("gw", &params, &patch).await.unwrap();
    }
    let before = case.written(&manifest).await;
    case.rotates_under_policies(&["--adopt", "--no-wait"], 0).await;
    assert_ne!(case.written(&manifest).await, before);
    let entries = case.managed_fields("secret/gw-token").await;
    assert!(entries.iter().any(|entry| is_of(entry, "ancient-changes")));
}

/// The Secret as its owner applies it on the client's side, with a copy in each place.
async fn applied_twice(case: &Case) -> String {
    let token = case.token(Slot::Primary, DAY * 2);
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "data": {"other": "a2VlcA=="}, "stringData": {"value": token, "more": "a\"b"},
        "metadata": {"name": "gw-token", "namespace": case.namespace, "labels": {"team": "shop"}},
    });
    let file = case.file("secret.json", &secret.to_string());
    let file = file.display().to_string();
    let applied = case.kubectl(&["apply", "-f", &file]).command().output().await;
    assert!(applied.unwrap().status.success());
    let secret = case.secret("gw-token").await;
    secret.metadata.annotations.unwrap()[LAST_APPLIED].clone()
}

#[tokio::test]
async fn last_applied_configuration_can_only_lose_the_credential() {
    let case = Case::new("rbac-last-applied").await;
    let manifest = case.idle_portal();
    for object in manifest.objects().into_iter().skip(1) {
        apim_sandbox::manifests::apply(&case.client, &case.namespace, object)
            .await
            .unwrap();
    }
    let applied = applied_twice(&case).await;
    guard_all(&case).await;
    let parsed: Value = serde_json::from_str(&applied).unwrap();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut object = parsed.clone();
        change(&mut object);
        json!(format!("{object}\n"))
    };
    for forged in [
        changed(&|object| object["metadata"]["labels"]["precious"] = "x".into()),
        changed(&|object| object["data"]["other"] = "eA==".into()),
        changed(&|object| object["stringData"]["value"] = "x".into()),
        changed(&|object| object["data"] = json!({})),
        changed(&|object| object["data"]["value"] = "x".into()),
        json!(applied.trim_end()),
        json!("{}"),
        json!(""),
        Value::Null,
    ] {
        let patch = json!({"metadata": {"annotations": {LAST_APPLIED: forged}}});
        let why = "only cut the credential out of last-applied-configuration";
        case.is_denied("secret/gw-token", &patch, why).await;
    }
    case.rotates_under_policies(&["--no-wait"], 0).await;
    let after = case.annotation(&manifest, LAST_APPLIED).await.unwrap();
    let after: Value = serde_json::from_str(&after).unwrap();
    let mut cut = parsed.clone();
    cut["stringData"].as_object_mut().unwrap().remove("value");
    assert_eq!(after, cut);
    // The account cannot bring back what it has cut.
    let patch = json!({"metadata": {"annotations": {LAST_APPLIED: applied}}});
    case.is_denied("secret/gw-token", &patch, "only cut the credential")
        .await;
    let odd = json!({"metadata": {"annotations": {LAST_APPLIED: "{\"data\": broken"}}});
    case.patch_secret("gw-token", &odd).await;
    case.rotates_under_policies(&["--no-wait"], 0).await;
    assert_eq!(case.annotation(&manifest, LAST_APPLIED).await, None);
}

/// Rotates, puts back, and completes a rotation that was cut off before its restart.
async fn is_rotated(case: &Case, manifest: GatewayManifest, workload: &str) {
    case.deploy(&manifest).await;
    guard_all(case).await;
    let rotate = async |more: &[&str], code: i32| {
        let line = [&["rotate", workload, "--prove", "logs"], more].concat();
        case.apim_as(ACCOUNT, &line).await.exits(code).await
    };
    rotate(&[], 0).await;
    case.disturb_mint(Action::RefusedToken, 1);
    rotate(&["-k", "rotate"], 5).await;
    let policy = NoRestarts::of(case).await;
    rotate(&[], 3).await;
    policy.lift(case).await;
    rotate(&[], 0).await.says(&["written, but not restarted"]);
    assert!(case.azure().accepts(&case.credential(&manifest).await));
}

#[tokio::test]
async fn a_helm_release_is_rotated_under_the_policies() {
    let case = Case::new("rbac-policy-helm").await;
    let token = case.token(Slot::Primary, DAY * 2);
    let manifest = GatewayManifest::helm("gw", &case.endpoint(), &token);
    let workload = format!("deployment/{}", manifest.workload_name());
    is_rotated(&case, manifest, &workload).await;
}

#[tokio::test]
async fn a_gateway_of_the_documentation_is_rotated_under_the_policies() {
    let case = Case::new("rbac-policy-docs").await;
    let token = case.token(Slot::Primary, DAY * 2);
    let manifest = GatewayManifest::docs("gw", &case.endpoint(), &token);
    is_rotated(&case, manifest, "deployment/gw").await;
}

#[tokio::test]
async fn a_gateway_with_a_key_of_its_own_is_rotated_under_the_policies() {
    let case = Case::new("rbac-policy-custom").await;
    let token = case.token(Slot::Primary, DAY * 2);
    let manifest = GatewayManifest::custom("gw", &case.endpoint(), &token, "mine", "auth.token");
    is_rotated(&case, manifest, "deployment/gw").await;
}
