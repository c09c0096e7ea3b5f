use super::seen::Seen;
use crate::model::{PodFacts, PodHealth};

/// Why a credential counts as proved in one workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// How many new pods are ready.
    pub pods: usize,
    pub logs: LogsSeen,
    /// What else has to be known.
    pub note: Option<String>,
}

/// What was read of the logs of the new pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogsSeen {
    /// All of them, and none shows a refusal.
    All,
    NotWanted,
    Forbidden,
}

/// The evidence of all workloads in words. It claims no more than was seen. `noun` is
/// the credential by its kind.
pub fn evidence_text(evidence: &[Evidence], noun: &str) -> String {
    let pods: usize = evidence.iter().map(|evidence| evidence.pods).sum();
    let logs = evidence.iter().filter(|evidence| evidence.pods > 0);
    let ready = match (pods, logs.map(|evidence| evidence.logs).max()) {
        (0, _) | (_, None) => "no pod to prove: the workload is scaled to 0".to_owned(),
        (_, Some(logs)) => {
            let ready = match pods {
                1 => "1 new pod is ready".to_owned(),
                _ => format!("{pods} new pods are ready"),
            };
            match logs {
                LogsSeen::All => format!("{ready}, and no log shows that Azure refused the {noun}"),
                LogsSeen::Forbidden => format!("{ready}; this user has no right to read the logs"),
                LogsSeen::NotWanted => format!("{ready}; their logs were not read"),
            }
        }
    };
    let notes = evidence.iter().filter_map(|evidence| evidence.note.as_deref());
    std::iter::once(ready.as_str())
        .chain(notes)
        .collect::<Vec<_>>()
        .join("; ")
}

impl Seen<'_> {
    /// What is known to hinder a new pod, to be added to a sentence.
    pub(super) fn hindrance(&self) -> String {
        let hindered = self.new_pods().find_map(|pod| match &pod.health {
            PodHealth::Hindered(why) => Some(format!("; pod {}: {why}", pod.name)),
            _ => None,
        });
        hindered.unwrap_or_default()
    }

    pub(super) fn changed(&self) -> String {
        let changed = format!("something else changed {} during the rollout", self.workload);
        match &self.progress.controller {
            Some(controller) => format!("{changed}; {controller} controls it"),
            None => changed,
        }
    }

    pub(super) fn keeping(&self, count: usize, done: &str) -> String {
        let (workload, noun) = (self.workload, self.noun);
        match count {
            1 => format!("1 pod of {workload} keeps the previous {noun} until it is {done}"),
            _ => format!("{count} pods of {workload} keep the previous {noun} until they are {done}"),
        }
    }

    /// The same for pods that are not replaced even if they are deleted.
    pub(super) fn below_partition(&self, count: usize) -> Option<String> {
        (self.of_template && self.partition > 0).then(|| {
            format!(
                "{}, which the partition {} prevents: {}",
                self.keeping(count, "replaced"),
                self.partition,
                self.workload.without_partition(self.namespace)
            )
        })
    }

    /// Which pods keep the previous credential, and the command that replaces
    /// them.
    pub(super) fn keep_previous(&self, stale: &[&PodFacts]) -> String {
        if let Some(text) = self.below_partition(stale.len()) {
            return text;
        }
        let namespace = self.namespace;
        let (mut rollouts, mut others): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        for pod in stale {
            match &pod.argo_rollout {
                Some(rollout) => rollouts.push(rollout),
                None => others.push(&pod.name),
            }
        }
        rollouts.sort_unstable();
        rollouts.dedup();
        let done = if rollouts.is_empty() {
            "deleted"
        } else {
            "restarted"
        };
        let mut commands: Vec<String> = rollouts
            .iter()
            .map(|name| format!("kubectl argo rollouts restart {name} -n {namespace}"))
            .collect();
        if !others.is_empty() {
            commands.push(format!("kubectl -n {namespace} delete pod {}", others.join(" ")));
        }
        format!("{}: {}", self.keeping(stale.len(), done), commands.join(" && "))
    }
}
