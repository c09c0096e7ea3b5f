//! A pod of a gateway, cut to what shows which credential or identity it was started with.

use serde::Deserialize;

use super::lean::{Element, few, text};
use super::list::Meta;
use crate::model::TemplateMarks;
use crate::model::annotation::{RESTARTED_AT, ROTATION_ID};
use crate::model::entra::{OwnPod, OwnVariables, USE_LABEL};

/// A pod with the variables that the webhook of Azure Workload Identity gave it.
#[derive(Deserialize)]
pub struct IdentifiedPod {
    pub metadata: Meta,
    #[serde(default)]
    spec: Spec,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Spec {
    #[serde(deserialize_with = "text")]
    service_account_name: String,
    #[serde(deserialize_with = "few")]
    containers: Vec<Container>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Container {
    #[serde(deserialize_with = "text")]
    name: String,
    #[serde(deserialize_with = "few")]
    env: Vec<Variable>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Variable {
    #[serde(deserialize_with = "text")]
    name: String,
    /// Empty if it comes from elsewhere.
    #[serde(deserialize_with = "text")]
    value: String,
}

impl Element for Container {}

impl Element for Variable {
    fn is_used(&self) -> bool {
        [OwnVariables::CLIENT_ID, OwnVariables::TENANT_ID].contains(&self.name.as_str())
    }
}

impl IdentifiedPod {
    /// What it has, by the gateway's container.
    pub fn own(&self, container: &str) -> OwnPod {
        own_pod(&self.metadata, &self.spec, container)
    }
}

/// Whether a pod with these labels asks the webhook for an identity.
pub fn asks_webhook(meta: &Meta) -> bool {
    meta.labels.get(USE_LABEL).is_some_and(|asks| asks == "true")
}

pub(super) fn own_pod(meta: &Meta, spec: &Spec, container: &str) -> OwnPod {
    let container = spec.containers.iter().find(|it| it.name == container);
    let variable = |name: &str| {
        let value = &container?.env.iter().rfind(|it| it.name == name)?.value;
        (!value.is_empty()).then(|| value.clone())
    };
    OwnPod {
        created: meta.created(),
        marks: TemplateMarks {
            rotation_ids: meta.annotations.get(ROTATION_ID).cloned().into(),
            restarted_at: meta.annotations.get(RESTARTED_AT).cloned(),
        },
        asks_for: asks_webhook(meta).then(|| spec.service_account_name.clone()),
        client_id: variable(OwnVariables::CLIENT_ID),
        tenant: variable(OwnVariables::TENANT_ID),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_pod_is_read_with_the_identity_that_it_has() {
        let variable = |name: &str, value: &str| json!({"name": name, "value": value});
        let pod = |label: &str| {
            json!({
                "metadata": {
                    "name": "gw-5d7-x",
                    "labels": {USE_LABEL: label},
                    "annotations": {ROTATION_ID: "setup-1", RESTARTED_AT: "2027-01-01T00:00:00Z"},
                    "creationTimestamp": "2027-01-01T00:00:01Z",
                },
                "spec": {
                    "serviceAccountName": "account",
                    "containers": [
                        {"name": "proxy", "env": [variable("AZURE_CLIENT_ID", "of another container")]},
                        {"name": "gw", "env": [variable("AZURE_CLIENT_ID", "c\u{1b}"), {"name": "AZURE_TENANT_ID"}]},
                    ],
                },
            })
        };
        let read = |pod: Value, container: &str| {
            let pod: IdentifiedPod = serde_json::from_value(pod).unwrap();
            pod.own(container)
        };
        let found = read(pod("true"), "gw");
        assert_eq!(found.asks_for.as_deref(), Some("account"));
        assert!(found.client_id.unwrap().starts_with('c') && found.tenant.is_none());
        assert!(found.marks.rotation_ids.contains("setup-1") && found.marks.restarted_at.is_some());
        assert_eq!(found.created, "2027-01-01T00:00:01Z".parse().ok());
        let other = read(pod("false"), "missing");
        assert_eq!((other.asks_for, other.client_id), (None, None));
    }
}
