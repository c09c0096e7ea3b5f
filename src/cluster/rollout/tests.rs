//! Rollouts and pods as the API server returns them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::*;

fn workload(value: &Value) -> Workload {
    let mut object = json!({"metadata": {"generation": 2},
        "spec": {"replicas": 2, "selector": {}, "template": {}}});
    for (key, part) in value.as_object().unwrap() {
        object[key] = part.clone();
    }
    serde_json::from_value(object).unwrap()
}

fn state(status: &Value) -> Rollout {
    rollout(&workload(&json!({ "status": status })))
}

fn waiting(text: &str) -> Rollout {
    Rollout::Waiting(text.to_owned())
}

#[test]
fn a_deployment_rolls_step_by_step() {
    for (status, expected) in [
        (
            json!({"observedGeneration": 1, "updatedReplicas": 2}),
            waiting("the controller has not seen the change yet"),
        ),
        (
            json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 1}),
            waiting("1 of 2 pods are new"),
        ),
        (
            json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 2}),
            waiting("1 old pod is left"),
        ),
        (
            json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 1, "availableReplicas": 1}),
            waiting("1 of 2 pods are ready"),
        ),
        (
            json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}),
            Rollout::Complete,
        ),
    ] {
        assert_eq!(state(&status), expected);
    }
}

#[test]
fn a_daemon_set_counts_nodes() {
    let status = json!({"observedGeneration": 2, "desiredNumberScheduled": 3, "currentNumberScheduled": 3,
        "updatedNumberScheduled": 3, "numberReady": 3, "numberAvailable": 2});
    assert_eq!(state(&status), waiting("2 of 3 pods are ready"));
}

#[test]
fn pods_that_must_be_replaced_by_hand_are_counted_separately() {
    let status = json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 1, "readyReplicas": 2, "availableReplicas": 2});
    let strategy = |strategy: Value| {
        workload(&json!({"status": status,
            "spec": {"replicas": 2, "selector": {}, "template": {}, "updateStrategy": strategy}}))
    };
    let on_delete = strategy(json!({"type": "OnDelete"}));
    assert_eq!(rollout(&on_delete), Rollout::LeftByHand(1));
    let partition = strategy(json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}));
    assert_eq!(rollout(&partition), Rollout::LeftByHand(1));
    assert_eq!(
        (super::partition(&partition), super::partition(&on_delete)),
        (1, 0)
    );
    assert_eq!(
        replacement(WorkloadKind::StatefulSet, &partition),
        Replacement::ByHand("the partition 1".to_owned())
    );
    let rolling = strategy(json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}));
    assert_eq!(rollout(&rolling), waiting("1 of 2 pods are new"));
    for (workload, count) in [(on_delete, 1), (partition, 1), (rolling, 0)] {
        let progress = progress(WorkloadKind::StatefulSet, &workload, "r");
        assert_eq!(progress.by_hand, count);
    }
}

#[test]
fn old_pods_that_are_not_ready_may_be_left_by_hand() {
    let of = |seen: i64, pods: i32| {
        let status =
            json!({"observedGeneration": seen, "replicas": pods, "updatedReplicas": 0, "readyReplicas": 0});
        let on_delete = workload(
            &json!({"metadata": {"name": "gw", "generation": 2}, "status": status,
            "spec": {"replicas": 1, "selector": {}, "template": {}, "updateStrategy": {"type": "OnDelete"}}}),
        );
        assert!(matches!(rollout(&on_delete), Rollout::Waiting(_)));
        progress(WorkloadKind::StatefulSet, &on_delete, "r").by_hand
    };
    assert_eq!((of(2, 1), of(1, 1), of(2, 0)), (1, 0, 0));
}

#[test]
fn a_stateful_set_replaces_its_pods_in_order_unless_it_says_otherwise() {
    let of = |kind, spec: Value| {
        let mut all = json!({"selector": {}, "template": {}});
        for (field, value) in spec.as_object().unwrap() {
            all[field] = value.clone();
        }
        is_ordered(kind, &workload(&json!({ "spec": all })))
    };
    assert!(of(WorkloadKind::StatefulSet, json!({})));
    assert!(of(
        WorkloadKind::StatefulSet,
        json!({"podManagementPolicy": "OrderedReady"})
    ));
    assert!(!of(
        WorkloadKind::StatefulSet,
        json!({"podManagementPolicy": "Parallel"})
    ));
    let on_delete = json!({"updateStrategy": {"type": "OnDelete"}});
    assert!(!of(WorkloadKind::StatefulSet, on_delete));
    assert!(!of(WorkloadKind::Deployment, json!({})));
}

