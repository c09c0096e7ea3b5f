//! What a rotation must not or cannot touch: it says so before anything has
//! been changed or minted.

use apim_sandbox::manifests::apply;
use serde_json::{Value, json};

use super::{broken, fails};
use crate::case::Case;

#[tokio::test]
async fn a_secret_without_the_key() {
    let change = json!({"data": {"value": null, "other": "eA=="}});
    let case = broken("no-key", &change, &Value::Null).await;
    let patch = format!("kubectl -n {} patch secret gw-token", case.namespace);
    fails(&case, &[], 1, &["no key `value`", "it has other", &patch]).await;
}

#[tokio::test]
async fn a_secret_that_holds_something_else() {
    let change = json!({"stringData": {"value": "a-password-of-something"}});
    let case = broken("no-token", &change, &Value::Null).await;
    fails(&case, &[], 4, &["secret/gw-token", "not a gateway token"]).await;
}

#[tokio::test]
async fn a_secret_that_holds_bytes_and_no_text() {
    let change = json!({"data": {"value": "/wD+AYCAgIA="}});
    let case = broken("binary", &change, &Value::Null).await;
    fails(
        &case,
        &[],
        4,
        &["secret/gw-token", "value", "not a gateway token"],
    )
    .await;
}

#[tokio::test]
async fn an_immutable_secret() {
    let case = broken("immutable", &json!({"immutable": true}), &Value::Null).await;
    fails(&case, &[], 4, &["secret/gw-token", "is immutable"]).await;
}

#[tokio::test]
async fn a_secret_that_helm_owns_until_it_is_adopted() {
    let owned = json!({"metadata": {
        "labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": {"meta.helm.sh/release-name": "edge"},
    }});
    let case = broken("helm-owned", &owned, &Value::Null).await;
    fails(&case, &[], 4, &["Helm release edge", "--adopt"]).await;
    let report = case
        .apim(&["rotate", "--adopt", "-o", "json"])
        .exits(0)
        .await
        .json();
    assert!(
        report["warnings"][0]
            .as_str()
            .unwrap()
            .contains("Helm release edge")
    );
    assert_eq!(case.mints(), 1);
}

#[tokio::test]
async fn a_paused_deployment() {
    let case = broken("paused", &Value::Null, &json!({"spec": {"paused": true}})).await;
    fails(
        &case,
        &[],
        4,
        &["deployment.apps/gw is paused", "rollout resume", "--no-restart"],
    )
    .await;
}

#[tokio::test]
async fn a_gateway_that_signs_in_by_entra() {
    let env = json!([
        {"name": "config.service.endpoint", "value": "https://svc.configuration.azure-api.net"},
        {"name": "config.service.auth", "value": "workloadIdentity"},
    ]);
    let case = Case::new("entra").await;
    let manifest = case.idle_portal();
    let mut deployment = manifest.objects().remove(2);
    assert_eq!(deployment["kind"], "Deployment");
    deployment["spec"]["template"]["spec"]["containers"][0]["env"] = env;
    apply(&case.client, &case.namespace, deployment).await.unwrap();
    fails(
        &case,
        &[],
        4,
        &["deployment.apps/gw", "Entra", "workloadIdentity"],
    )
    .await;
}

#[tokio::test]
async fn a_token_of_another_gateway_than_the_given_one() {
    let case = broken("other-gateway", &Value::Null, &Value::Null).await;
    fails(
        &case,
        &["-g", "edge"],
        4,
        &["`edge` by --apim-gateway", "`gw` by the present token"],
    )
    .await;
}

#[tokio::test]
async fn flags_against_what_the_last_rotation_recorded() {
    let case = broken("recorded", &Value::Null, &Value::Null).await;
    case.apim(&["rotate"]).exits(0).await;
    let subscription = case.gateway.subscription.clone();
    let service = case.gateway.service.clone();
    for (line, given, recorded) in [
        (["-a", "other"], "`other` by --apim-instance", service.as_str()),
        (["-g", "other"], "`other` by --apim-gateway", "gw"),
    ] {
        let says = [given, &format!("`{recorded}` by "), "apim-rotate/gateway"];
        let run = case.apim(&[&["rotate"][..], &line].concat());
        case.fails_untouched(run, 4).await.says(&says);
    }
    // A location is beaten by the flag, and there is no gateway.
    let there = format!("--resource-group rg-apim --subscription-id {subscription}");
    for (line, given) in [
        (["-r", "other"], "not where --resource-group set it"),
        (["-s", "other"], "not where --subscription-id set it"),
    ] {
        let run = case.apim(&[&["rotate"][..], &line].concat());
        case.fails_untouched(run, 1).await.says(&[given, &there]);
    }
    // In another case the names are the same.
    let shouted = service.to_uppercase();
    case.apim(&["rotate", "-a", &shouted]).exits(0).await;
}

#[tokio::test]
async fn a_secret_that_no_pod_spec_points_at() {
    let case = broken("other-secret", &Value::Null, &Value::Null).await;
    fails(
        &case,
        &["-t", "elsewhere"],
        4,
        &["secret/elsewhere (--token-secret)", "gw-token"],
    )
    .await;
}

#[tokio::test]
async fn a_user_who_may_not_write_the_secret() {
    let case = broken("not-allowed", &Value::Null, &Value::Null).await;
    fails(
        &case,
        &["--as", "nobody"],
        1,
        &["nobody", "kubectl --as nobody auth can-i list"],
    )
    .await;
    // One who may read everything is found out by the rehearsal, before a token is minted.
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "reader"}],
    });
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "reader"},
        "rules": [{"apiGroups": ["", "apps"], "resources": ["*"], "verbs": ["get", "list"]}],
    });
    for object in [role, binding] {
        apply(&case.client, &case.namespace, object).await.unwrap();
    }
    fails(
        &case,
        &["--as", "reader"],
        4,
        &["rehearsing the write of secret/gw-token", "reader"],
    )
    .await;
}
