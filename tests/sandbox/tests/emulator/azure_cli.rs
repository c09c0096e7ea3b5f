//! The real Azure CLI against the emulator at its own address, as somebody would try it by hand.

#![expect(
    clippy::print_stdout,
    reason = "what the CLI prints is worth reading, with --nocapture"
)]

use std::path::PathBuf;

use apim_sandbox::azure::{Gateway, Grant, Operation, Principal};
use serde_json::Value;

use super::fixture::Fixture;
use super::python::{interpreter_with, text};

const REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/azure-cli.txt");

/// A separate login, so that the user's own login is not used.
pub(crate) struct AzureCli {
    python: PathBuf,
    pub(crate) fixture: Fixture,
    pub(crate) directory: tempfile::TempDir,
}

impl AzureCli {
    pub(crate) async fn new(grant: Grant) -> AzureCli {
        let python = interpreter_with(REQUIREMENTS).await;
        let fixture = Fixture::start_with(grant).await;
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), fixture.azure.ca_pem()).unwrap();
        AzureCli {
            python,
            fixture,
            directory,
        }
    }

    pub(crate) async fn try_run(&self, arguments: &[&str]) -> std::process::Output {
        tokio::process::Command::new(&self.python)
            .args(["-m", "azure.cli"])
            .args(arguments)
            .env_clear()
            .env("HOME", self.directory.path())
            .env("PATH", "/usr/bin:/bin")
            .env("AZURE_CONFIG_DIR", self.directory.path().join("azure"))
            .env("AZURE_CORE_COLLECT_TELEMETRY", "no")
            .env("AZURE_CORE_NO_COLOR", "yes")
            .env("REQUESTS_CA_BUNDLE", self.directory.path().join("ca.pem"))
            // An authority that MSAL does not know is looked up at the public cloud's.
            .env("HTTPS_PROXY", self.fixture.azure.proxy_url())
            .env("NO_PROXY", "localhost")
            .kill_on_drop(true)
            .output()
            .await
            .unwrap()
    }

    /// Runs a command to its end and shows it as the terminal does, which `--nocapture` prints.
    pub(crate) async fn run(&self, arguments: &[&str]) -> String {
        let output = self.try_run(arguments).await;
        let secret = &self.fixture.principal.client_secret;
        let shown =
            format!("$ az {}\n{}", arguments.join(" "), text(&output)).replace(secret.as_str(), "***");
        println!("{shown}");
        assert!(output.status.success(), "{shown}\n{}", self.fixture.log());
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) async fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--output", "json"]].concat()).await;
        serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}"))
    }

    /// Makes the emulator's own address a cloud of the CLI.
    async fn register(&self) {
        let url = self.fixture.azure.url();
        let audience = format!("{url}/");
        let register = [
            "cloud",
            "register",
            "--name",
            "sandbox",
            "--endpoint-resource-manager",
            &url,
            "--endpoint-management",
            &audience,
            "--endpoint-active-directory",
            &url,
            "--endpoint-active-directory-resource-id",
            &audience,
        ];
        self.run(&register).await;
        self.run(&["cloud", "set", "--name", "sandbox"]).await;
    }

    pub(crate) async fn log_in(&self) {
        let Principal {
            tenant,
            client_id,
            client_secret,
            ..
        } = &self.fixture.principal;
        let login = [
            "login",
            "--service-principal",
            "-u",
            client_id,
            "-p",
            client_secret,
            "--tenant",
            tenant,
        ];
        let subscriptions = self.json(&login).await;
        assert_eq!(subscriptions[0]["id"], self.fixture.gateway.subscription);
    }
}

