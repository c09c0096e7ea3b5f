//! The status of a pod, put together from the reports about its containers.

use std::collections::HashMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::container::{Report, State};

/// The status as it is last reported, with when its conditions changed.
pub(crate) struct PodStatus {
    uid: String,
    started: Timestamp,
    address: String,
    conditions: HashMap<&'static str, (bool, Timestamp)>,
}

impl PodStatus {
    pub(crate) fn new(pod: &Pod, address: String) -> Self {
        Self {
            uid: pod.uid().unwrap_or_default(),
            started: Timestamp::now(),
            address,
            conditions: HashMap::new(),
        }
    }

    /// The status patch for the present reports, one for each container of the pod.
    pub(crate) fn patch(&mut self, pod: &Pod, spec: &PodSpec, reports: &[Report]) -> Value {
        let phase = phase(spec, reports);
        let ready = phase == "Running"
            && reports
                .iter()
                .all(|report| matches!(report.state, State::Running { ready: true, .. }));
        let reason = match phase {
            "Succeeded" => Some("PodCompleted"),
            "Failed" => Some("PodFailed"),
            _ if !ready => Some("ContainersNotReady"),
            _ => None,
        };
        let conditions = json!([
            { "type": "PodScheduled", "status": "True" },
            self.condition("PodReadyToStartContainers", true, None),
            self.condition("Initialized", true, None),
            self.condition("ContainersReady", ready, reason),
            self.condition("Ready", ready, reason),
        ]);
        let containers: Vec<_> = spec
            .containers
            .iter()
            .zip(reports)
            .map(|(c, report)| status(c, report))
            .collect();
        json!({
            // A pod of the same name but another uid must not get this status.
            "metadata": { "uid": self.uid },
            "status": {
                "phase": phase,
                "observedGeneration": pod.metadata.generation,
                "hostIP": "127.0.0.1",
                "hostIPs": [{ "ip": "127.0.0.1" }],
                "podIP": self.address,
                "podIPs": [{ "ip": self.address }],
                "startTime": seconds(self.started),
                "conditions": conditions,
                "initContainerStatuses": self.init_containers(spec),
                "containerStatuses": containers,
            },
        })
    }

    fn condition(&mut self, kind: &'static str, holds: bool, reason: Option<&str>) -> Value {
        let now = Timestamp::now();
        let entry = self.conditions.entry(kind).or_insert((holds, now));
        if entry.0 != holds {
            *entry = (holds, now);
        }
        json!({
            "type": kind,
            "status": if holds { "True" } else { "False" },
            "lastTransitionTime": seconds(entry.1),
            "reason": reason,
        })
    }

    /// Init containers have always done their work; sidecars among them run on.
    fn init_containers(&self, spec: &PodSpec) -> Vec<Value> {
        let containers = spec.init_containers.iter().flatten();
        containers
            .map(|container| {
                let started = self.started;
                let state = if container.restart_policy.as_deref() == Some("Always") {
                    State::Running { started, ready: true }
                } else {
                    State::Terminated {
                        started,
                        finished: started,
                        exit_code: 0,
                        message: String::new(),
                    }
                };
                let id = Some(format!("sandbox://{}-{}", self.uid, container.name));
                status(
                    container,
                    &Report {
                        state,
                        last: None,
                        restarts: 0,
                        id,
                    },
                )
            })
            .collect()
    }
}

/// The status patch for a pod whose containers all run since now and are ready.
pub(crate) fn running(pod: &Pod, spec: &PodSpec, address: String) -> Value {
    let mut status = PodStatus::new(pod, address);
    let started = status.started;
    let reports: Vec<_> = spec
        .containers
        .iter()
        .map(|container| Report {
            state: State::Running { started, ready: true },
            last: None,
            restarts: 0,
            id: Some(format!("sandbox://{}-{}", status.uid, container.name)),
        })
        .collect();
    status.patch(pod, spec, &reports)
}

fn status(container: &Container, report: &Report) -> Value {
    let image = container.image.as_deref().unwrap_or_default();
    let (running, ready) = match report.state {
        State::Running { ready, .. } => (true, ready),
        State::Terminated { exit_code: 0, .. } => (false, true),
        _ => (false, false),
    };
    json!({
        "name": container.name,
        "image": image,
        "imageID": report.id.as_ref().map_or(String::new(), |_| format!("sandbox://{image}")),
        "containerID": report.id,
        "ready": ready,
        "started": running,
        "restartCount": report.restarts,
        "state": state(&report.state, report.id.as_deref()),
        "lastState": report.last.as_ref().map_or(json!({}), |last| state(last, report.id.as_deref())),
    })
}

fn state(state: &State, id: Option<&str>) -> Value {
    match state {
        State::Waiting { reason, message } => json!({ "waiting": { "reason": reason, "message": message } }),
        State::Running { started, .. } => json!({ "running": { "startedAt": seconds(*started) } }),
        State::Terminated {
            started,
            finished,
            exit_code,
            message,
        } => json!({
            "terminated": {
                "exitCode": exit_code,
                "reason": if *exit_code == 0 { "Completed" } else { "Error" },
                "message": message,
                "startedAt": seconds(*started),
                "finishedAt": seconds(*finished),
                "containerID": id,
            },
        }),
    }
}

/// The kubelet's rule: a container that waits for its first start keeps the
/// pod pending, one that waits to be started again does not.
fn phase(spec: &PodSpec, reports: &[Report]) -> &'static str {
    let policy = spec.restart_policy.as_deref().unwrap_or("Always");
    let waits = |report: &Report| matches!(report.state, State::Waiting { .. });
    if reports
        .iter()
        .any(|report| waits(report) && report.last.is_none())
    {
        return "Pending";
    }
    let codes: Option<Vec<i32>> = reports
        .iter()
        .map(|report| match report.state {
            State::Terminated { exit_code, .. } => Some(exit_code),
            _ => None,
        })
        .collect();
    match codes {
        Some(codes) if policy != "Always" && codes.iter().all(|&code| code == 0) => "Succeeded",
        Some(_) if policy == "Never" => "Failed",
        _ => "Running",
    }
}

/// Times in a pod's status have whole seconds.
fn seconds(time: Timestamp) -> String {
    format!("{time:.0}")
}
