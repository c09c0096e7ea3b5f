//! The progress of a rollout: pure functions of objects from the API server.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::workload::Workload;
use crate::model::annotation::ROTATION_ID;
use crate::model::{Replacement, Rollout, RotationIds, WorkloadKind};

/// How much the clocks of a node and of the API server may differ.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(5);

/// Whether every wanted pod is of the newest revision and ready, by the rules
/// of `kubectl rollout status`.
pub fn rollout(workload: &Workload) -> Rollout {
    let status = &workload.status;
    let wanted = workload.wanted();
    if workload.metadata.generation > status.observed_generation {
        return Rollout::Waiting("the controller has not seen the change yet".to_owned());
    }
    let by_hand = left_by_hand(workload).min(wanted);
    if status.updated_replicas < wanted.saturating_sub(by_hand) {
        return Rollout::Waiting(format!("{} of {wanted} pods are new", status.updated_replicas));
    }
    let old = status.replicas.saturating_sub(status.updated_replicas);
    if old > by_hand {
        let left = old.saturating_sub(by_hand);
        let pods = if left == 1 { "pod is" } else { "pods are" };
        return Rollout::Waiting(format!("{left} old {pods} left"));
    }
    let ready = status.ready_replicas.min(status.available_replicas);
    if ready < wanted {
        return Rollout::Waiting(format!("{ready} of {wanted} pods are ready"));
    }
    if old > 0 {
        Rollout::LeftByHand(old)
    } else {
        Rollout::Complete
    }
}

/// How many pods the controller leaves at their old revision.
fn left_by_hand(workload: &Workload) -> i32 {
    let strategy = &workload.spec.update_strategy;
    match strategy.kind.as_deref() {
        Some("OnDelete") => i32::MAX,
        _ => strategy.rolling_update.partition,
    }
}

/// How the workload replaces its pods.
pub fn replacement(kind: WorkloadKind, workload: &Workload) -> Replacement {
    let strategy = &workload.spec.update_strategy;
    let rolling = &strategy.rolling_update;
    let no_surge = matches!(&rolling.max_surge, Some(IntOrString::Int(0)))
        || matches!(&rolling.max_surge, Some(IntOrString::String(text)) if text == "0%" || text == "0");
    match (strategy.kind.as_deref(), kind) {
        (Some("OnDelete"), _) => Replacement::ByHand("the strategy OnDelete".to_owned()),
        (Some("Recreate"), _) => {
            Replacement::Interrupting("all pods stop before new ones start (strategy Recreate)")
        }
        (_, WorkloadKind::StatefulSet) if rolling.partition > 0 => {
            Replacement::ByHand(format!("the partition {}", rolling.partition))
        }
        (_, WorkloadKind::StatefulSet) if workload.wanted() == 1 => {
            Replacement::Interrupting("its only pod stops before the new one starts")
        }
        (_, WorkloadKind::DaemonSet) if no_surge || rolling.max_surge.is_none() => {
            Replacement::Interrupting("on each node the old pod stops before the new one starts")
        }
        (_, WorkloadKind::Deployment) if no_surge => {
            Replacement::Interrupting("a pod stops before its replacement starts (maxSurge is 0)")
        }
        _ => Replacement::Rolling,
    }
}

/// The facts of a pod that show the age of the credential that it runs with.
#[derive(Clone, Debug, Default)]
pub struct PodAge {
    /// Whether it is being deleted or no container runs. Its next start reads
    /// the current credential.
    pub is_idle: bool,
    /// The rotations whose restarts it was created by or after.
    pub rotation_ids: RotationIds,
    /// When it was created, by the API server's clock.
    pub created: Option<Timestamp>,
    /// When its container started, by its node's clock: a container reads the
    /// credential at its start. Of several containers, the first to start.
    pub started: Option<Timestamp>,
}