#[test]
fn an_interruption_is_predicted() {
    let of = |kind, replicas: i32, strategy: Value| {
        let spec = json!({"replicas": replicas, "selector": {}, "template": {}, "strategy": strategy});
        matches!(
            replacement(kind, &workload(&json!({ "spec": spec }))),
            Replacement::Interrupting(_)
        )
    };
    let surge = |surge: Value| json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge}});
    assert!(of(WorkloadKind::Deployment, 2, json!({"type": "Recreate"})));
    assert!(of(WorkloadKind::Deployment, 2, surge(json!(0))));
    assert!(!of(WorkloadKind::Deployment, 2, surge(json!("25%"))));
    assert!(of(WorkloadKind::DaemonSet, 0, json!({})));
    assert!(!of(WorkloadKind::DaemonSet, 0, surge(json!(1))));
    assert!(of(WorkloadKind::StatefulSet, 1, json!({})));
    assert!(!of(WorkloadKind::StatefulSet, 3, json!({})));
}

#[test]
fn a_workload_without_pods_is_complete() {
    let zero = workload(&json!({"spec": {"replicas": 0, "selector": {}, "template": {}},
        "status": {"observedGeneration": 2}}));
    assert_eq!(rollout(&zero), Rollout::Complete);
}

fn pod(annotations: &Value, status: &Value) -> Pod {
    serde_json::from_value(json!({"metadata": {"annotations": annotations}, "status": status})).unwrap()
}

#[test]
fn a_pod_is_stale_by_its_id_or_else_by_its_start() {
    let written: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
    let own = |id: &str| pod(&json!({ ROTATION_ID: id }), &json!({}));
    assert_eq!(is_stale(&own("r1"), "r1", written), Some(false));
    assert_eq!(is_stale(&own("r0"), "r1", written), Some(true));
    let started = |time: &str| is_stale(&pod(&json!({}), &json!({ "startTime": time })), "r1", written);
    assert_eq!(started("2026-11-22T09:59:00Z"), Some(true));
    assert_eq!(started("2026-11-22T09:59:58Z"), None);
    assert_eq!(started("2026-11-22T10:01:00Z"), Some(false));
    let restarted = json!({"startTime": "2026-11-22T09:00:00Z", "containerStatuses": [{"name": "gw", "image": "i",
        "imageID": "i", "ready": true, "restartCount": 1,
        "state": {"running": {"startedAt": "2026-11-22T10:01:00Z"}}}]});
    assert_eq!(is_stale(&pod(&json!({}), &restarted), "r1", written), Some(false));
    assert_eq!(PodAge::of(&own("r0"), None).is_stale(None, written), None);
    let container = |name: &str, state: Value| json!({"name": name, "image": "i", "imageID": "i", "ready": true, "restartCount": 1, "state": state});
    let running = |since: &str| json!({"running": {"startedAt": since}});
    let beside = json!({"containerStatuses": [
        container("gw", running("2026-11-22T10:01:00Z")), container("sidecar", running("2026-11-22T09:00:00Z"))]});
    let of =
        |status: &Value, name: &str| PodAge::of(&pod(&json!({}), status), Some(name)).is_stale(None, written);
    assert_eq!(
        of(&beside, "gw"),
        Some(false),
        "the gateway was restarted after the write"
    );
    assert_eq!(of(&beside, "sidecar"), Some(true));
    let crashing = json!({"startTime": "2026-11-22T09:00:00Z",
        "containerStatuses": [container("gw", json!({"waiting": {"reason": "CrashLoopBackOff"}}))]});
    assert_eq!(
        of(&crashing, "gw"),
        Some(false),
        "its next start reads the new one"
    );
    assert_eq!(of(&json!({"phase": "Pending"}), "gw"), Some(false));
    let mut ending = own("r0");
    ending.metadata.deletion_timestamp = Some(Time(written));
    assert_eq!(is_stale(&ending, "r1", written), Some(false));
    let mut recreated = own("r0");
    recreated.metadata.creation_timestamp = Some(Time("2026-11-22T10:00:01Z".parse().unwrap()));
    assert_eq!(is_stale(&recreated, "r1", written), Some(false));
}

