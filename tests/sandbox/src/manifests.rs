//! Gateways as people deploy them, in the layouts that have been published.

mod entra;

use anyhow::{Context, Result};
use kube::Client;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, ResourceExt};
use serde_json::{Map, Value, json};

pub use self::entra::EntraManifest;

use crate::node::MODE_ANNOTATION;

/// The chart whose objects [`GatewayManifest::helm`] renders.
const CHART: &str = "azure-api-management-gateway";
const CHART_VERSION: &str = "1.15.1";

/// A gateway's objects: settings, Secret and Deployment.
#[derive(Debug, Clone)]
pub struct GatewayManifest {
    name: String,
    endpoint: String,
    token: String,
    replicas: u32,
    mode: Option<String>,
    layout: Layout,
}

/// Where the credential sits and how the container gets it.
#[derive(Debug, Clone)]
enum Layout {
    Portal,
    Helm { secret: String },
    Docs,
    Custom { secret: String, key: String },
}

impl GatewayManifest {
    /// As the Azure portal writes it: Secret `{name}-token`, key `value`.
    pub fn portal(name: &str, endpoint: &str, token: &str) -> Self {
        Self::new(name, endpoint, token, Layout::Portal)
    }

    /// As the Helm chart renders it for a release called `name` with
    /// `secret.existingSecretName`: key `gateway-key`.
    pub fn helm(name: &str, endpoint: &str, token: &str) -> Self {
        Self::new(
            name,
            endpoint,
            token,
            Layout::Helm {
                secret: format!("{name}-credential"),
            },
        )
    }

    /// As the documentation has it: Secret `apim-access-token`, whose key is
    /// the very name of the setting.
    pub fn docs(name: &str, endpoint: &str, token: &str) -> Self {
        Self::new(name, endpoint, token, Layout::Docs)
    }

    /// Written by hand: any Secret and key, and all settings in `env`.
    pub fn custom(name: &str, endpoint: &str, token: &str, secret: &str, key: &str) -> Self {
        let layout = Layout::Custom {
            secret: secret.to_owned(),
            key: key.to_owned(),
        };
        Self::new(name, endpoint, token, layout)
    }

    fn new(name: &str, endpoint: &str, token: &str, layout: Layout) -> Self {
        Self {
            name: name.to_owned(),
            endpoint: endpoint.to_owned(),
            token: token.to_owned(),
            replicas: 1,
            mode: None,
            layout,
        }
    }

    /// Sets the number of replicas, which is one otherwise.
    #[must_use]
    pub fn replicas(mut self, replicas: u32) -> Self {
        self.replicas = replicas;
        self
    }

    /// Sets [`MODE_ANNOTATION`] in the pod template.
    #[must_use]
    pub fn mode(mut self, mode: &str) -> Self {
        self.mode = Some(mode.to_owned());
        self
    }

    /// The name of the Deployment.
    pub fn workload_name(&self) -> String {
        match self.layout {
            Layout::Helm { .. } if !self.name.contains(CHART) => format!("{}-{CHART}", self.name),
            _ => self.name.clone(),
        }
    }

    /// The name of the container.
    pub fn container_name(&self) -> &str {
        match self.layout {
            Layout::Helm { .. } => CHART,
            _ => &self.name,
        }
    }

    /// The name of the Secret.
    pub fn secret_name(&self) -> String {
        match &self.layout {
            Layout::Portal => format!("{}-token", self.name),
            Layout::Docs => "apim-access-token".to_owned(),
            Layout::Helm { secret } | Layout::Custom { secret, .. } => secret.clone(),
        }
    }

    /// The key of the Secret that holds the credential.
    pub fn secret_key(&self) -> &str {
        match &self.layout {
            Layout::Portal => "value",
            Layout::Helm { .. } => "gateway-key",
            Layout::Docs => "config.service.auth.key",
            Layout::Custom { key, .. } => key,
        }
    }

    /// The objects, in the order in which they are to be created.
    pub fn objects(&self) -> Vec<Value> {
        let mut objects = vec![self.secret()];
        objects.extend(self.config_map());
        objects.push(self.deployment());
        objects.extend(self.discovery_service());
        objects
    }

    /// The objects as a stream of documents that `kubectl apply -f` takes.
    pub fn yaml(&self) -> Result<String> {
        let objects = self.objects();
        let documents: Vec<_> = objects
            .iter()
            .map(serde_yaml::to_string)
            .collect::<Result<_, _>>()?;
        Ok(documents.join("---\n"))
    }

    /// Applies the objects on the server's side, as the field manager `kubectl`.
    pub async fn apply(&self, client: &Client, namespace: &str) -> Result<()> {
        for object in self.objects() {
            apply(client, namespace, object).await?;
        }
        Ok(())
    }

