//! What a rotation leaves alone, and the copy of the token that it does not.

use apim_sandbox::azure::Slot;
use serde_json::{Value, json};

use super::{LAST_APPLIED, RESTARTED_AT, ROTATED_AT, ROTATION_ID};
use crate::case::{Case, DAY};

#[tokio::test]
async fn everything_else_in_the_secret_stays() {
    let case = Case::new("preserve-secret").await;
    let manifest = case.idle_portal();
    case.deploy(&manifest).await;
    let extra = json!({
        "metadata": {"labels": {"team": "shop"}, "annotations": {"note": "do not delete"}},
        "stringData": {"other": "keep"},
    });
    case.patch_secret("gw-token", &extra).await;
    let before = case.secret("gw-token").await;
    case.apim(&["rotate", "--no-wait"]).exits(0).await;

    let after = case.secret("gw-token").await;
    assert_eq!(after.metadata.uid, before.metadata.uid);
    assert_eq!(after.metadata.labels, before.metadata.labels);
    assert_eq!(after.type_, before.type_);
    let (before, after) = (before.data.unwrap(), after.data.unwrap());
    assert_eq!(after.len(), 2);
    assert_eq!(after["other"], before["other"]);
    assert_ne!(after["value"], before["value"]);
    let note = case.annotation(&manifest, "note").await;
    assert_eq!(note.as_deref(), Some("do not delete"));
}

#[tokio::test]
async fn the_deployment_keeps_its_replicas_and_annotations() {
    let case = Case::new("preserve-deploy").await;
    let manifest = case.portal().replicas(2).mode("strict");
    case.deploy(&manifest).await;
    let before = case.deployments().get("gw").await.unwrap();
    case.apim(&["rotate"]).exits(0).await;

    let after = case.deployments().get("gw").await.unwrap();
    let mut own = after.metadata.annotations.unwrap_or_default();
    let id = case.annotation(&manifest, ROTATION_ID).await;
    assert_eq!(own.remove("apim-rotate/proved"), id);
    assert_eq!(own.len(), 1);
    let (before, after) = (before.spec.unwrap(), after.spec.unwrap());
    assert_eq!(after.replicas, Some(2));
    assert_eq!(after.template.spec, before.template.spec);
    let mut template = case.template_annotations("gw").await;
    assert_eq!(template.remove(ROTATION_ID), id);
    let written = case.annotation(&manifest, ROTATED_AT).await;
    assert_eq!(template.remove(RESTARTED_AT), written);
    assert_eq!(
        Some(template),
        before.template.metadata.and_then(|meta| meta.annotations)
    );
}

/// A user's own file, applied on the client's side, which leaves a copy of the
/// token in an annotation.
async fn applied_by_the_user(case: &Case, field: &str, token: &str) -> String {
    let value = match field {
        "data" => base64(token),
        _ => token.to_owned(),
    };
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "gw-token", "namespace": case.namespace, "labels": {"team": "shop"}},
        field: {"value": value, "other": base64("keep")},
    });
    let file = case.file("secret.json", &secret.to_string());
    let file = file.display().to_string();
    let applied = case.kubectl(&["apply", "-f", &file]).command().output().await;
    assert!(applied.unwrap().status.success());
    file
}

fn base64(text: &str) -> String {
    let bytes = k8s_openapi::ByteString(text.as_bytes().to_vec());
    serde_json::to_value(bytes).unwrap().as_str().unwrap().to_owned()
}

async fn no_copy_of_the_token_stays(field: &str) {
    let case = Case::new("last-applied").await;
    let token = case.token(Slot::Primary, DAY * 2);
    let file = applied_by_the_user(&case, field, &token).await;
    let manifest = case.idle_portal();
    let workload: Vec<Value> = manifest.objects().into_iter().skip(1).collect();
    for object in workload {
        apim_sandbox::manifests::apply(&case.client, &case.namespace, object)
            .await
            .unwrap();
    }
    let before = case.annotation(&manifest, LAST_APPLIED).await.unwrap();
    assert!(before.contains("\"value\""));
    case.apim(&["rotate", "--no-wait"]).exits(0).await;

    let after = case.annotation(&manifest, LAST_APPLIED).await.unwrap();
    let after: Value = serde_json::from_str(&after).unwrap();
    assert!(after[field].get("value").is_none(), "the copy is still there");
    assert_eq!(after[field]["other"], json!(base64("keep")));
    assert_eq!(after["metadata"]["labels"]["team"], "shop");

    // The user's file is still good, and brings its own token back.
    case.kubectl(&["apply", "-f", &file]).exits(0).await;
    assert_eq!(case.credential(&manifest).await, token);
}

#[tokio::test]
async fn the_copy_under_data_that_kubectl_apply_keeps_is_cut_out() {
    no_copy_of_the_token_stays("data").await;
}

#[tokio::test]
async fn the_copy_under_string_data_that_kubectl_apply_keeps_is_cut_out() {
    no_copy_of_the_token_stays("stringData").await;
}

#[tokio::test]
async fn a_copy_that_cannot_be_read_is_removed_whole() {
    let case = Case::new("last-applied-odd").await;
    let manifest = case.idle_portal();
    case.deploy(&manifest).await;
    let odd = json!({"metadata": {"annotations": {LAST_APPLIED: "{\"data\": broken"}}});
    case.patch_secret("gw-token", &odd).await;
    case.apim(&["rotate", "--no-wait"]).exits(0).await;
    assert_eq!(case.annotation(&manifest, LAST_APPLIED).await, None);
}