impl PodAge {
    /// The age of a pod, by the given container or by all of them.
    pub fn of(pod: &Pod, container: Option<&str>) -> Self {
        let status = pod.status.as_ref();
        let statuses = status.and_then(|status| status.container_statuses.as_deref());
        let selected: Vec<&ContainerStatus> = statuses
            .into_iter()
            .flatten()
            .filter(|status| container.is_none_or(|name| status.name == name))
            .collect();
        let runs =
            |status: &ContainerStatus| status.state.as_ref().is_some_and(|state| state.running.is_some());
        let never_started = status.and_then(|status| status.phase.as_deref()) == Some("Pending");
        let all_stopped = !selected.is_empty() && !selected.iter().any(|status| runs(status));
        let running = selected
            .iter()
            .filter_map(|container| Some(container.state.as_ref()?.running.as_ref()?.started_at.as_ref()?.0));
        let pod_start = || Some(status?.start_time.as_ref()?.0);
        Self {
            is_idle: pod.metadata.deletion_timestamp.is_some() || never_started || all_stopped,
            rotation_ids: rotation_ids(pod),
            created: pod.metadata.creation_timestamp.as_ref().map(|time| time.0),
            started: running.min().or_else(pod_start),
        }
    }

    /// Whether the pod runs with an older credential than the one written at
    /// `written` by the rotation `id`, if a rotation wrote it. A pod created
    /// after the write, by the API server's own clock, has read the new one,
    /// whatever its annotations are. Otherwise its rotation id decides, and
    /// without one, the start of its containers; `None` if that is unknown or
    /// too close to the write.
    pub fn is_stale(&self, id: Option<&str>, written: Timestamp) -> Option<bool> {
        if self.is_idle || self.created.is_some_and(|created| created > written) {
            return Some(false);
        }
        if let Some(id) = id
            && !self.rotation_ids.is_empty()
        {
            return Some(!self.rotation_ids.contains(id));
        }
        let after = self.started?.duration_since(written);
        (after.abs() > CLOCK_SKEW).then(|| after.is_negative())
    }
}

/// Whether a pod runs with an older credential than the one written at
/// `written` by the rotation `id`; see [`PodAge::is_stale`].
pub fn is_stale(pod: &Pod, id: &str, written: Timestamp) -> Option<bool> {
    PodAge::of(pod, None).is_stale(Some(id), written)
}

/// The rotations whose restarts the pod was created by or after.
pub fn rotation_ids(pod: &Pod) -> RotationIds {
    let annotations = pod.metadata.annotations.as_ref();
    let ids = annotations.and_then(|annotations| annotations.get(ROTATION_ID));
    ids.cloned().into()
}

/// The state of a new pod's containers, as a sign of whether the credential
/// works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodHealth {
    /// All containers are ready.
    Ready,
    /// It runs, but a container is not ready.
    Unready,
    /// A container exited on its own.
    Crashed(String),
    /// It never ran, for a reason other than the credential.
    NotStarted(String),
}

/// The health of one pod.
pub fn pod_health(pod: &Pod) -> PodHealth {
    let statuses: &[ContainerStatus] = pod
        .status
        .as_ref()
        .and_then(|status| status.container_statuses.as_deref())
        .unwrap_or_default();
    if statuses.is_empty() {
        return PodHealth::NotStarted("it is not scheduled, or its node has not started it".to_owned());
    }
    for status in statuses {
        let last_end = status
            .last_state
            .as_ref()
            .and_then(|state| state.terminated.as_ref());
        let end = status
            .state
            .as_ref()
            .and_then(|state| state.terminated.as_ref())
            .or(last_end);
        if let Some(end) = end.filter(|end| end.exit_code != 0) {
            return PodHealth::Crashed(format!(
                "container {} exited with code {}",
                status.name, end.exit_code
            ));
        }
    }
    for status in statuses {
        if let Some(waiting) = status.state.as_ref().and_then(|state| state.waiting.as_ref()) {
            let reason = waiting.reason.as_deref().unwrap_or("waiting");
            return PodHealth::NotStarted(format!("container {} is in {reason}", status.name));
        }
    }
    if statuses.iter().all(|status| status.ready) {
        PodHealth::Ready
    } else {
        PodHealth::Unready
    }
}

/// The event in a gateway's log that shows that Azure refused it its
/// configuration. The names come from reports of the gateway's users
/// (Azure/api-management-self-hosted-gateway issues 164, 269 and pull request
/// 371).
pub fn refusal_in(log: &str) -> Option<&'static str> {
    const EVENTS: [&str; 2] = ["ConfigurationApiV2NotAvailable", "ConfigInitialSyncFailed"];
    let named = EVENTS.into_iter().find(|event| log.contains(event));
    named.or_else(|| {
        log.contains("no valid authentication")
            .then_some("GatewayStartup: no valid authentication")
    })
}

#[cfg(test)]
mod tests;