    pub(crate) fn secret(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": self.secret_name() },
            "type": "Opaque",
            "stringData": { self.secret_key(): self.token },
        })
    }

    fn config_map_name(&self) -> String {
        match self.layout {
            Layout::Helm { .. } => self.workload_name(),
            _ => format!("{}-env", self.name),
        }
    }

    pub(crate) fn config_map(&self) -> Option<Value> {
        let mut data = json!({ "config.service.endpoint": self.endpoint });
        match self.layout {
            Layout::Custom { .. } => return None,
            Layout::Portal => {}
            Layout::Docs => data["config.service.auth"] = json!("key"),
            Layout::Helm { .. } => {
                let discovery = format!("{}-instance-discovery", self.workload_name());
                data["neighborhood.host"] = json!(discovery);
                data["runtime.deployment.artifact.source"] = json!("Helm Chart");
                data["runtime.deployment.artifact.version"] = json!(CHART_VERSION);
                data["runtime.deployment.mechanism"] = json!("Helm");
                data["runtime.deployment.orchestrator.type"] = json!("Kubernetes");
            }
        }
        Some(json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": self.metadata(&self.config_map_name()),
            "data": data,
        }))
    }

    pub(crate) fn deployment(&self) -> Value {
        let (env, env_from) = self.environment();
        let mut template = json!({ "labels": self.selector() });
        if let Some(mode) = &self.mode {
            template["annotations"] = json!({ MODE_ANNOTATION: mode });
        }
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": self.metadata(&self.workload_name()),
            "spec": {
                "replicas": self.replicas,
                "selector": { "matchLabels": self.selector() },
                "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 0, "maxSurge": "25%" } },
                "template": {
                    "metadata": template,
                    "spec": {
                        "terminationGracePeriodSeconds": 60,
                        "containers": [{
                            "name": self.container_name(),
                            "image": format!("mcr.microsoft.com/azure-api-management/gateway:{}", self.tag()),
                            "ports": [
                                { "name": "http", "containerPort": 8080 },
                                { "name": "https", "containerPort": 8081 },
                                { "name": "rate-limit-dc", "containerPort": 4290, "protocol": "UDP" },
                                { "name": "dc-heartbeat", "containerPort": 4291, "protocol": "UDP" },
                            ],
                            "readinessProbe": {
                                "httpGet": { "path": "/status-0123456789abcdef", "port": "http" },
                            },
                            "env": env,
                            "envFrom": env_from,
                        }],
                    },
                },
            },
        })
    }

    /// `env` and `envFrom` of the container.
    fn environment(&self) -> (Value, Value) {
        let reference = json!({
            "name": "config.service.auth",
            "valueFrom": { "secretKeyRef": { "name": self.secret_name(), "key": self.secret_key() } },
        });
        let config_map = json!({ "configMapRef": { "name": self.config_map_name() } });
        match self.layout {
            Layout::Portal | Layout::Helm { .. } => (json!([reference]), json!([config_map])),
            Layout::Docs => {
                let secret = json!({ "secretRef": { "name": self.secret_name() } });
                (json!([]), json!([config_map, secret]))
            }
            Layout::Custom { .. } => {
                let endpoint = json!({ "name": "config.service.endpoint", "value": self.endpoint });
                (json!([endpoint, reference]), json!([]))
            }
        }
    }

    /// The headless Service with which the gateway's instances find each other.
    fn discovery_service(&self) -> Option<Value> {
        if !matches!(self.layout, Layout::Portal | Layout::Helm { .. }) {
            return None;
        }
        let name = format!("{}-instance-discovery", self.workload_name());
        Some(json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": self.metadata(&name),
            "spec": {
                "clusterIP": "None",
                "type": "ClusterIP",
                "ports": [
                    { "name": "rate-limit-discovery", "port": 4290, "targetPort": "rate-limit-dc", "protocol": "UDP" },
                    { "name": "discovery-heartbeat", "port": 4291, "targetPort": "dc-heartbeat", "protocol": "UDP" },
                ],
                "selector": self.selector(),
            },
        }))
    }

    /// Helm marks everything it renders; the Secret is made by the user.
    fn metadata(&self, name: &str) -> Value {
        if !matches!(self.layout, Layout::Helm { .. }) {
            return json!({ "name": name });
        }
        let mut labels = self.selector();
        labels.insert("app.kubernetes.io/managed-by".to_owned(), json!("Helm"));
        labels.insert("app.kubernetes.io/version".to_owned(), json!(self.tag()));
        labels.insert(
            "helm.sh/chart".to_owned(),
            json!(format!("{CHART}-{CHART_VERSION}")),
        );
        json!({
            "name": name,
            "labels": labels,
            "annotations": { "meta.helm.sh/release-name": self.name },
        })
    }

    fn selector(&self) -> Map<String, Value> {
        let labels = match self.layout {
            Layout::Helm { .. } => vec![
                ("app.kubernetes.io/component", "self-hosted-gateway".to_owned()),
                ("app.kubernetes.io/instance", self.name.clone()),
                ("app.kubernetes.io/name", self.workload_name()),
            ],
            _ => vec![("app", self.name.clone())],
        };
        labels
            .into_iter()
            .map(|(key, value)| (key.to_owned(), json!(value)))
            .collect()
    }

    fn tag(&self) -> &'static str {
        match self.layout {
            Layout::Helm { .. } => "2.11.1",
            _ => "v2",
        }
    }
}

/// Applies any object of a kind that these manifests use.
pub async fn apply(client: &Client, namespace: &str, object: Value) -> Result<()> {
    let object: DynamicObject = serde_json::from_value(object).context("reading an object")?;
    let types = object.types.clone().context("an object without a kind")?;
    let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(&types)?);
    let name = object.name_any();
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let parameters = PatchParams::apply("kubectl").force();
    api.patch(&name, &parameters, &Patch::Apply(&object))
        .await
        .with_context(|| format!("applying {} {namespace}/{name}", types.kind))?;
    Ok(())
}
