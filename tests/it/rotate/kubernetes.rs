//! Every way in which a kubeconfig signs in to Kubernetes. The client
//! certificate is the other tests'.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use apim_sandbox::manifests::apply;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::case::Case;

/// A deployed gateway, and the bearer token of a service account that may do
/// everything in its namespace.
async fn with_token(name: &str) -> (Case, String) {
    let case = Case::new(name).await;
    case.deploy(&case.portal()).await;
    for object in [
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "person"}}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "person"},
            "subjects": [{"kind": "ServiceAccount", "name": "person"}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"}}),
    ] {
        apply(&case.client, &case.namespace, object).await.unwrap();
    }
    let kubeconfig = case
        .sandbox
        .kubeconfig_for(&case.namespace, "person")
        .await
        .unwrap();
    let kubeconfig: Value = serde_json::from_str(&std::fs::read_to_string(kubeconfig).unwrap()).unwrap();
    let token = kubeconfig["users"][0]["user"]["token"]
        .as_str()
        .unwrap()
        .to_owned();
    case.hides(&token);
    (case, token)
}

/// The sandbox's kubeconfig, changed.
fn kubeconfig(case: &Case, change: impl FnOnce(&mut Value)) -> String {
    let text = std::fs::read_to_string(case.kubeconfig_path()).unwrap();
    let mut kubeconfig: Value = serde_json::from_str(&text).unwrap();
    change(&mut kubeconfig);
    case.file("kubeconfig", &kubeconfig.to_string())
        .display()
        .to_string()
}

/// Rotates, as the service account.
async fn rotates(case: &Case, user: Value) {
    let kubeconfig = kubeconfig(case, |kubeconfig| kubeconfig["users"][0]["user"] = user);
    case.apim(&["rotate", "--kubeconfig", &kubeconfig]).exits(0).await;
    let person = format!("system:serviceaccount:{}:person", case.namespace);
    let requests = case.kube_requests().await;
    assert!(!requests.is_empty() && requests.iter().all(|request| request.user == person));
}

#[tokio::test]
async fn by_a_token_and_by_a_token_file() {
    let (case, token) = with_token("token").await;
    rotates(&case, json!({ "token": token })).await;
    let file = case.file("token", &format!("{token}\n"));
    rotates(&case, json!({ "tokenFile": file })).await;
}

#[tokio::test]
async fn by_a_plugin_that_runs_once_and_sees_no_secret_of_ours() {
    let (case, token) = with_token("plugin").await;
    let answer = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": {"token": token}});
    let folder = case.file("answer", &answer.to_string());
    let folder = folder.parent().unwrap().display();
    let script = format!("#!/bin/sh\nenv >> {folder}/seen\necho run >> {folder}/runs\ncat {folder}/answer\n");
    let plugin = case.file("plugin", &script);
    std::fs::set_permissions(&plugin, std::fs::Permissions::from_mode(0o755)).unwrap();
    rotates(
        &case,
        json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": plugin,
        "interactiveMode": "Never"}}),
    )
    .await;
    assert_eq!(
        std::fs::read_to_string(format!("{folder}/runs")).unwrap(),
        "run\n"
    );
    assert!(
        !std::fs::read_to_string(format!("{folder}/seen"))
            .unwrap()
            .contains("AZURE_CLIENT_SECRET")
    );
}

/// The stored id token of an OIDC login is sent for as long as it lives; that
/// of a service account is such a token.
#[tokio::test]
async fn by_the_id_token_of_an_oidc_login() {
    let (case, token) = with_token("oidc").await;
    let config = json!({"client-id": "kubernetes", "id-token": token,
        "idp-issuer-url": case.sandbox.control_plane().service_account_issuer()});
    rotates(
        &case,
        json!({"auth-provider": {"name": "oidc", "config": config}}),
    )
    .await;
}

#[tokio::test]
async fn through_the_proxy_of_the_kubeconfig() {
    let case = Case::new("proxy").await;
    case.deploy(&case.portal()).await;
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let tunnels = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tunnels);
    tokio::spawn(async move {
        while let Ok((client, _)) = proxy.accept().await {
            let counted = Arc::clone(&counted);
            tokio::spawn(async move {
                let mut client = BufReader::new(client);
                let mut line = String::new();
                client.read_line(&mut line).await?;
                let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
                while line.trim() != "" {
                    line.clear();
                    client.read_line(&mut line).await?;
                }
                let mut server = TcpStream::connect(target).await?;
                client
                    .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    .await?;
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    let kubeconfig = kubeconfig(&case, |kubeconfig| {
        kubeconfig["clusters"][0]["cluster"]["proxy-url"] = json!(address);
    });
    case.apim(&["rotate", "--kubeconfig", &kubeconfig]).exits(0).await;
    assert!(tunnels.load(Ordering::Relaxed) > 0);
}
