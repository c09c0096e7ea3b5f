//! The Azure SDK for JavaScript as a client that no one here wrote.

use std::path::Path;
use std::process::{Output, Stdio};

use apim_sandbox::azure::{Gateway, Grant, Principal};
use apim_sandbox::javascript;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::fixture::Fixture;
use super::python::text;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/javascript");

#[tokio::test]
async fn the_azure_sdk_for_javascript_finds_azure() {
    let fixture = Fixture::start().await;
    for index in 2..=130 {
        fixture.azure.add_gateway(&Gateway {
            name: format!("gw-{index}"),
            ..fixture.gateway.clone()
        });
    }
    let operator = Principal {
        tenant: fixture.principal.tenant.clone(),
        ..Principal::random().with(Grant::token_operator(&Fixture::subscription_id()))
    };
    fixture.azure.add_principal(operator.clone());
    let input = json!({
        "url": fixture.azure.url(),
        "tenant": fixture.principal.tenant,
        "admin": {"id": fixture.principal.client_id, "secret": fixture.principal.client_secret},
        "operator": {"id": operator.client_id, "secret": operator.client_secret},
        "subscription": fixture.gateway.subscription,
        "group": fixture.gateway.resource_group,
        "service": fixture.gateway.service,
        "gateway": fixture.gateway.name,
        "gateways": 130,
    });
    for way in ["public", "direct"] {
        let output = run(&fixture, way, &input).await;
        let log = fixture.log();
        assert!(output.status.success(), "{way}: {}\n{log}", text(&output));
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(stdout.lines().last(), Some(format!("{way}: ok").as_str()));
        let minted = |word: &str| -> Vec<bool> {
            let lines = stdout.lines().filter_map(|line| line.strip_prefix(word));
            lines.map(|token| fixture.azure.accepts(token)).collect()
        };
        assert_eq!(minted("token "), [false, true], "the primary key was regenerated");
        assert_eq!(minted("dead "), [false], "it had expired when it was minted");
        let proxied = fixture.azure.requests_where(|request| request.proxied);
        assert!(!proxied.is_empty());
    }
}

async fn run(fixture: &Fixture, way: &str, input: &Value) -> Output {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let script = javascript::script_with_packages(scratch, FOLDER, "sdk.js").await;
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, fixture.azure.ca_pem()).unwrap();
    let mut command = tokio::process::Command::new("node");
    command.arg(script).arg(way).env("NODE_EXTRA_CA_CERTS", &ca);
    for name in [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "NODE_OPTIONS",
    ] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    if way == "public" {
        command.env("HTTPS_PROXY", fixture.azure.proxy_url());
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.to_string().as_bytes()).await.unwrap();
    drop(stdin);
    child.wait_with_output().await.unwrap()
}