#[tokio::test]
#[ignore = "installs the Azure CLI, several hundred MB"]
async fn azure_cli_logs_in_and_mints() {
    let az = AzureCli::new(Grant::token_operator(&Fixture::subscription_id())).await;
    az.register().await;
    az.log_in().await;
    let Gateway {
        subscription,
        resource_group,
        service,
        name,
    } = &az.fixture.gateway;
    let subscriptions = az.json(&["account", "list", "--refresh"]).await;
    assert_eq!(subscriptions[0]["tenantId"], az.fixture.principal.tenant);
    let shown = az
        .json(&[
            "apim",
            "show",
            "--resource-group",
            resource_group,
            "--name",
            service,
        ])
        .await;
    assert_eq!(shown["name"], *service);

    let url = az.fixture.azure.url();
    let id = format!(
        "{url}/subscriptions/{subscription}/resourceGroups/{resource_group}/providers/Microsoft.ApiManagement/service\
         /{service}/gateways/{name}"
    );
    // Without --resource the CLI sends its token only to the addresses of the cloud that it knows.
    let gateway = az
        .json(&[
            "rest",
            "--method",
            "get",
            "--url",
            &format!("{id}?api-version=2024-05-01"),
        ])
        .await;
    assert_eq!(gateway["name"], *name);
    let expiry =
        (az.fixture.azure.now() + jiff::SignedDuration::from_hours(24)).strftime("%Y-%m-%dT%H:%M:%SZ");
    let mint = az
        .json(&[
            "rest",
            "--method",
            "post",
            "--resource",
            "https://management.core.windows.net/",
            "--url",
            &format!("{id}/generateToken?api-version=2024-05-01"),
            "--body",
            &format!(r#"{{"keyType": "primary", "expiry": "{expiry}"}}"#),
        ])
        .await;
    assert!(az.fixture.azure.accepts(mint["value"].as_str().unwrap()));
    assert_eq!(az.fixture.azure.requests_for(Operation::GenerateToken).len(), 1);

    // A missing right is reported as by the real ARM.
    let refused = az
        .try_run(&[
            "rest",
            "--method",
            "post",
            "--url",
            &format!("{id}/listKeys?api-version=2024-05-01"),
        ])
        .await;
    assert!(!refused.status.success());
    let refused = text(&refused);
    println!("$ az rest .. listKeys\n{refused}");
    assert!(
        refused.contains("Microsoft.ApiManagement/service/gateways/listKeys/action"),
        "{refused}"
    );
}

#[tokio::test]
#[ignore = "installs the Azure CLI, several hundred MB"]
async fn azure_cli_finds_the_public_cloud_and_one_by_its_metadata() {
    let az = AzureCli::new(Grant::contributor(&Fixture::subscription_id())).await;
    let Gateway {
        resource_group,
        service,
        ..
    } = &az.fixture.gateway;
    // Entra's message about a wrong secret reaches the terminal; later the CLI would use its cache.
    let Principal {
        tenant, client_id, ..
    } = &az.fixture.principal;
    let wrong = [
        "login",
        "--service-principal",
        "-u",
        client_id,
        "-p",
        "wrong",
        "--tenant",
        tenant,
    ];
    let refused = az.try_run(&wrong).await;
    assert!(!refused.status.success());
    let refused = text(&refused);
    println!("$ az login .. -p wrong\n{refused}");
    assert!(refused.contains("AADSTS7000215"), "{refused}");

    // Through the proxy the emulator is the public cloud.
    az.log_in().await;
    let listed = az
        .json(&["apim", "list", "--resource-group", resource_group])
        .await;
    assert_eq!(listed[0]["name"], *service);
    let path = format!("{}/listKeys?api-version=2024-05-01", az.fixture.gateway.id());
    let keys = az
        .json(&["rest", "--method", "post", "--url", &path, "--query", "keys(@)"])
        .await;
    assert_eq!(keys, serde_json::json!(["primary", "secondary"]));
    assert!(
        az.fixture
            .azure
            .requests_for(Operation::ListKeys)
            .iter()
            .all(|request| request.proxied && request.host == "management.azure.com")
    );

    // If only the resource manager of a cloud is given, the CLI asks for the rest.
    let url = az.fixture.azure.url();
    let name = [
        "cloud",
        "register",
        "--name",
        "by-metadata",
        "--endpoint-resource-manager",
        &url,
    ];
    az.run(&name).await;
    az.run(&["cloud", "set", "--name", "by-metadata"]).await;
    az.log_in().await;
    let listed = az.json(&["apim", "list"]).await;
    assert_eq!(listed[0]["name"], *service);
    assert!(!az.fixture.azure.requests_for(Operation::Metadata).is_empty());
}
