//! The namespaces whose pods the webhook of Azure Workload Identity changes, as far as the
//! cluster's registrations show it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::cluster::lean::{Element, few, marks, text};
use crate::cluster::list::{List, Meta};
use crate::cluster::{Cluster, explain};
use crate::discover::read::is_forbidden;
use crate::model::entra::USE_LABEL;
use crate::model::request::Scope;
use crate::model::{Fact, Unavailable};

/// The label of each namespace that the API server sets to its name.
const NAME: &str = "kubernetes.io/metadata.name";

/// What is in the names of the webhook and of its registration, by its chart and on AKS.
const NAMES: [&str; 2] = ["azure-workload-identity", "azure-wi-webhook"];

#[derive(Deserialize)]
struct Configuration {
    metadata: Meta,
    #[serde(default, deserialize_with = "few")]
    webhooks: Vec<Registered>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Registered {
    #[serde(deserialize_with = "text")]
    name: String,
    namespace_selector: Option<Selector>,
    object_selector: Option<Selector>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Selector {
    #[serde(deserialize_with = "marks")]
    match_labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "few")]
    match_expressions: Vec<Expression>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Expression {
    #[serde(deserialize_with = "text")]
    key: String,
    #[serde(deserialize_with = "text")]
    operator: String,
    #[serde(deserialize_with = "few")]
    values: Vec<String>,
}

impl Element for Registered {}

impl Element for Expression {}

/// The namespaces of the webhook, by what registers it.
pub(super) struct Webhooks(Vec<Option<Selector>>);

impl Webhooks {
    /// Whether the webhook gets the pods of a namespace. `false` is certain: labels of
    /// namespaces that are not known count as those that are selected.
    pub(super) fn change_pods_of(&self, namespace: &str) -> bool {
        let mut all = self.0.iter();
        all.any(|it| it.as_ref().is_none_or(|it| it.may_select(namespace)))
    }
}

impl Selector {
    fn may_select(&self, namespace: &str) -> bool {
        let is_named = |it: &Expression| it.values.iter().any(|value| value == namespace);
        let of_name = self.match_expressions.iter().filter(|it| it.key == NAME);
        let mut of_name = of_name.map(|it| match it.operator.as_str() {
            "In" => is_named(it),
            "NotIn" => !is_named(it),
            operator => operator != "DoesNotExist",
        });
        self.match_labels.get(NAME).is_none_or(|name| name == namespace) && of_name.all(|it| it)
    }

    fn names(&self, label: &str) -> bool {
        let mut keys = self.match_expressions.iter().map(|it| &it.key);
        self.match_labels.contains_key(label) || keys.any(|key| key == label)
    }
}

impl Configuration {
    /// Where the webhook is called, if it is one of these.
    fn namespaces(self) -> Vec<Option<Selector>> {
        let is_of = |name: &str| NAMES.iter().any(|it| name.contains(it));
        let is_ours = is_of(&self.metadata.name);
        let asks = |it: &Registered| it.object_selector.as_ref().is_some_and(|it| it.names(USE_LABEL));
        let ours = self.webhooks.into_iter();
        let ours = ours.filter(|it| is_ours || is_of(&it.name) || asks(it));
        ours.map(|it| it.namespace_selector).collect()
    }
}

pub(super) async fn webhooks(cluster: &Cluster) -> Fact<Webhooks> {
    let list = List::of(
        "/apis/admissionregistration.k8s.io/v1",
        "mutatingwebhookconfigurations",
    );
    let keep = |found: Configuration| Some(found.namespaces());
    let cluster = cluster.for_optional_reads();
    match cluster.list(list, &Scope::Everywhere, keep).await {
        Ok(found) => Ok(Webhooks(found.into_iter().flatten().collect())),
        Err(error) => {
            let is_denied = is_forbidden(&error);
            let why = explain(error, "listing the mutating webhooks of the cluster").to_string();
            Err(if is_denied {
                Unavailable::Forbidden(why)
            } else {
                Unavailable::Unknown(why)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Whether a registration counts for the pods of the namespace `shop`.
    fn counts(name: &str, webhook: &Value) -> bool {
        let found = json!({"metadata": {"name": name}, "webhooks": [webhook]});
        let found: Configuration = serde_json::from_value(found).unwrap();
        Webhooks(found.namespaces()).change_pods_of("shop")
    }

    #[test]
    fn a_registration_counts_unless_it_certainly_leaves_out_the_namespace() {
        let official = "azure-wi-webhook-mutating-webhook-configuration";
        let hook = |selector: &Value| json!({"name": "mutation.example", "namespaceSelector": selector});
        for (selector, expected) in [
            (json!(null), true),
            (json!({}), true),
            (json!({"matchLabels": {"team": "x"}}), true),
            (json!({"matchLabels": {NAME: "shop"}}), true),
            (json!({"matchLabels": {NAME: "other"}}), false),
            (
                json!({"matchExpressions": [{"key": NAME, "operator": "NotIn", "values": ["kube-system"]}]}),
                true,
            ),
            (
                json!({"matchExpressions": [{"key": NAME, "operator": "NotIn", "values": ["shop"]}]}),
                false,
            ),
            (
                json!({"matchExpressions": [{"key": NAME, "operator": "In", "values": ["other"]}]}),
                false,
            ),
            (
                json!({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}),
                true,
            ),
        ] {
            assert_eq!(counts(official, &hook(&selector)), expected, "{selector}");
        }
        // Others are known by the webhook's own name, or by the label that they ask for.
        assert!(!counts("istio-sidecar-injector", &hook(&json!({}))));
        assert!(counts(
            "wi",
            &json!({"name": "mutation.azure-workload-identity.io"})
        ));
        let by_label = json!({"name": "m", "objectSelector": {"matchLabels": {USE_LABEL: "true"}}});
        assert!(counts("mine", &by_label));
        assert!(!Webhooks(Vec::new()).change_pods_of("shop"));
    }
}
