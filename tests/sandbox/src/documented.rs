//! The cluster and the Azure that the examples of the documents name, so that each can be typed
//! as it stands.

use std::path::PathBuf;

use anyhow::{Context, Result};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::Sandbox;
use crate::azure::{Gateway, Principal, Slot};
use crate::gallery::Gallery;
use crate::manifests::{GatewayManifest, apply};

const SUBSCRIPTION: &str = "11111111-2222-3333-4444-555555555555";
const TENANT: &str = "contoso.onmicrosoft.com";
const CLIENT_ID: &str = "99999999-8888-7777-6666-555555555555";

const CLIENT_SECRET: &str = "a-secret-of-the-sandbox";

/// The namespace of [`Gallery`].
pub const GALLERY: &str = "shop";

/// The namespace of the kubeconfig, with the one gateway `gw`.
pub const ALONE: &str = "apim";

/// Who signs in to Azure, and may mint and read.
pub fn principal() -> Principal {
    let scope = format!("/subscriptions/{SUBSCRIPTION}");
    Principal {
        tenant: TENANT.to_owned(),
        client_id: CLIENT_ID.to_owned(),
        client_secret: CLIENT_SECRET.to_owned(),
        ..Principal::token_operator(&scope)
    }
}

/// Deploys everything; `apim` runs the plugin with [`kubeconfig`] as [`principal`], which Azure knows.
pub async fn deploy(sandbox: &Sandbox, apim: impl AsyncFn(&[&str]) -> Result<()>) -> Result<()> {
    let azure = sandbox.azure();
    let client = sandbox.client()?;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    for name in [ALONE, GALLERY] {
        let namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        let created = namespaces.create(&PostParams::default(), &namespace).await;
        created.with_context(|| format!("creating namespace {name}"))?;
    }
    let gateway = Gateway::new(SUBSCRIPTION, "rg-apim", "contoso", "gw");
    azure.add_gateway(&gateway);
    let until = azure.now() + SignedDuration::from_hours(24 * 6);
    let token = format!("GatewayKey {}", azure.mint(&gateway, Slot::Primary, until));
    let endpoint = "https://contoso.configuration.azure-api.net";
    for mut object in GatewayManifest::portal("gw", endpoint, &token).objects() {
        if object["kind"] == "Deployment" {
            object["metadata"]["labels"] = json!({"team": "shop"});
        }
        apply(&client, ALONE, object).await?;
    }
    let gallery = Gallery {
        azure,
        client: &client,
        namespace: GALLERY,
        instance: &gateway,
    };
    gallery
        .deploy(async |arguments| apim(&[arguments, &["-n", GALLERY]].concat()).await)
        .await?;
    Ok(())
}

/// Writes a kubeconfig whose context is `prod` and its namespace [`ALONE`]. `prod-eu` and `dr` are
/// the same cluster.
pub fn kubeconfig(sandbox: &Sandbox) -> Result<PathBuf> {
    let text = std::fs::read_to_string(sandbox.kubeconfig_path())?;
    let mut kubeconfig: Value = serde_json::from_str(&text)?;
    let contexts = ["prod", "prod-eu", "dr"].map(|name| {
        let mut context = kubeconfig["contexts"][0].clone();
        context["name"] = json!(name);
        context["context"]["namespace"] = json!(ALONE);
        context
    });
    kubeconfig["contexts"] = json!(contexts);
    kubeconfig["current-context"] = json!("prod");
    write(sandbox, "prod.kubeconfig", &kubeconfig.to_string())
}

/// Writes the files that the examples read into the folder of the sandbox.
pub fn files(sandbox: &Sandbox) -> Result<()> {
    write(sandbox, "secret.txt", CLIENT_SECRET)?;
    write(sandbox, "proxy-ca.pem", sandbox.azure().ca_pem())?;
    let gateway = Gateway::new(SUBSCRIPTION, "rg-apim", "contoso", "gw").id();
    write(
        sandbox,
        "gateways.txt",
        &format!("{ALONE} deployment/gw {gateway}\n"),
    )?;
    Ok(())
}

fn write(sandbox: &Sandbox, name: &str, content: &str) -> Result<PathBuf> {
    let path = sandbox.control_plane().directory().join(name);
    std::fs::write(&path, content).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}
