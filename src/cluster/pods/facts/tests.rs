//! Pods as the API server returns them.

use serde_json::{Value, json};

use super::*;

fn container(name: &str, change: &Value) -> Value {
    let mut status = json!({"name": name, "image": "i", "imageID": "i", "ready": false, "restartCount": 0});
    for (key, part) in change.as_object().unwrap() {
        status[key] = part.clone();
    }
    status
}

/// The facts of a pod of the rotation `r1`, in which the container `gw` is the
/// gateway.
fn facts(metadata: &Value, status: &Value) -> PodFacts {
    let pod = serde_json::from_value(json!({"metadata": metadata, "status": status})).unwrap();
    let written = "2026-11-22T10:00:00Z".parse().unwrap();
    pod_facts(&pod, "r1", written, &["gw".to_owned()])
}

fn health(containers: &[Value]) -> PodHealth {
    facts(&json!({}), &json!({ "containerStatuses": containers })).health
}

fn ended(code: i32, reason: &str) -> Value {
    json!({"terminated": {"exitCode": code, "reason": reason}})
}

/// The health of a pod whose gateway has this status.
fn of_gateway(status: &Value) -> PodHealth {
    health(&[container("gw", status)])
}

/// A gateway that waits to be started again after this end.
fn again(code: i32, reason: &str) -> Value {
    json!({"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ended(code, reason), "restartCount": 1})
}

#[test]
fn a_second_crash_counts() {
    let state = ended(1, "Error");
    let running = json!({"running": {}});
    for (what, counts, status) in [
        ("in a loop", true, again(1, "Error")),
        ("second end", true, json!({"state": state, "restartCount": 1})),
        (
            "third start",
            true,
            json!({"state": running, "lastState": state, "restartCount": 2}),
        ),
        ("first end", false, json!({"state": state})),
        (
            "second start",
            false,
            json!({"state": running, "lastState": state, "restartCount": 1}),
        ),
        ("killed", false, again(137, "Error")),
        ("deleted", false, again(143, "Error")),
        ("ended well", false, again(0, "Completed")),
        ("never ended", false, json!({"state": running})),
    ] {
        let expected = if counts {
            PodHealth::Crashing("container gw keeps exiting with code 1".to_owned())
        } else {
            PodHealth::Unready
        };
        assert_eq!(of_gateway(&status), expected, "{what}");
    }
    let old_crash = json!({"ready": true, "state": running, "lastState": state, "restartCount": 7});
    assert_eq!(of_gateway(&old_crash), PodHealth::Ready);
}

#[test]
fn other_causes_are_named() {
    let waiting = |reason: &str| json!({"state": {"waiting": {"reason": reason}}});
    for (status, why) in [
        (again(137, "OOMKilled"), "container gw ran out of memory"),
        (
            again(128, "StartError"),
            "container gw cannot be started (StartError)",
        ),
        (waiting("ImagePullBackOff"), "container gw is in ImagePullBackOff"),
        (waiting("PodInitializing"), "container gw is in PodInitializing"),
    ] {
        assert_eq!(of_gateway(&status), PodHealth::Hindered(why.to_owned()));
    }
    let not_listed = health(&[container("sidecar", &json!({"ready": true}))]);
    assert_eq!(
        not_listed,
        PodHealth::Hindered("its node has not started it".to_owned())
    );
}

#[test]
fn another_container_is_no_evidence() {
    let crashing = json!({"state": ended(1, "Error"), "restartCount": 5});
    let sidecar = container("sidecar", &crashing);
    let ready = container("gw", &json!({"ready": true}));
    assert_eq!(health(&[sidecar.clone(), ready]), PodHealth::Ready);
    let starting = container("gw", &json!({"state": {"running": {}}}));
    assert_eq!(health(&[sidecar.clone(), starting]), PodHealth::Unready);
    let pod =
        serde_json::from_value(json!({"metadata": {}, "status": {"containerStatuses": [sidecar]}})).unwrap();
    let health = pod_facts(&pod, "r1", Timestamp::UNIX_EPOCH, &[]).health;
    assert!(matches!(health, PodHealth::Hindered(_)), "{health:?}");
}

#[test]
fn a_pod_that_cannot_be_scheduled_says_why() {
    let condition = json!({"type": "PodScheduled", "status": "False", "message": "0/1 nodes are\navailable"});
    assert_eq!(
        facts(&json!({}), &json!({ "conditions": [condition] })).health,
        PodHealth::Hindered("it is not scheduled: 0/1 nodes are available".to_owned())
    );
}

#[test]
fn a_pod_that_ends_does_not_stay() {
    let stays = |metadata: Value, status: Value| facts(&metadata, &status).stays;
    assert!(stays(json!({}), json!({"phase": "Running"})));
    assert!(!stays(
        json!({"deletionTimestamp": "2026-11-22T10:00:00Z"}),
        json!({"phase": "Running"})
    ));
    assert!(!stays(json!({}), json!({"phase": "Failed", "reason": "Evicted"})));
    assert!(!stays(json!({}), json!({"phase": "Failed"})));
    assert!(!stays(
        json!({}),
        json!({"phase": "Running", "reason": "NodeLost"})
    ));
    let preempted = json!({"type": "DisruptionTarget", "status": "True"});
    assert!(!stays(
        json!({}),
        json!({"phase": "Running", "conditions": [preempted]})
    ));
}

#[test]
fn a_pod_of_the_rotation_has_its_id_among_others() {
    let marked = |ids: &str| {
        facts(
            &json!({"annotations": {"apim-rotate/rotation-id": ids}}),
            &json!({}),
        )
        .is_marked
    };
    assert!(marked("r1"));
    assert!(marked("r0,r1"));
    assert!(!marked("r0,r11"));
}

#[test]
fn the_rollout_of_a_pod_is_named() {
    let owned = json!({"labels": {"rollouts-pod-template-hash": "6b4"}, "ownerReferences": [
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-edge-6b4", "uid": "u"}]});
    assert_eq!(
        facts(&owned, &json!({})).argo_rollout.as_deref(),
        Some("web-edge")
    );
    assert_eq!(facts(&json!({}), &json!({})).argo_rollout, None);
}

#[test]
fn a_refusal_is_found_in_the_log() {
    let event = |log: &str| refusal_in(log).map(|found| found.event);
    assert_eq!(
        event("{\"eventType\":\"ConfigurationApiV2NotAvailable\"}").as_deref(),
        Some("ConfigurationApiV2NotAvailable")
    );
    assert_eq!(refusal_in("{\"eventType\":\"GatewayStartup\"}"), None);
    // Azure/api-management-self-hosted-gateway issue 269.
    let message =
        "[GatewayStartup], message: No valid authentication was configured for the configuration API.";
    assert_eq!(
        event(message).as_deref(),
        Some("GatewayStartup: no valid authentication")
    );
    let logs = [
        "AADSTS1\nx AADSTS7000222: y ConfigInitialSyncFailed z\n",
        "AADSTS1\nConfigInitialSyncFailed x AADSTS7000222'AADSTS2\nAADSTS3",
    ];
    for log in logs {
        assert_eq!(
            event(log).as_deref(),
            Some("ConfigInitialSyncFailed (AADSTS7000222)")
        );
    }
    assert_eq!(
        event("ConfigInitialSyncFailed AADSTS").as_deref(),
        Some("ConfigInitialSyncFailed")
    );
}
