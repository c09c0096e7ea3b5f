//! The mutating webhook of Azure workload identity.
//!
//! It does what version 1.6.0 of Azure/azure-workload-identity does to pods with the label
//! `azure.workload.identity/use: "true"`, except for the proxy sidecar and the custom token endpoint, and is
//! registered as that is. Unlike the real one it can be registered for a single namespace, so that tests with it,
//! without it, and with one that does not answer run side by side in one cluster.

mod mutation;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::Sandbox;
use crate::azure::Cloud;
use crate::{tls, wait};

/// The label of the pods that the webhook changes; its value is `true`.
pub const LABEL: &str = "azure.workload.identity/use";

/// The audience of the tokens that it puts into pods, whatever the cloud.
pub const AUDIENCE: &str = "api://AzureADTokenExchange";

const CONFIGURATION: &str = "azure-wi-webhook-mutating-webhook-configuration";
const PATH: &str = "/mutate-v1-pod";
const LIMIT: Duration = Duration::from_secs(30);

/// How the webhook is installed.
#[derive(Debug, Clone)]
pub struct WebhookOptions {
    /// The tenant of pods whose service account names none.
    pub tenant: String,
    /// The cloud whose authority pods are given.
    pub cloud: Cloud,
    /// The only namespace whose pods it changes, or nothing for all.
    pub namespace: Option<String>,
}

/// An installed webhook. Dropping it stops its answers and leaves it registered.
pub struct Webhook {
    client: Client,
    name: String,
    namespace: String,
    server: JoinSet<()>,
}

struct Handler {
    client: Client,
    options: WebhookOptions,
}

impl Webhook {
    /// Installs the webhook and waits until it changes pods. It answers on the present Tokio runtime.
    pub async fn install(sandbox: &Sandbox, options: WebhookOptions) -> Result<Self> {
        let control_plane = sandbox.control_plane();
        let client = control_plane.unaudited_client().await?;
        let identity = control_plane.authority().server(&["127.0.0.1"])?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("https://{}{PATH}", listener.local_addr()?);
        let configuration = configuration(&options, &url, control_plane.ca_pem())?;
        let (name, namespace) = (configuration.name_any(), options.namespace.clone());
        let handler = Handler {
            client: client.clone(),
            options,
        };
        let router = Router::new()
            .route(PATH, post(review))
            .with_state(Arc::new(handler));
        let mut server = JoinSet::new();
        server.spawn(tls::serve(listener, tls::server_config(&identity, None)?, router));
        configurations(&client)
            .create(&PostParams::default(), &configuration)
            .await
            .context("registering the webhook")?;
        let this = Self {
            client,
            name,
            namespace: namespace.unwrap_or_else(|| "default".to_owned()),
            server,
        };
        this.wait_until("the webhook to be called", true).await?;
        Ok(this)
    }

    /// Lets the webhook answer no more. It stays registered, so that pods with its label are refused.
    pub async fn stop(&mut self) {
        self.server.shutdown().await;
    }

    /// Removes the webhook and waits until pods stay as they are.
    pub async fn remove(self) -> Result<()> {
        configurations(&self.client)
            .delete(&self.name, &DeleteParams::default())
            .await?;
        self.wait_until("the webhook to be gone", false).await
    }

    /// Waits until the API server has noticed a change of the configuration.
    async fn wait_until(&self, what: &str, changes_pods: bool) -> Result<()> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let pod: Pod = serde_json::from_value(json!({
            "metadata": { "generateName": "probe-", "labels": { LABEL: "true" } },
            "spec": { "containers": [{ "name": "probe", "image": "probe" }] },
        }))?;
        let rehearsal = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        wait::until(what, LIMIT, async || {
            // While a webhook goes away, it is still called and does not answer.
            let Ok(pod) = pods.create(&rehearsal, &pod).await else {
                return Ok(None);
            };
            let containers = pod.spec.map(|spec| spec.containers).unwrap_or_default();
            let is_changed = containers.iter().any(|container| container.env.is_some());
            Ok((is_changed == changes_pods).then_some(()))
        })
        .await
    }
}

fn configurations(client: &Client) -> Api<MutatingWebhookConfiguration> {
    Api::all(client.clone())
}

fn configuration(options: &WebhookOptions, url: &str, ca_pem: &str) -> Result<MutatingWebhookConfiguration> {
    let mut webhook = json!({
        "name": "mutation.azure-workload-identity.io",
        "admissionReviewVersions": ["v1", "v1beta1"],
        "clientConfig": { "url": url, "caBundle": ByteString(ca_pem.as_bytes().to_vec()) },
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "objectSelector": { "matchLabels": { LABEL: "true" } },
        "reinvocationPolicy": "IfNeeded",
        "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"] }],
        "sideEffects": "None",
    });
    let mut name = CONFIGURATION.to_owned();
    if let Some(namespace) = &options.namespace {
        webhook["namespaceSelector"] = json!({ "matchLabels": { "kubernetes.io/metadata.name": namespace } });
        name = format!("{name}-{namespace}");
    }
    Ok(serde_json::from_value(json!({
        "metadata": { "name": name, "labels": { "azure-workload-identity.io/system": "true" } },
        "webhooks": [webhook],
    }))?)
}

async fn review(State(handler): State<Arc<Handler>>, Json(review): Json<Value>) -> Json<Value> {
    let request = &review["request"];
    let mut response = json!({ "uid": request["uid"], "allowed": true });
    match handler.patch(request).await {
        Ok(patch) => {
            response["patchType"] = json!("JSONPatch");
            response["patch"] = json!(BASE64_STANDARD.encode(patch.to_string()));
        }
        Err(message) => {
            response["allowed"] = json!(false);
            response["status"] = json!({ "code": 400, "message": message });
        }
    }
    Json(json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response }))
}

impl Handler {
    /// The changes of a pod, or why it is refused.
    async fn patch(&self, request: &Value) -> Result<Value, String> {
        let pod = &request["object"];
        let account = pod["spec"]["serviceAccountName"].as_str().unwrap_or_default();
        let account = if account.is_empty() { "default" } else { account };
        let namespace = request["namespace"].as_str().unwrap_or_default();
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let account = accounts.get(account).await.map_err(|error| match error {
            kube::Error::Api(status) => status.message,
            error => error.to_string(),
        })?;
        mutation::patch(pod, account.annotations(), &self.options)
    }
}
