//! What the tests share: a sandbox, a namespace for each test, and questions about pods.

use std::process::Output;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use apim_sandbox::azure::{Gateway, Slot};
use apim_sandbox::manifests::GatewayManifest;
use apim_sandbox::{Sandbox, shared, wait};
use jiff::SignedDuration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client};
use serde_json::Value;

pub(crate) const ENDPOINT: &str = "https://contoso.configuration.azure-api.net";
pub(crate) const BAD: &str = "GatewayKey gw&203001010000&YmFk";
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// A token that the emulator accepts for as long as the test runs.
pub(crate) fn good() -> &'static str {
    static TOKEN: OnceLock<String> = OnceLock::new();
    TOKEN.get_or_init(|| {
        let azure = shared().unwrap().azure();
        let gateway = Gateway::new("s", "g", "contoso", "gw");
        azure.add_gateway(&gateway);
        let expires = azure.now() + SignedDuration::from_hours(24);
        format!("GatewayKey {}", azure.mint(&gateway, Slot::Primary, expires))
    })
}

/// A namespace of its own for a test.
pub(crate) struct Fixture {
    pub(crate) sandbox: &'static Sandbox,
    pub(crate) client: Client,
    pub(crate) namespace: String,
}

impl Fixture {
    pub(crate) async fn new(name: &str) -> Self {
        let sandbox = tokio::task::spawn_blocking(shared).await.unwrap().unwrap();
        let client = sandbox.client().unwrap();
        let namespace = sandbox.create_namespace(name).await.unwrap();
        Self {
            sandbox,
            client,
            namespace,
        }
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) async fn apply(&self, object: Value) {
        apim_sandbox::manifests::apply(&self.client, &self.namespace, object)
            .await
            .unwrap();
    }

    pub(crate) async fn deploy(&self, manifest: &GatewayManifest) {
        manifest.apply(&self.client, &self.namespace).await.unwrap();
    }

    /// Waits until the whole Deployment is rolled out and ready.
    pub(crate) async fn rolled_out(&self, name: &str) {
        let deployments: Api<Deployment> = self.api();
        wait::until(&format!("the rollout of {name}"), LIMIT, async || {
            let deployment = deployments.get(name).await?;
            Ok(wait::is_rolled_out(&deployment).then_some(()))
        })
        .await
        .unwrap();
    }

    /// Waits until a pod of the namespace satisfies `condition`.
    pub(crate) async fn pod(&self, what: &str, condition: impl Fn(&Pod) -> bool) -> Pod {
        let pods: Api<Pod> = self.api();
        let found = wait::until(what, LIMIT, async || {
            Ok(pods
                .list(&ListParams::default())
                .await?
                .items
                .into_iter()
                .find(&condition))
        })
        .await;
        match found {
            Ok(pod) => pod,
            Err(error) => panic!(
                "{error}: {}",
                self.kubectl(&["get", "pods", "-o", "yaml"]).await.unwrap()
            ),
        }
    }

    pub(crate) async fn pods(&self) -> Vec<Pod> {
        self.api::<Pod>()
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
    }

    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        kubectl(self.sandbox.kubeconfig_path(), &self.namespace, arguments).await
    }
}

pub(crate) async fn kubectl(
    kubeconfig: &std::path::Path,
    namespace: &str,
    arguments: &[&str],
) -> Result<String> {
    let Output {
        status,
        stdout,
        stderr,
    } = tokio::process::Command::new("kubectl")
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .args(["--namespace", namespace])
        .args(arguments)
        .output()
        .await
        .context("running kubectl")?;
    if !status.success() {
        bail!("kubectl {arguments:?}: {}", String::from_utf8_lossy(&stderr));
    }
    Ok(String::from_utf8(stdout)?)
}

pub(crate) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    conditions
        .into_iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

pub(crate) fn is_running(pod: &Pod) -> bool {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running")
}

pub(crate) fn waits_for(pod: &Pod, reason: &str) -> bool {
    waiting(pod).is_some_and(|(its_reason, _)| its_reason == reason)
}

pub(crate) fn waiting(pod: &Pod) -> Option<(String, String)> {
    let status = pod.status.as_ref()?.container_statuses.as_ref()?.first()?;
    let waiting = status.state.as_ref()?.waiting.as_ref()?;
    Some((
        waiting.reason.clone()?,
        waiting.message.clone().unwrap_or_default(),
    ))
}

pub(crate) fn layouts(endpoint: &str, token: &str) -> Vec<GatewayManifest> {
    vec![
        GatewayManifest::portal("portal", endpoint, token),
        GatewayManifest::helm("release", endpoint, token),
        GatewayManifest::docs("docs", endpoint, token),
        GatewayManifest::custom("custom", endpoint, token, "gateways", "the-token"),
    ]
}
