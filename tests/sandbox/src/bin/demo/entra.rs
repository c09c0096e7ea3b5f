//! The chapter about a gateway that needs no token.

use anyhow::{Result, ensure};
use apim_sandbox::Sandbox;
use apim_sandbox::azure::Gateway;
use apim_sandbox::workload_identity::Webhook;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use crate::screen;
use crate::shell::Shell;
use crate::story::SUBSCRIPTION;

const NAMESPACE: &str = "depot";

/// Sets up a gateway without a credential, and then again. The pods need the webhook as long as the
/// sandbox runs.
pub(crate) async fn sign_in_by_entra(sandbox: &Sandbox, shell: &Shell) -> Result<Webhook> {
    let administrator = shell.administrator(sandbox);
    let azure = sandbox.azure();
    let gateway = Gateway::new(SUBSCRIPTION, "rg-apim", "contoso-depot", "stock");
    azure.add_gateway(&gateway);
    azure.assign_api(&gateway, "stock");
    azure.enable_identity(&gateway, administrator.tenant());
    let namespaces: Api<Namespace> = Api::all(sandbox.client()?);
    let namespace = serde_json::from_value(json!({"metadata": {"name": NAMESPACE}}))?;
    namespaces.create(&PostParams::default(), &namespace).await?;
    let webhook = sandbox
        .workload_identity_webhook(NAMESPACE, administrator.tenant())
        .await?;

    screen::line("A third team has deployed a gateway, and has no credential for it:");
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "stock"},
        "spec": {
            "selector": {"matchLabels": {"app": "stock"}},
            "template": {
                "metadata": {"labels": {"app": "stock"}},
                "spec": {"containers": [{
                    "name": "gateway",
                    "image": "mcr.microsoft.com/azure-api-management/gateway:2.11.1",
                    "env": [{
                        "name": "config.service.endpoint",
                        "value": "https://contoso-depot.configuration.azure-api.net",
                    }],
                }]},
            },
        },
    });
    shell.write("stock.json", &format!("{deployment:#}"))?;
    shell
        .run(&format!("kubectl create -n {NAMESPACE} -f stock.json"))
        .await?;
    screen::line("An administrator of Azure signs in, and lets it sign in by its ServiceAccount:");
    let line = format!(
        "kubectl apim entra setup deploy/stock -n {NAMESPACE} \\\n    -s {SUBSCRIPTION} -r rg-apim -a contoso-depot -g stock \\\n    \
         --create-app stock --service-account stock --yes"
    );
    administrator.run(&line).await?;
    ensure!(
        azure.presentations(&gateway).accepted > 0,
        "no pod has read its configuration"
    );
    screen::line("The same again finds everything there, and writes nothing:");
    administrator.run(&line).await?;
    Ok(webhook)
}
