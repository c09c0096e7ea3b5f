//! The pods of a workload and their logs.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::Api;
use kube::api::{ListParams, LogParams};
use kube::core::Selector;

use super::Cluster;

/// A gateway logs at its start whether Azure accepts it, so the beginning of
/// its log is enough, and a long log must not fill the memory.
const LOG_BYTES: i64 = 256 * 1024;

impl Cluster {
    /// The pods that a selector matches.
    pub async fn pods(&self, selector: &Selector) -> Result<Vec<Pod>, kube::Error> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let params = ListParams::default().labels(&selector.to_string());
        let list = self.reading(|| pods.list(&params)).await?;
        Ok(list.items)
    }

    /// The beginning of a container's log.
    pub async fn log(&self, pod: &str, container: &str) -> Result<String, kube::Error> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let params = LogParams {
            container: Some(container.to_owned()),
            limit_bytes: Some(LOG_BYTES),
            ..LogParams::default()
        };
        pods.logs(pod, &params).await
    }
}

/// A workload's selector, for matching here or in a request; `None` for one
/// that the API server would not store.
pub fn selector(selector: &LabelSelector) -> Option<Selector> {
    Selector::try_from(selector.clone()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_operator_is_sent() {
        let labels: LabelSelector = serde_json::from_value(json!({
            "matchLabels": {"app": "gw"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["a", "b"]},
                {"key": "old", "operator": "DoesNotExist"},
                {"key": "zone", "operator": "Exists"},
                {"key": "env", "operator": "NotIn", "values": ["dev"]},
            ],
        }))
        .unwrap();
        assert_eq!(
            selector(&labels).unwrap().to_string(),
            "app=gw,tier in (a,b),!old,zone,env notin (dev)"
        );
    }
}