/// What the counters show: pods that are wanted, there, new, ready and
/// available.
fn new_ready_of(kind: WorkloadKind, strategy: &Value, counts: [i32; 5]) -> Option<bool> {
    let [wanted, pods, updated, ready, available] = counts;
    let spec = json!({"replicas": wanted, "selector": {}, "template": {}, "updateStrategy": strategy});
    let status = json!({"observedGeneration": 2, "replicas": pods, "updatedReplicas": updated,
        "readyReplicas": ready, "availableReplicas": available});
    progress(kind, &workload(&json!({"spec": spec, "status": status})), "r1").new_ready
}

#[test]
fn a_deployment_shows_whether_a_new_pod_is_ready() {
    let rolling = |surge: Value, missing: Value| json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": missing}});
    let quarter = rolling(json!("25%"), json!("25%"));
    let recreate = json!({"type": "Recreate"});
    let whole = rolling(json!(1), json!(0));
    let no_surge = rolling(json!(0), json!("10%"));
    for (what, strategy, counts, expected) in [
        ("no new pod", &quarter, [1, 1, 0, 1, 1], Some(false)),
        ("first not ready", &quarter, [1, 2, 1, 1, 1], Some(false)),
        ("first ready", &quarter, [1, 2, 1, 2, 1], Some(true)),
        ("one of 4 missing", &quarter, [4, 5, 2, 3, 3], Some(false)),
        ("two of 4 missing", &quarter, [4, 5, 3, 2, 2], None),
        ("an old one unready", &quarter, [2, 3, 1, 1, 1], Some(false)),
        ("ready only now", &quarter, [2, 3, 1, 2, 1], None),
        ("recreated, unready", &recreate, [2, 2, 2, 0, 0], Some(false)),
        ("recreated, one ready", &recreate, [2, 2, 2, 1, 1], Some(true)),
        ("all new, were ready", &whole, [2, 2, 2, 0, 0], None),
        ("no surge", &no_surge, [2, 2, 1, 1, 1], Some(false)),
    ] {
        let found = new_ready_of(WorkloadKind::Deployment, strategy, counts);
        assert_eq!(found, expected, "{what}");
    }
}

#[test]
fn other_kinds_show_whether_a_new_pod_is_ready() {
    for (what, counts, expected) in [
        ("the first of 3", [3, 3, 1, 2, 2], Some(false)),
        ("the only one", [1, 1, 1, 0, 0], Some(false)),
        ("the second of 3", [3, 3, 2, 1, 1], None),
    ] {
        let found = new_ready_of(WorkloadKind::StatefulSet, &json!({}), counts);
        assert_eq!(found, expected, "{what}");
    }
    let of_nodes = |updated: i32, ready: i32| {
        let status = json!({"observedGeneration": 2, "desiredNumberScheduled": 3, "currentNumberScheduled": 3,
            "updatedNumberScheduled": updated, "numberReady": ready, "numberAvailable": ready});
        progress(
            WorkloadKind::DaemonSet,
            &workload(&json!({ "status": status })),
            "r1",
        )
        .new_ready
    };
    assert_eq!(
        [of_nodes(1, 2), of_nodes(1, 3), of_nodes(2, 1)],
        [Some(false), Some(true), None]
    );
}

#[test]
fn a_blocked_rollout_gives_the_reason() {
    let failure = |reason: &str| {
        workload(
            &json!({"status": {"observedGeneration": 2, "replicas": 2, "conditions": [
            {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"},
            {"type": "ReplicaFailure", "status": "True", "reason": reason, "message": "exceeded\nquota",
             "lastTransitionTime": "2026-11-22T10:00:00Z"}]}}),
        )
    };
    let expected = Blocked {
        reason: "exceeded quota".to_owned(),
        since: "2026-11-22T10:00:00Z".parse().ok(),
    };
    assert_eq!(blocked(&failure("FailedCreate")), Some(expected));
    assert_eq!(blocked(&failure("FailedDelete")), None);
    assert!(progress(WorkloadKind::Deployment, &failure("FailedCreate"), "r1").is_overdue);
}

#[test]
fn the_mark_of_the_restart_is_one_of_several() {
    let mark = |annotations: Value| {
        let template = json!({"metadata": {"annotations": annotations}});
        let spec = json!({"selector": {}, "template": template});
        progress(
            WorkloadKind::Deployment,
            &workload(&json!({ "spec": spec })),
            "r1",
        )
        .mark
    };
    assert_eq!(mark(json!({ROTATION_ID: "r0,r1"})), Mark::Present);
    assert_eq!(mark(json!({ROTATION_ID: "r0"})), Mark::Replaced);
    assert_eq!(mark(json!({})), Mark::Removed);
}
