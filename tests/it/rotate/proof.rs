//! What counts as evidence for or against a token that was just written.

mod by_age;
mod by_status;
mod by_time;
mod logs;
mod pods;

use std::time::Duration;

use apim_sandbox::wait;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::Value;

use super::ROTATION_ID;
use crate::case::{Case, LIMIT};

/// A time limit that leaves the proof 30 seconds.
const SHORT: [&str; 2] = ["--timeout", "1m"];

/// A proof that ends early takes less than this, and the default limit more.
const EARLY: Duration = Duration::from_mins(1);

/// Waits for the first pod of the restart.
async fn new_pod(case: &Case) -> Pod {
    let pods: Api<Pod> = Api::namespaced(case.client.clone(), &case.namespace);
    let is_new = |pod: &Pod| {
        let annotations = pod.metadata.annotations.as_ref();
        let has_status = pod
            .status
            .as_ref()
            .is_some_and(|status| status.container_statuses.is_some());
        has_status && annotations.is_some_and(|annotations| annotations.contains_key(ROTATION_ID))
    };
    wait::until("a new pod", LIMIT, async || {
        Ok(pods
            .list(&ListParams::default())
            .await?
            .items
            .into_iter()
            .find(is_new))
    })
    .await
    .unwrap()
}

/// Changes the status of a pod, as its node would.
async fn report(case: &Case, pod: &Pod, status: &Value) {
    let pods: Api<Pod> = Api::namespaced(case.client.clone(), &case.namespace);
    let name = pod.metadata.name.as_deref().unwrap();
    let patch = Patch::Merge(serde_json::json!({ "status": status }));
    pods.patch_status(name, &PatchParams::default(), &patch)
        .await
        .unwrap();
}
