//! Pods that end or crash for other reasons than their token.

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::{SHORT, new_pod, report};
use crate::case::Case;

/// The gateway's container while it starts, and others beside it.
fn starting_beside(pod: &Pod, other: &Value) -> Value {
    let started = json!({"running": {"startedAt": pod.metadata.creation_timestamp}});
    let gateway = json!({"name": "gw", "image": "i", "imageID": "i", "ready": false, "restartCount": 0,
        "started": true, "state": started});
    json!({ "containerStatuses": [gateway, other] })
}

fn crashed(name: &str, code: i32, reason: &str) -> Value {
    json!({"name": name, "image": "i", "imageID": "i", "ready": false, "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": code, "reason": reason}}})
}

/// A healthy gateway that takes a few seconds to start is proved, whatever its
/// pod reports meanwhile.
async fn is_proved_in_spite_of(name: &str, status: impl Fn(&Pod) -> Value) {
    let case = Case::new(name).await;
    case.deploy(&case.portal().mode("slow:5")).await;
    let running = case.apim(&["rotate"]).start().await;
    let pod = new_pod(&case).await;
    report(&case, &pod, &status(&pod)).await;
    let ended = running.ends(0).await;
    ended.says(&["no log shows that Azure refused the token"]);
    assert_eq!(case.mints(), 1);
}

#[tokio::test]
async fn a_sidecar_that_crashes_is_no_refusal() {
    is_proved_in_spite_of("sidecar", |pod| {
        starting_beside(pod, &crashed("sidecar", 1, "Error"))
    })
    .await;
}

#[tokio::test]
async fn a_gateway_that_ran_out_of_memory_is_no_refusal() {
    is_proved_in_spite_of(
        "oom",
        |_| json!({ "containerStatuses": [crashed("gw", 137, "OOMKilled")] }),
    )
    .await;
}

#[tokio::test]
async fn a_gateway_that_was_ended_by_its_node_is_no_refusal() {
    is_proved_in_spite_of(
        "ended",
        |_| json!({ "containerStatuses": [crashed("gw", 143, "Error")] }),
    )
    .await;
}

#[tokio::test]
async fn an_evicted_pod_is_no_refusal() {
    is_proved_in_spite_of(
        "evicted",
        |_| json!({"phase": "Failed", "reason": "Evicted", "containerStatuses": [crashed("gw", 1, "Error")]}),
    )
    .await;
}

#[tokio::test]
async fn one_slow_pod_after_a_ready_one_is_no_refusal() {
    let case = Case::new("slow-second").await;
    let manifest = case.portal().replicas(2).mode("slow:18");
    case.deploy(&manifest).await;
    let line = [&["rotate"], &SHORT[..]].concat();
    let ended = case.apim(&line).exits(3).await;
    ended.says(&["not proved: deployment.apps/gw: ", "at the deadline", "resumes"]);
    assert_eq!(case.mints(), 1);
    assert!(case.azure().accepts(&case.credential(&manifest).await));
    case.rolled_out("gw").await;
}
