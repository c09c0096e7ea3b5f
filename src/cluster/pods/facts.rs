//! What pods and their logs show about a credential.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

use crate::cluster::rollout::{is_stale, rotation_ids};
use crate::model::{LogRead, PodFacts, PodHealth, cleaned};

/// The label that Argo Rollouts puts on the pods of a Rollout.
const ROLLOUT_HASH: &str = "rollouts-pod-template-hash";

/// The reasons of a container that could not be started at all.
const NOT_STARTED: [&str; 3] = ["ContainerCannotRun", "StartError", "ContainerStatusUnknown"];

/// SIGKILL and SIGTERM: something else ended the container.
const KILLED: [i32; 2] = [137, 143];

/// The facts of a pod about the credential that the rotation `id` wrote at
/// `written`. Of its containers only those of the gateway count; without any,
/// nothing in it presents the credential.
pub fn pod_facts(pod: &Pod, id: &str, written: Timestamp, gateways: &[String]) -> PodFacts {
    let meta = &pod.metadata;
    let status = pod.status.as_ref();
    let created = meta.creation_timestamp.as_ref().map(|time| time.0);
    let is_disrupted = status
        .and_then(|status| status.conditions.as_ref())
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "DisruptionTarget" && condition.status == "True");
    let has_ended = status.is_some_and(|status| {
        let is_lost = status.reason.as_deref() == Some("NodeLost");
        is_lost || matches!(status.phase.as_deref(), Some("Failed" | "Succeeded"))
    });
    PodFacts {
        name: meta.name.clone().unwrap_or_default(),
        is_marked: rotation_ids(pod).contains(id),
        is_younger: created.is_some_and(|created| created > written),
        stays: meta.deletion_timestamp.is_none() && !is_disrupted && !has_ended,
        is_stale: is_stale(pod, id, written),
        health: health(pod, gateways),
        log: LogRead::No,
        argo_rollout: argo_rollout(pod),
    }
}

fn health(pod: &Pod, gateways: &[String]) -> PodHealth {
    let status = pod.status.as_ref();
    let all = status.and_then(|status| status.container_statuses.as_deref());
    let all = all.unwrap_or_default();
    if gateways.is_empty() {
        return if !all.is_empty() && all.iter().all(|status| status.ready) {
            PodHealth::Ready
        } else {
            PodHealth::Hindered("it is not ready, and runs no gateway".to_owned())
        };
    }
    let own: Vec<&ContainerStatus> = all
        .iter()
        .filter(|status| gateways.contains(&status.name))
        .collect();
    if own.is_empty() {
        return PodHealth::Hindered(not_scheduled(pod));
    }
    let unready = own.into_iter().filter(|status| !status.ready);
    let found: Vec<PodHealth> = unready.map(container_health).collect();
    let crashing = |health: &PodHealth| matches!(health, PodHealth::Crashing(_));
    let hindered = |health: &PodHealth| matches!(health, PodHealth::Hindered(_));
    let worst = found.iter().find(|health| crashing(health));
    let worst = worst.or_else(|| found.iter().find(|health| hindered(health)));
    worst.or(found.first()).cloned().unwrap_or(PodHealth::Ready)
}

fn not_scheduled(pod: &Pod) -> String {
    let conditions = pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    conditions
        .filter(|condition| condition.type_ == "PodScheduled" && condition.status == "False")
        .find_map(|condition| condition.message.as_deref())
        .map_or_else(
            || "its node has not started it".to_owned(),
            |why| format!("it is not scheduled: {}", cleaned(why)),
        )
}

/// The health of a container that is not ready. A first crash may have other
/// causes, such as a network that was not there yet; the second one counts.
fn container_health(status: &ContainerStatus) -> PodHealth {
    let name = &status.name;
    let state = status.state.as_ref();
    let ended = state.and_then(|state| state.terminated.as_ref());
    let last_end = || status.last_state.as_ref()?.terminated.as_ref();
    if let Some(end) = ended.or_else(last_end) {
        let reason = end.reason.as_deref().unwrap_or_default();
        if reason == "OOMKilled" {
            return PodHealth::Hindered(format!("container {name} ran out of memory"));
        }
        if NOT_STARTED.contains(&reason) {
            return PodHealth::Hindered(format!("container {name} cannot be started ({reason})"));
        }
        let runs = state.is_some_and(|state| state.running.is_some());
        let ends = status.restart_count + i32::from(!runs);
        if end.exit_code != 0 && !KILLED.contains(&end.exit_code) && ends > 1 {
            return PodHealth::Crashing(format!(
                "container {name} keeps exiting with code {}",
                end.exit_code
            ));
        }
    }
    match state.and_then(|state| state.waiting.as_ref()) {
        Some(waiting) if waiting.reason.as_deref() != Some("CrashLoopBackOff") => {
            let reason = waiting.reason.as_deref().unwrap_or("waiting");
            PodHealth::Hindered(format!("container {name} is in {reason}"))
        }
        _ => PodHealth::Unready,
    }
}

/// The Rollout that owns a pod through a ReplicaSet of its own.
fn argo_rollout(pod: &Pod) -> Option<String> {
    let hash = pod.metadata.labels.as_ref()?.get(ROLLOUT_HASH)?;
    let owners = pod.metadata.owner_references.iter().flatten();
    owners
        .filter(|owner| owner.kind == "ReplicaSet")
        .find_map(|owner| owner.name.strip_suffix(hash.as_str())?.strip_suffix('-'))
        .map(str::to_owned)
}

/// The event in a gateway's log that shows that Azure refused it its
/// configuration. The names come from reports of the gateway's users
/// (Azure/api-management-self-hosted-gateway issues 164, 269 and pull request
/// 371).
pub fn refusal_in(log: &str) -> Option<Refused> {
    const EVENTS: [(&str, &str); 3] = [
        ("ConfigurationApiV2NotAvailable", "ConfigurationApiV2NotAvailable"),
        ("ConfigInitialSyncFailed", "ConfigInitialSyncFailed"),
        // The message begins with it.
        (
            "o valid authentication",
            "GatewayStartup: no valid authentication",
        ),
    ];
    EVENTS.into_iter().find_map(|(text, event)| {
        let (before, after) = log.split_once(text)?;
        let (after, is_whole) = match after.split_once('\n') {
            Some((line, _)) => (line, true),
            None => (after, false),
        };
        let before = before.rsplit('\n').next().unwrap_or_default();
        let event = match entra_code(before).or_else(|| entra_code(after)) {
            Some(code) => format!("{event} ({code})"),
            None => event.to_owned(),
        };
        Some(Refused { event, is_whole })
    })
}

/// What shows in a log that Azure refused a gateway.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    /// The event, and Entra's error code if it names one. Nothing else of the line is
    /// repeated, which may hold secrets.
    pub event: String,
    /// Whether the log has the line to its end.
    pub is_whole: bool,
}

/// An error code of Entra, such as `AADSTS7000215`.
fn entra_code(text: &str) -> Option<String> {
    const PREFIX: &str = "AADSTS";
    let (_, rest) = text.split_once(PREFIX)?;
    let digits: String = rest.chars().take(9).take_while(char::is_ascii_digit).collect();
    (!digits.is_empty()).then(|| format!("{PREFIX}{digits}"))
}

#[cfg(test)]
mod tests;
