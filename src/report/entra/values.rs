//! What others have to set for a gateway's sign-in: the container's settings, and
//! the values of the gateway's Helm chart.

use serde_json::{Map, Value, json};

use crate::error::Result;
use crate::model::entra::{CLIENT_ID_ANNOTATION, Id, Mode, SettingValue, TENANT_ID_ANNOTATION};
use crate::model::expansion::escaped;
use crate::model::{GatewayId, setting};
use crate::plan::entra::SetupPlan;
use crate::yaml::to_yaml;

/// The name of the volume with a certificate.
const VOLUME: &str = "apim-entra";

/// What the pods need that no other line of the plan has.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    pub plan: &'a SetupPlan,
    pub gateway: &'a GatewayId,
    pub tenant: &'a str,
    /// The host of the configuration endpoint; `None` in a custom cloud.
    pub endpoint: Option<&'a str>,
    /// The client id of the app; `None` until it is created.
    pub client_id: Option<&'a str>,
}

impl Values<'_> {
    /// The client id, or words in its place.
    fn client_id(&self) -> &str {
        self.client_id.unwrap_or("CLIENT-ID-OF-THE-APP")
    }

    fn text(&self, value: &SettingValue) -> String {
        match value {
            SettingValue::Text(text) => text.clone(),
            SettingValue::Id(Id::Known(id)) => id.to_string(),
            SettingValue::Id(Id::Of(_)) => self.client_id().to_owned(),
            SettingValue::Secret { .. } => String::new(),
        }
    }

    /// The variables of the gateway's container, as in a pod spec.
    fn env(&self) -> Value {
        let of = |(name, value): (&String, &SettingValue)| match value {
            SettingValue::Secret { name: secret, key } => json!({
                "name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}},
            }),
            value => json!({"name": name, "value": escaped(&self.text(value))}),
        };
        Value::Array(self.plan.template.settings.iter().map(of).collect())
    }

    /// The fields of the pod template, with the container's under `container`.
    pub fn pod_template(&self) -> Value {
        let template = &self.plan.template;
        let mut container = Map::from_iter([("env".to_owned(), self.env())]);
        let mut spec = Map::new();
        let mut set = |name: &str, value| spec.insert(name.to_owned(), value);
        if !template.service_account.is_empty() {
            set("serviceAccountName", json!(template.service_account));
        }
        if let Some(mount) = &template.mount {
            let mounts = json!([{"name": VOLUME, "mountPath": mount.path, "readOnly": true}]);
            container.insert("volumeMounts".to_owned(), mounts);
            let secret = json!({"secretName": mount.secret, "defaultMode": mount.mode});
            set("volumes", json!([{"name": VOLUME, "secret": secret}]));
        }
        if let Some(group) = template.fs_group {
            set("securityContext", json!({"fsGroup": group}));
        }
        let mut fields = Map::from_iter([("container".to_owned(), Value::Object(container))]);
        if !template.labels.is_empty() {
            fields.insert("labels".to_owned(), json!(template.labels));
        }
        if !spec.is_empty() {
            fields.insert("spec".to_owned(), Value::Object(spec));
        }
        Value::Object(fields)
    }

    /// The values of the chart `azure-api-management-gateway` 1.15.1
    /// (github.com/Azure/api-management-self-hosted-gateway, helm-charts); `None`
    /// for a certificate, which the chart cannot mount.
    pub fn helm(&self) -> Option<Value> {
        let settings = &self.plan.template.settings;
        let text = |name: &str| Some(self.text(settings.get(name)?));
        let audience = text(setting::TOKEN_AUDIENCE).map(|it| json!({setting::TOKEN_AUDIENCE: it}));
        let configuration = present([
            ("uri", self.endpoint.map(|it| json!(it))),
            ("additional", audience),
        ]);
        let (auth, rest) = match self.plan.mode {
            Mode::AppCertificate => return None,
            Mode::AppSecret => {
                let directory = present([
                    ("tenant", Some(json!({"id": self.tenant}))),
                    ("app", Some(json!({"id": self.client_id()}))),
                    ("authority", text(setting::APP_AUTHORITY).map(|it| json!(it))),
                ]);
                let secret = json!({"createSecret": false, "existingSecretName": self.plan.secret});
                (
                    json!({"type": "AzureAdApp", "azureAd": directory}),
                    ("secret", secret),
                )
            }
            Mode::WorkloadIdentity => {
                let account = json!({
                    "create": false,
                    "name": self.plan.service_account,
                    "annotations": {
                        CLIENT_ID_ANNOTATION: self.client_id(),
                        TENANT_ID_ANNOTATION: self.tenant,
                    },
                });
                (json!({"type": "WorkloadIdentity"}), ("serviceAccount", account))
            }
        };
        let gateway = json!({"name": self.gateway.name, "configuration": configuration, "auth": auth});
        Some(json!({"gateway": gateway, rest.0: rest.1}))
    }

    /// Both as YAML with a line of comment each.
    pub fn text_for_people(&self) -> Result<String> {
        let mut text = String::from("\n# What the pod template of the gateway needs:\n");
        text += &to_yaml(&self.pod_template())?;
        text += "\n";
        match self.helm() {
            Some(values) => {
                text += "# The same as values of the Helm chart azure-api-management-gateway:\n";
                text += &to_yaml(&values)?;
            }
            None => {
                text +=
                    "# The Helm chart cannot mount a certificate: use another mode, or a post-renderer.\n";
            }
        }
        Ok(text)
    }
}

/// An object of the values that there are.
fn present<const N: usize>(values: [(&str, Option<Value>); N]) -> Value {
    let present = values
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(present.collect())
}
