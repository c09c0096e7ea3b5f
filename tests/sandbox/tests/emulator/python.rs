//! The Azure SDK for Python as a client that no one here wrote.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use apim_sandbox::azure::{Application, Gateway, Grant, GraphRights, Operation, Principal};
use apim_sandbox::python;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::fixture::Fixture;
use super::graph_credentials::certificate;

const REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/requirements.txt");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/sdk.py");
const ENTRA_REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/entra.txt");
const ENTRA_SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/entra.py");

#[tokio::test]
async fn the_azure_sdk_for_python_finds_azure() {
    let fixture = Fixture::start().await;
    for index in 2..=250 {
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
        "gateways": 250,
    });
    let output = run(&fixture, REQUIREMENTS, SCRIPT, &input).await;
    let log = fixture.log();
    assert!(output.status.success(), "{}\n{log}", text(&output));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim().lines().last(),
        Some("public and direct: ok")
    );

    let tokens: Vec<String> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.strip_prefix("token "))
        .map(str::to_owned)
        .collect();
    assert_eq!(tokens.len(), 4, "{}", text(&output));
    let verdicts: Vec<bool> = tokens.iter().map(|token| fixture.azure.accepts(token)).collect();
    assert_eq!(
        verdicts,
        [false, true, false, true],
        "each run regenerated the primary key and not the secondary"
    );
    assert!(
        fixture
            .azure
            .requests_for(Operation::Discovery)
            .iter()
            .any(|request| request.proxied)
    );
}

#[tokio::test]
async fn the_sdks_for_python_set_entra_up() {
    let mut fixture = Fixture::start().await;
    fixture.principal.graph = GraphRights::ReadWriteAll;
    fixture.azure.add_principal(fixture.principal.clone());
    fixture.azure.directory(|directory| {
        for index in 0..250 {
            let application = Application::new(&fixture.principal.tenant, &format!("page {index}"));
            directory.add_application(application);
        }
    });
    // The client has to wait for what takes time.
    fixture.azure.set_update_time(SignedDuration::from_secs(1));
    let input = json!({
        "tenant": fixture.principal.tenant,
        "id": fixture.principal.client_id,
        "secret": fixture.principal.client_secret,
        "subscription": fixture.gateway.subscription,
        "group": fixture.gateway.resource_group,
        "service": fixture.gateway.service,
        "service_id": fixture.gateway.service_id(),
        "certificate": certificate(),
        "pages": 250,
    });
    let output = run(&fixture, ENTRA_REQUIREMENTS, ENTRA_SCRIPT, &input).await;
    let log = fixture.log();
    assert!(output.status.success(), "{}\n{log}", text(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "entra: ok");
    let hosts = [
        "login.microsoftonline.com",
        "management.azure.com",
        "graph.microsoft.com",
    ];
    for host in hosts {
        let met = fixture
            .azure
            .requests_where(|request| request.host == host && request.proxied);
        assert!(!met.is_empty(), "{host}");
    }
}

/// Runs a script with JSON for its input, which meets the emulator through its proxy.
async fn run(fixture: &Fixture, requirements: &'static str, script: &str, input: &Value) -> Output {
    let python = interpreter_with(requirements).await;
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, fixture.azure.ca_pem()).unwrap();
    let mut child = tokio::process::Command::new(&python)
        .args(["-I", script])
        .env_clear()
        .env("HTTPS_PROXY", fixture.azure.proxy_url())
        .env("NO_PROXY", "localhost")
        // The second is for httpx.
        .env("REQUESTS_CA_BUNDLE", &ca)
        .env("SSL_CERT_FILE", &ca)
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

/// The interpreter of a virtual environment with what this file of requirements names.
pub(crate) async fn interpreter_with(file: &'static str) -> PathBuf {
    python::interpreter_with(Path::new(env!("CARGO_TARGET_TMPDIR")), file).await
}

pub(crate) fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
