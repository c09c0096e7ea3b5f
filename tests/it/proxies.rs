//! A proxy that does not let a run through is named, without its password.

use std::fs;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::case::Case;
use crate::run::Run;

/// The kubeconfig of the case with a proxy to its API server.
fn kubeconfig_through(case: &Case, proxy: &str) -> String {
    let text = fs::read_to_string(case.kubeconfig_path()).unwrap();
    let mut kubeconfig: Value = serde_json::from_str(&text).unwrap();
    kubeconfig["clusters"][0]["cluster"]["proxy-url"] = json!(proxy);
    let file = case.file("through a proxy", &kubeconfig.to_string());
    file.display().to_string()
}

/// Whatever else is printed, it names the proxy and not its password.
async fn names_it(run: Run<'_>, proxy: &str, says: &str) {
    let ended = run.exits(1).await;
    ended.says(&[proxy, says]);
    assert!(!ended.stderr.contains("hush"), "{}", ended.stderr);
}

/// The address of a proxy that lets nobody through.
async fn forbidding() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = connection.read(&mut request).await;
            let _ = connection
                .write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
                .await;
        }
    });
    address
}

#[tokio::test]
async fn on_the_way_to_the_api_server() {
    let case = Case::new("proxy-kube").await;
    let forbidding = forbidding().await;
    for (address, says) in [
        ("127.0.0.1:1", "the connection was refused"),
        ("no-such-proxy.invalid:3128", "does not resolve"),
        (&forbidding, "it does not connect to the server"),
    ] {
        let kubeconfig = kubeconfig_through(&case, &format!("http://someone:hush@{address}"));
        let run = case.apim(&["status", "--kubeconfig", &kubeconfig]);
        names_it(run, &format!("the proxy http://{address}"), says).await;
    }
}

#[tokio::test]
async fn on_the_way_to_azure() {
    let case = Case::new("proxy-azure").await;
    case.deploy(&case.idle_portal()).await;
    let forbidding = forbidding().await;
    for address in ["127.0.0.1:1", "no-such-proxy.invalid:3128", &forbidding] {
        let run = case
            .apim(&["rotate", "--dry-run"])
            .env("HTTPS_PROXY", &format!("http://someone:hush@{address}"));
        let proxy = format!("through the proxy http://{address}: ");
        names_it(run, &proxy, "no connection to login.microsoftonline.com").await;
    }
}

#[tokio::test]
async fn without_azure_status_shows_what_the_cluster_holds() {
    let case = Case::new("proxy-status").await;
    case.deploy(&case.idle_portal()).await;
    let unreached = "no connection to login.microsoftonline.com through the proxy http://127.0.0.1:1";
    for (alarm, code) in [(&[][..], 1), (&["--fail-within", "1d"], 9)] {
        let run = case.apim(&[&["status", "--azure"], alarm].concat());
        let ended = run.env("HTTPS_PROXY", "http://127.0.0.1:1").exits(code).await;
        let row = ended.stdout.lines().find(|line| line.starts_with("gw "));
        assert!(
            row.is_some_and(|row| row.contains("Expiring")),
            "{}",
            ended.stdout
        );
        ended.says(&[unreached, "s, for the same reason"]);
    }
}
