//! Events about pods, for `kubectl describe`.

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use serde_json::json;

use super::{Context, NODE_NAME};

/// Records a warning about `pod`. Losing an event is not an error.
pub(crate) async fn warn(context: &Context, pod: &Pod, reason: &str, message: &str) {
    let now = jiff::Timestamp::now();
    let namespace = pod.namespace().unwrap_or_default();
    let event = serde_json::from_value::<Event>(json!({
        "metadata": { "generateName": format!("{}.", pod.name_any()), "namespace": namespace },
        "involvedObject": {
            "apiVersion": "v1", "kind": "Pod", "namespace": namespace,
            "name": pod.name_any(), "uid": pod.uid(),
        },
        "type": "Warning",
        "reason": reason,
        "message": message,
        "source": { "component": "kubelet", "host": NODE_NAME },
        "reportingComponent": "kubelet",
        "reportingInstance": NODE_NAME,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }));
    if let Ok(event) = event {
        let events: Api<Event> = Api::namespaced(context.client.clone(), &namespace);
        let _ = events.create(&PostParams::default(), &event).await;
    }
}
