//! What is wrong with the kubeconfig's credential plugin, or with the server
//! that it names.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{broken, fails};
use crate::case::Case;

/// A kubeconfig like the sandbox's whose user signs in by this program.
fn with_plugin(case: &Case, command: &str) -> PathBuf {
    let text = std::fs::read_to_string(case.kubeconfig_path()).unwrap();
    let mut kubeconfig: Value = serde_json::from_str(&text).unwrap();
    kubeconfig["users"][0]["user"] = json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": command, "interactiveMode": "Never",
    }});
    case.file("kubeconfig", &kubeconfig.to_string())
}

fn plugin(case: &Case, script: &str) -> String {
    let file = case.file("sign-in-helper", &format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    file.display().to_string()
}

async fn plugin_fails(case: &Case, command: &str, says: &[&str]) {
    let kubeconfig = with_plugin(case, command).display().to_string();
    fails(case, &["--kubeconfig", &kubeconfig], 1, says).await;
}

#[tokio::test]
async fn a_credential_plugin_that_fails() {
    let case = broken("plugin-fails", &Value::Null, &Value::Null).await;
    let helper = plugin(
        &case,
        "echo 'AADSTS70043: the refresh token has expired' >&2; exit 3",
    );
    let says = [
        &helper,
        "failed with exit code 3",
        "AADSTS70043",
        "sign in again",
        // The variable that the test signs in to Azure with.
        "AZURE_CLIENT_SECRET is not passed to plugins",
    ];
    plugin_fails(&case, &helper, &says).await;
}

#[tokio::test]
async fn a_credential_plugin_whose_credential_is_expired() {
    let case = broken("plugin-expired", &Value::Null, &Value::Null).await;
    let answer = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": {"token": "stale~bearer~token", "expirationTimestamp": "2020-01-02T03:04:05Z"},
    });
    case.hides("stale~bearer~token");
    let helper = plugin(&case, &format!("echo '{answer}'"));
    plugin_fails(
        &case,
        &helper,
        &[
            "(401): they have expired or are wrong",
            "sign in again with the tool",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_credential_plugin_that_is_not_installed() {
    let case = broken("plugin-missing", &Value::Null, &Value::Null).await;
    plugin_fails(
        &case,
        "no-such-helper",
        &["`no-such-helper` is not installed", "PATH"],
    )
    .await;
}

#[tokio::test]
async fn a_credential_plugin_whose_credential_the_cluster_does_not_know() {
    let case = broken("plugin-unknown", &Value::Null, &Value::Null).await;
    let answer = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": {"token": "unknown~bearer~token"},
    });
    case.hides("unknown~bearer~token");
    let helper = plugin(&case, &format!("echo '{answer}'"));
    plugin_fails(
        &case,
        &helper,
        &["does not accept the credentials (401)", "sign in"],
    )
    .await;
}

#[tokio::test]
async fn a_kubeconfig_that_is_none() {
    let case = broken("no-kubeconfig", &Value::Null, &Value::Null).await;
    let text = std::fs::read_to_string(case.kubeconfig_path()).unwrap();
    let whole: Value = serde_json::from_str(&text).unwrap();
    let without = |path: &str| {
        let mut config = whole.clone();
        *config.pointer_mut(path).unwrap() = Value::Null;
        config.to_string()
    };
    for (name, content, code, says) in [
        ("words", "this is no kubeconfig".to_owned(), 1, &["words"][..]),
        ("half", text[..text.len() / 2].to_owned(), 1, &["half"]),
        ("binary", "\u{0}\u{1}\u{2}".to_owned(), 1, &["binary"]),
        ("no-current-context", without("/current-context"), 2, &["context"]),
        (
            "no-clusters",
            without("/clusters"),
            2,
            &["apim-sandbox", "cluster"],
        ),
        // kubectl also continues without a user.
        ("no-users", without("/users"), 1, &["system:anonymous", "sign in"]),
        ("no-server", without("/clusters/0/cluster/server"), 2, &["server"]),
    ] {
        let file = case.file(name, &content).display().to_string();
        let ended = case
            .fails_untouched(case.apim(&["rotate", "--kubeconfig", &file]), code)
            .await;
        ended.says(says);
    }
    for missing in ["/does/not/exist", "/tmp"] {
        let run = case.apim(&["rotate", "--kubeconfig", missing]);
        case.fails_untouched(run, 1).await.says(&[missing]);
    }
}

/// A web server that gives everybody the same answer.
async fn web_server(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let page = "<html><body>Please sign in.</body></html>";
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
                page.len()
            );
            // The client ends what it does not like, which is its good right.
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    url
}

#[tokio::test]
async fn a_server_that_is_not_kubernetes() {
    let case = broken("not-kubernetes", &Value::Null, &Value::Null).await;
    for (status, says) in [
        (
            "200 OK",
            &["is not what a Kubernetes API server sends", "proxy"][..],
        ),
        ("404 Not Found", &["no such API (404)", "address"]),
        ("403 Forbidden", &["403 from a server that is not a Kubernetes"]),
    ] {
        let url = web_server(status).await;
        for target in [&[][..], &["deploy/gw"]] {
            let line = [target, &["--server", &url]].concat();
            fails(&case, &line, 1, says).await;
        }
    }
}

#[tokio::test]
async fn a_server_with_another_protocol() {
    let case = broken("other-protocol", &Value::Null, &Value::Null).await;
    // HTTPS asked of a server of HTTP.
    let url = web_server("200 OK").await.replace("http://", "https://");
    fails(&case, &["--server", &url], 1, &[&url, "address"]).await;
    // An HTTPS server that is another one, and whose authority is unknown.
    let url = format!("https://{}", case.azure().addr());
    fails(&case, &["--server", &url], 1, &[&url, "certificate"]).await;
    let ca_file = case.file("ca.pem", case.azure().ca_pem()).display().to_string();
    let line = ["--server", &url, "--certificate-authority", &ca_file];
    fails(&case, &line, 1, &["not a Kubernetes API server"]).await;
}
