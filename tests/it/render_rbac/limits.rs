//! The policies at the limits of the API server: many names, large objects, and
//! many managers. What an expression may cost is limited.

use std::fmt::Write as _;

use apim_sandbox::azure::Slot;
use k8s_openapi::ByteString;
use kube::api::{Patch, PatchParams};
use serde_json::{Map, Value, json};

use super::admission::{ACCOUNT, put_in_force};
use crate::case::{Case, DAY};

/// Renders the rights for this many gateways beside the first one.
async fn rendered(case: &Case, count: usize) -> String {
    let mut line = vec!["deployment/gw".to_owned()];
    let name = |number| format!("gateway-{number:05}-of-a-fleet-with-long-names");
    line.extend((0..count).map(|number| format!("deployment/{}", name(number))));
    line.extend(["--token-secret".to_owned(), "gw-token".to_owned()]);
    line.extend((0..count).flat_map(|number| ["--token-secret".to_owned(), name(number)]));
    line.extend(["--secret-key", "value", "--admission-policy"].map(str::to_owned));
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    case.rendered(&line).await
}

/// Rotates as the account.
async fn rotates(case: &Case, account: &str) {
    let rotation = async || {
        let annotations = case.secret("gw-token").await.metadata.annotations;
        annotations.and_then(|mut all| all.remove("apim-rotate/rotation-id"))
    };
    let before = rotation().await;
    let ended = case.rotates_as(account, &["--no-wait"], 0).await;
    assert_ne!(rotation().await, before, "{}", ended.stderr);
}

#[tokio::test]
async fn the_policies_of_many_gateways_are_accepted_and_hold() {
    let case = Case::new("rbac-many").await;
    case.deploy(&case.idle_portal()).await;
    for count in [100, 2000] {
        let rendered = rendered(&case, count).await;
        put_in_force(&case, ACCOUNT, &rendered, &["secret/gw-token", "deployment/gw"]).await;
        rotates(&case, ACCOUNT).await;
        let other = json!({"stringData": {"other": "x"}}).to_string();
        let line = ["patch", "secret/gw-token", "-p", &other];
        let denied = case.kubectl_as_account(&line).await.exits(1).await;
        denied.says(&["only the key of the credential"]);
    }
}

/// Texts that are no part of a secret, and together are this long.
fn filling(length: usize) -> String {
    let mut text = String::new();
    let mut number = 0;
    while text.len() < length {
        // Writing to a String cannot fail.
        let _ = write!(text, "{number:07} ");
        number += 1;
    }
    text
}

/// A Secret with data of nearly 1 MiB and annotations of nearly 256 KiB, which is what
/// the API server accepts.
async fn large_secret(case: &Case) {
    let token = case.token(Slot::Primary, DAY * 2);
    let applied = json!({
        "apiVersion": "v1", "kind": "Secret",
        "data": {"value": encoded(&token), "large": encoded(&filling(170_000))},
        "metadata": {"name": "gw-token", "namespace": case.namespace},
    });
    let file = case.file("secret.json", &applied.to_string());
    let line = ["apply", "-f", &file.display().to_string()];
    let ended = case.kubectl(&line).command().output().await.unwrap();
    assert!(ended.status.success(), "{ended:?}");
}

fn encoded(text: &str) -> Value {
    json!(ByteString(text.as_bytes().to_vec()))
}

/// Another manager of the Secret and of the workload, each with fields of its own.
async fn one_more_manager(case: &Case, number: usize) {
    let applies = number.is_multiple_of(2);
    let manager = format!("manager-{number}");
    let params = if applies {
        PatchParams::apply(&manager).force()
    } else {
        PatchParams {
            field_manager: Some(manager),
            ..PatchParams::default()
        }
    };
    let patch = |object: Value| {
        if applies {
            Patch::Apply(object)
        } else {
            Patch::Merge(object)
        }
    };
    let keys: Map<String, Value> = (0..20)
        .map(|key| (format!("key-{number}-{key}"), encoded(&filling(1200))))
        .collect();
    let labels: Map<String, Value> = (0..5)
        .map(|label| (format!("label-{number}-{label}"), json!("x")))
        .collect();
    let theirs = json!({
        "apiVersion": "v1", "kind": "Secret", "data": keys, "metadata": {"name": "gw-token", "labels": labels},
    });
    case.secrets()
        .patch("gw-token", &params, &patch(theirs))
        .await
        .unwrap();
    let theirs = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "gw", "labels": labels},
    });
    case.deployments()
        .patch("gw", &params, &patch(theirs))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_large_secret_of_many_managers_is_rotated_under_the_policies() {
    let case = Case::new("rbac-large").await;
    for object in case.idle_portal().objects().into_iter().skip(1) {
        apim_sandbox::manifests::apply(&case.client, &case.namespace, object)
            .await
            .unwrap();
    }
    large_secret(&case).await;
    for number in 0..30 {
        one_more_manager(&case, number).await;
    }
    let line = [
        "deployment/gw",
        "--token-secret",
        "gw-token",
        "--secret-key",
        "value",
    ];
    let of_namespace = case
        .rendered(&[&line[..], &["--admission-policy"]].concat())
        .await;
    put_in_force(
        &case,
        ACCOUNT,
        &of_namespace,
        &["secret/gw-token", "deployment/gw"],
    )
    .await;
    rotates(&case, ACCOUNT).await;
    // `last-applied-configuration` is cut no more.
    rotates(&case, ACCOUNT).await;
    let delete = ["delete", "-f", "-"];
    case.kubectl(&delete).input(&of_namespace).exits(0).await;
    large_secret(&case).await;
    let of_cluster = case.rendered(&["--scope", "cluster", "--admission-policy"]).await;
    let account = "apim-shg-rotate-fleet";
    put_in_force(&case, account, &of_cluster, &["secret/gw-token", "deployment/gw"]).await;
    rotates(&case, account).await;
}
