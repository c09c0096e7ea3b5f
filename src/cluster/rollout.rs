//! The progress of a rollout: pure functions of objects from the API server.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::workload::{Condition, Workload};
use crate::model::annotation::ROTATION_ID;
use crate::model::{Blocked, Mark, Progress, Replacement, Rollout, RotationIds, WorkloadKind};

/// How much the clocks of a node and of the API server may differ.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(5);

/// Whether every wanted pod is of the newest revision and ready, by the rules
/// of `kubectl rollout status`.
pub fn rollout(workload: &Workload) -> Rollout {
    if let Some(left) = still_replaces(workload) {
        return Rollout::Waiting(left);
    }
    let status = &workload.status;
    let wanted = workload.wanted();
    let old = status.replicas.saturating_sub(status.updated_replicas);
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

/// Why the controller has not replaced all pods yet that it replaces by itself; `None` if it
/// has, whether the new ones are ready or not.
pub fn still_replaces(workload: &Workload) -> Option<String> {
    let status = &workload.status;
    let wanted = workload.wanted();
    if workload.metadata.generation > status.observed_generation {
        return Some("the controller has not seen the change yet".to_owned());
    }
    let by_hand = by_hand(workload).min(wanted);
    if status.updated_replicas < wanted.saturating_sub(by_hand) {
        return Some(format!("{} of {wanted} pods are new", status.updated_replicas));
    }
    let old = status.replicas.saturating_sub(status.updated_replicas);
    (old > by_hand).then(|| {
        let left = old.saturating_sub(by_hand);
        let pods = if left == 1 { "pod is" } else { "pods are" };
        format!("{left} old {pods} left")
    })
}

/// How many old pods are left, if only somebody else replaces them: the controller has
/// replaced all that it replaces by itself.
fn left_by_hand(workload: &Workload) -> i32 {
    let status = &workload.status;
    let wanted = workload.wanted();
    let by_hand = by_hand(workload).min(wanted);
    let old = status.replicas.saturating_sub(status.updated_replicas);
    let is_seen = workload.metadata.generation <= status.observed_generation;
    let is_over = is_seen && status.updated_replicas >= wanted.saturating_sub(by_hand) && old <= by_hand;
    if is_over { old.max(0) } else { 0 }
}

/// What the workload itself shows about the restart by the rotation `id`.
pub fn progress(kind: WorkloadKind, workload: &Workload, id: &str) -> Progress {
    let status = &workload.status;
    let ids = workload.marks().template.rotation_ids;
    let mark = if ids.contains(id) {
        Mark::Present
    } else if ids.is_empty() {
        Mark::Removed
    } else {
        Mark::Replaced
    };
    let is_seen = workload.metadata.generation <= status.observed_generation;
    Progress {
        rollout: rollout(workload),
        by_hand: left_by_hand(workload),
        wanted: workload.wanted(),
        pods: status.replicas,
        updated: status.updated_replicas,
        ready: status.ready_replicas,
        new_ready: is_seen.then(|| new_ready(kind, workload)).flatten(),
        mark,
        blocked: blocked(workload).map(|blocked| blocked.reason),
        is_overdue: is_seen
            && condition(workload, "Progressing", "False")
                .is_some_and(|condition| condition.reason == "ProgressDeadlineExceeded"),
        controller: workload.metadata.controller(),
    }
}

/// Whether the API server refuses new pods of a Deployment. The other kinds do
/// not report it.
pub fn blocked(workload: &Workload) -> Option<Blocked> {
    if rollout(workload) == Rollout::Complete {
        return None;
    }
    let failure = condition(workload, "ReplicaFailure", "True")?;
    (failure.reason == "FailedCreate").then(|| Blocked {
        reason: failure.message.clone(),
        since: failure.last_transition_time.as_ref().map(|time| time.0),
    })
}

fn condition<'a>(workload: &'a Workload, kind: &str, status: &str) -> Option<&'a Condition> {
    let mut conditions = workload.status.conditions.iter();
    conditions.find(|condition| condition.kind == kind && condition.status == status)
}

/// Whether a pod of the newest revision is or was ready, by the counters alone:
/// they count ready pods of all revisions together. A controller replaces no
/// further pod before a new one is ready, so the number of replaced pods shows
/// it where more pods are old than ready.
fn new_ready(kind: WorkloadKind, workload: &Workload) -> Option<bool> {
    let status = &workload.status;
    let strategy = &workload.spec.update_strategy;
    let wanted = workload.wanted();
    let old = status.replicas - status.updated_replicas;
    if status.updated_replicas == 0 {
        return Some(false);
    }
    if status.ready_replicas > old {
        return Some(true);
    }
    // A new pod may be ready, but not for `minReadySeconds`.
    if status.ready_replicas != status.available_replicas {
        return None;
    }
    let limits = &strategy.rolling_update;
    let missing = limits.max_unavailable.as_ref();
    let none_ready = match kind {
        WorkloadKind::Deployment if strategy.kind.as_deref() == Some("Recreate") => true,
        WorkloadKind::Deployment => {
            let surge = limits
                .max_surge
                .as_ref()
                .map_or(1, |surge| share(surge, wanted, true));
            let missing = missing.map_or(0, |missing| share(missing, wanted, false));
            // Kubernetes never lets both be zero.
            let missing = if surge == 0 { missing.max(1) } else { missing };
            old >= wanted - missing
        }
        WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => {
            let missing = missing.map_or(1, |missing| share(missing, wanted, true));
            status.updated_replicas <= missing.max(1)
        }
    };
    none_ready.then_some(false)
}

/// A number of pods, or a share of them such as `25%`.
fn share(value: &IntOrString, of: i32, up: bool) -> i32 {
    match value {
        IntOrString::Int(number) => *number,
        IntOrString::String(text) => {
            let percent: i32 = text.trim_end_matches('%').parse().unwrap_or_default();
            let hundredths = of.saturating_mul(percent);
            hundredths.div_euclid(100) + i32::from(up && hundredths.rem_euclid(100) > 0)
        }
    }
}

/// How many pods the controller leaves at their old revision.
fn by_hand(workload: &Workload) -> i32 {
    match workload.spec.update_strategy.kind.as_deref() {
        Some("OnDelete") => i32::MAX,
        _ => partition(workload),
    }
}

/// The ordinal below which the pods of a StatefulSet keep their revision, even if they
/// are deleted; 0 if all get the newest one.
pub fn partition(workload: &Workload) -> i32 {
    let strategy = &workload.spec.update_strategy;
    match strategy.kind.as_deref() {
        Some("OnDelete") => 0,
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

/// Whether the workload is a StatefulSet whose controller replaces a pod only once that
/// is ready, so that somebody has to delete one that never is (kubernetes.io,
/// "StatefulSets", forced rollback).
pub fn is_ordered(kind: WorkloadKind, workload: &Workload) -> bool {
    kind == WorkloadKind::StatefulSet
        && by_hand(workload) == 0
        && workload.spec.pod_management_policy.as_deref() != Some("Parallel")
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

#[cfg(test)]
mod tests;
