//! Credential plugins: what they say, and how long their credentials hold.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use apim_sandbox::azure::Slot;
use apim_sandbox::wait;
use apim_sandbox::wire::{Action, Fault};
use http::Method;
use serde_json::{Value, json};

use super::read;
use crate::case::{Case, DAY, LIMIT};
use crate::user::{may, user};

const API: &str = "client.authentication.k8s.io/v1";

/// A kubeconfig whose user signs in by a script, which counts its runs.
struct Plugin {
    kubeconfig: String,
    runs: PathBuf,
}

impl Plugin {
    fn new(case: &Case, kubeconfig: &Path, script: &str) -> Self {
        let runs = case.file("runs", "");
        let script = format!("#!/bin/sh\necho run >>'{}'\n{script}\n", runs.display());
        let file = case.file("plugin", &script);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut kubeconfig: Value = serde_json::from_str(&read(kubeconfig)).unwrap();
        kubeconfig["users"][0]["user"] =
            json!({"exec": {"apiVersion": API, "command": file, "interactiveMode": "IfAvailable"}});
        kubeconfig["contexts"][0]["context"]["namespace"] = case.namespace.as_str().into();
        let kubeconfig = case.file("with-plugin", &kubeconfig.to_string());
        Self {
            kubeconfig: kubeconfig.display().to_string(),
            runs,
        }
    }

    fn runs(&self) -> usize {
        read(&self.runs).lines().count()
    }
}

fn answer(status: &Value) -> String {
    let credential = json!({"apiVersion": API, "kind": "ExecCredential", "status": status});
    format!("echo '{credential}'")
}

/// The token of a service account that may read everything in the namespace.
async fn token(case: &Case) -> (PathBuf, String) {
    let everything = may("*", &["*"], &["get", "list", "watch"]);
    let file = user(case, &json!([everything])).await;
    let written: Value = serde_json::from_str(&read(&file)).unwrap();
    let token = written["users"][0]["user"]["token"].as_str().unwrap().to_owned();
    case.hides(&token);
    (PathBuf::from(file), token)
}

#[tokio::test]
async fn what_a_plugin_says_is_shown_without_its_token_and_its_child_is_left_alone() {
    let case = Case::new("plugin-says").await;
    case.idle_portal()
        .apply(&case.client, &case.namespace)
        .await
        .unwrap();
    let (file, token) = token(&case).await;
    let pid = case.file("pid", "");
    let script = format!(
        "echo 'To sign in, open https://microsoft.com/devicelogin and enter the code F8X2K9QTD' >&2\n\
         echo 'debug: token={token}' >&2\nsleep 300 &\necho $! >'{}'\n{}",
        pid.display(),
        answer(&json!({"token": token, "clientCertificateData": "", "clientKeyData": ""}))
    );
    let plugin = Plugin::new(&case, &file, &script);
    let ended = case
        .apim(&["status", "--kubeconfig", &plugin.kubeconfig])
        .exits(0)
        .await;
    std::process::Command::new("kill")
        .arg(read(&pid).trim())
        .status()
        .unwrap();
    ended.says(&[
        "open https://microsoft.com/devicelogin and enter the code F8X2K9QTD",
        "[hidden]",
    ]);
    assert_eq!(plugin.runs(), 1);
}

#[tokio::test]
async fn a_watch_goes_on_with_a_new_credential() {
    let case = Case::new("plugin-watch").await;
    let gateway = case.idle_portal();
    gateway.apply(&case.client, &case.namespace).await.unwrap();
    let wire = case.sandbox.wire(&case.kubeconfig_path()).await.unwrap();
    let plugin = Plugin::new(&case, wire.kubeconfig_path(), &answer(&json!({"token": "none"})));
    let line = ["status", "-w", "-o", "json", "--kubeconfig", &plugin.kubeconfig];
    let mut watch = case.apim(&line).start().await;
    watch.line().await;
    assert_eq!(plugin.runs(), 1);
    // The server does not accept the credential any more.
    wire.fault(Fault::on("/api", Action::status(401)).method(Method::GET).once());
    let change = json!({"stringData": {gateway.secret_key(): case.token(Slot::Primary, DAY * 20)}});
    case.patch_secret(&gateway.secret_name(), &change).await;
    watch.line().await;
    assert_eq!(plugin.runs(), 2);
    drop(watch);
}

#[tokio::test]
async fn a_credential_is_fetched_anew_when_it_has_expired() {
    let case = Case::new("plugin-expires").await;
    case.idle_portal()
        .apply(&case.client, &case.namespace)
        .await
        .unwrap();
    let (file, token) = token(&case).await;
    let status = json!({"token": token, "expirationTimestamp": "IN-4-SECONDS"});
    let script = format!(
        "if [ $(wc -l <\"$(dirname \"$0\")/runs\") -gt 1 ]; then {}; else {} | sed \"s/IN-4-SECONDS/$(date -u -d '4 seconds' +%FT%TZ)/\"; fi",
        answer(&json!({"token": token})),
        answer(&status),
    );
    let plugin = Plugin::new(&case, &file, &script);
    let line = ["status", "-w", "-o", "json", "--kubeconfig", &plugin.kubeconfig];
    let mut watch = case.apim(&line).start().await;
    watch.line().await;
    assert_eq!(plugin.runs(), 1);
    let mut changes = 0;
    let renewed = wait::until("a second sign-in", LIMIT, async || {
        changes += 1;
        let change = json!({"metadata": {"labels": {"change": changes.to_string()}}});
        case.patch_secret("gw-token", &change).await;
        Ok((plugin.runs() > 1).then_some(()))
    });
    renewed.await.unwrap();
    drop(watch);
}

#[tokio::test]
async fn a_write_whose_sign_in_fails_was_not_sent() {
    let case = Case::new("plugin-write").await;
    let gateway = case.idle_portal();
    case.deploy(&gateway).await;
    let wire = case.sandbox.wire(&case.kubeconfig_path()).await.unwrap();
    let script = format!(
        "if [ $(wc -l <\"$(dirname \"$0\")/runs\") -gt 1 ]; then echo 'sign in again' >&2; exit 3; fi\n{}",
        answer(&json!({"token": "none"}))
    );
    let plugin = Plugin::new(&case, wire.kubeconfig_path(), &script);
    let write = format!("/secrets/{}?&fieldManager", gateway.secret_name());
    wire.fault(
        Fault::on(&write, Action::status(401))
            .method(Method::PATCH)
            .once(),
    );
    let before = case.credential(&gateway).await;
    let ended = case
        .apim(&["rotate", "gw", "--kubeconfig", &plugin.kubeconfig])
        .exits(1)
        .await;
    ended.says(&[
        "writing secret/gw-token",
        "failed with exit code 3: sign in again",
    ]);
    assert_eq!((case.credential(&gateway).await, plugin.runs()), (before, 2));
}
