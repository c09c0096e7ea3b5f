//! Gateways that sign in by Entra, in each of its kinds.

use std::collections::BTreeMap;

use anyhow::Result;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kube::Client;
use serde_json::{Value, json};

use super::apply;

const IMAGE: &str = "mcr.microsoft.com/azure-api-management/gateway";

/// Where a certificate is mounted.
const FOLDER: &str = "/etc/apim-entra";

/// The objects of a gateway that signs in by Entra: settings in `env`, and what its kind needs.
#[derive(Clone)]
pub struct EntraManifest {
    name: String,
    tag: String,
    /// Values of literal variables of the container; an empty one is left out.
    settings: BTreeMap<String, String>,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Secret(String),
    Certificate { pem: String, pfx: Vec<u8> },
    WorkloadIdentity { client_id: String },
}

impl EntraManifest {
    /// By a client secret, in key `azure-ad-app-secret` of the Secret `{name}-entra`.
    pub fn app_secret(name: &str, endpoint: &str, tenant: &str, client_id: &str, secret: &str) -> Self {
        Self::new(name, endpoint, "azureAdApp", Kind::Secret(secret.to_owned())).app(tenant, client_id)
    }

    /// By a certificate, mounted from the Secret `{name}-entra` so that the gateway's user may read it: PKCS#12 with
    /// the private key, and PEM.
    pub fn app_certificate(
        name: &str,
        endpoint: &str,
        tenant: &str,
        client_id: &str,
        (pem, pfx): (&str, &[u8]),
    ) -> Self {
        let kind = Kind::Certificate {
            pem: pem.to_owned(),
            pfx: pfx.to_owned(),
        };
        Self::new(name, endpoint, "azureAdApp", kind)
            .app(tenant, client_id)
            .with(
                "config.service.auth.azureAd.certificatePath",
                &format!("{FOLDER}/certificate.pfx"),
            )
    }

    /// By the token of the service account `{name}`, as soon as the webhook has put it into the pod.
    pub fn workload_identity(name: &str, endpoint: &str, client_id: &str) -> Self {
        let kind = Kind::WorkloadIdentity {
            client_id: client_id.to_owned(),
        };
        Self::new(name, endpoint, "workloadIdentity", kind)
    }

    fn new(name: &str, endpoint: &str, auth: &str, kind: Kind) -> Self {
        let this = Self {
            name: name.to_owned(),
            tag: "2.11.1".to_owned(),
            settings: BTreeMap::new(),
            kind,
        };
        this.with("config.service.endpoint", endpoint)
            .with("config.service.auth", auth)
    }

    fn app(self, tenant: &str, client_id: &str) -> Self {
        self.with("config.service.auth.azureAd.tenantId", tenant)
            .with("config.service.auth.azureAd.clientId", client_id)
    }

    /// Sets `gateway.name`, without which no kind works.
    #[must_use]
    pub fn gateway(self, gateway: &str) -> Self {
        self.with("gateway.name", gateway)
    }

    /// Sets a variable; one without a value is left out.
    #[must_use]
    pub fn with(mut self, setting: &str, value: &str) -> Self {
        self.settings.insert(setting.to_owned(), value.to_owned());
        self
    }

    /// Sets the tag of the image, which is 2.11.1 otherwise.
    #[must_use]
    pub fn tag(mut self, tag: &str) -> Self {
        tag.clone_into(&mut self.tag);
        self
    }

    /// The objects, in the order in which they are to be created; the Deployment is the last.
    pub fn objects(&self) -> Vec<Value> {
        let owned = match &self.kind {
            Kind::Secret(secret) => self.secret(&json!({"azure-ad-app-secret": BASE64_STANDARD.encode(secret)})),
            Kind::Certificate { pem, pfx } => self.secret(&json!({
                "certificate.pem": BASE64_STANDARD.encode(pem), "certificate.pfx": BASE64_STANDARD.encode(pfx),
            })),
            Kind::WorkloadIdentity { client_id } => json!({
                "apiVersion": "v1", "kind": "ServiceAccount",
                "metadata": {
                    "name": self.name, "annotations": { "azure.workload.identity/client-id": client_id },
                },
            }),
        };
        vec![owned, self.deployment()]
    }

    /// Applies the objects on the server's side, as the field manager `kubectl`.
    pub async fn apply(&self, client: &Client, namespace: &str) -> Result<()> {
        for object in self.objects() {
            apply(client, namespace, object).await?;
        }
        Ok(())
    }

    fn secret(&self, data: &Value) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": { "name": self.secret_name() }, "data": data,
        })
    }

    fn secret_name(&self) -> String {
        format!("{}-entra", self.name)
    }

    fn deployment(&self) -> Value {
        let given = self.settings.iter().filter(|(_, value)| !value.is_empty());
        let mut env: Vec<_> = given
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect();
        let mut labels = json!({ "app": self.name });
        let mut spec = json!({});
        let mut mounts = json!([]);
        match self.kind {
            Kind::Secret(_) => env.push(json!({
                "name": "config.service.auth.azureAd.clientSecret",
                "valueFrom": {
                    "secretKeyRef": { "name": self.secret_name(), "key": "azure-ad-app-secret" },
                },
            })),
            Kind::Certificate { .. } => {
                mounts = json!([{ "name": "entra", "mountPath": FOLDER, "readOnly": true }]);
                spec["securityContext"] = json!({ "fsGroup": 1001 });
                spec["volumes"] = json!([
                    { "name": "entra", "secret": { "secretName": self.secret_name(), "defaultMode": 0o440 } },
                ]);
            }
            Kind::WorkloadIdentity { .. } => {
                labels["azure.workload.identity/use"] = json!("true");
                spec["serviceAccountName"] = json!(self.name);
            }
        }
        spec["containers"] = json!([{
            "name": self.name, "image": format!("{IMAGE}:{}", self.tag), "env": env, "volumeMounts": mounts,
        }]);
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": self.name },
            "spec": {
                "selector": { "matchLabels": { "app": self.name } },
                "template": { "metadata": { "labels": labels }, "spec": spec },
            },
        })
    }
}
