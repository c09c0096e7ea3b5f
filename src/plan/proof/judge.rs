use std::time::Duration;

use super::seen::{History, Pods, Seen};
use super::words::{Evidence, LogsSeen};
use crate::model::request::ProveMode;
use crate::model::{LogRead, Mark, PodHealth, Progress, Rollout};
use crate::plan::blocked::{quota, way_out};

/// How long a rollout may stand still before it counts as stuck: the API server
/// may refuse a pod for a moment, and another controller may still replace its
/// pods.
const GRACE: Duration = Duration::from_secs(10);

/// How long a new pod may take to start. A pod that was there for less time and is
/// not ready shows nothing.
const START: Duration = Duration::from_secs(15);

/// What a look shows, together with the earlier ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    Proved(Evidence),
    /// Azure refused the credential.
    Refused {
        evidence: String,
        /// The pod that shows it, if it is a single one.
        pod: Option<String>,
    },
    /// Waiting longer shows nothing, for the reason given.
    Undecided(String),
    /// For what is missing.
    Waiting(String),
}

/// Whether the judgement depends on the pods.
pub fn depends_on_pods(mode: ProveMode, progress: &Progress, at_deadline: bool) -> bool {
    mode == ProveMode::Logs
        || at_deadline
        || progress.is_overdue
        || progress.wanted == 0
        || progress.mark == Mark::Removed
        || matches!(progress.rollout, Rollout::LeftByHand(_))
}

/// Judges what was seen of one workload; at the deadline it never waits.
pub fn judge(seen: &Seen<'_>, history: &History, at_deadline: bool) -> Judgement {
    let judgement = match seen.refusal() {
        Some(refused) => return refused,
        None => seen.judge(history, at_deadline),
    };
    match judgement {
        Judgement::Waiting(missing) if at_deadline => {
            Judgement::Undecided(format!("{missing} at the deadline{}", seen.hindrance()))
        }
        other => other,
    }
}

impl Seen<'_> {
    /// The refusal that a new pod shows.
    fn refusal(&self) -> Option<Judgement> {
        self.new_pods().find_map(|pod| {
            let name = &pod.name;
            let evidence = match (&pod.log, &pod.health) {
                (LogRead::Refusal(event), _) => format!("pod {name} logs {event}"),
                (_, PodHealth::Crashing(how)) if self.was_ready => format!("pod {name}: {how}"),
                _ => return None,
            };
            Some(Judgement::Refused {
                evidence,
                pod: Some(name.clone()),
            })
        })
    }

    fn judge(&self, history: &History, at_deadline: bool) -> Judgement {
        let workload = self.workload;
        match self.progress.mark {
            Mark::Replaced => return Judgement::Undecided(self.changed()),
            Mark::Removed => return self.without_mark(history, at_deadline),
            Mark::Present => {}
        }
        match &self.progress.rollout {
            _ if self.progress.wanted == 0 => self.scaled_to_zero(history, at_deadline),
            Rollout::Complete => self.complete(None),
            Rollout::LeftByHand(count) => self.left_by_hand(*count),
            // No new pod is awaited.
            Rollout::Waiting(_) if self.progress.by_hand > 0 && self.only_stale_pods_are_unready() => {
                self.left_by_hand(self.progress.by_hand)
            }
            Rollout::Waiting(missing) => {
                let missing = format!("{workload}: {missing}");
                self.rolling(missing, history, at_deadline)
            }
        }
    }

    /// The pods are ready. That alone proves nothing: a gateway may be ready
    /// although Azure refused its credential, so the logs must have been read
    /// if that was wanted.
    fn complete(&self, note: Option<String>) -> Judgement {
        let wanted = usize::try_from(self.progress.wanted).unwrap_or_default();
        let proved = |pods, logs| Judgement::Proved(Evidence { pods, logs, note });
        let mut read = 0;
        match (self.mode, &self.pods) {
            (ProveMode::Rollout, Pods::Listed(_)) if self.progress.mark == Mark::Removed || wanted == 0 => {
                return proved(self.new_pods().count(), LogsSeen::NotWanted);
            }
            (ProveMode::Rollout, _) => return proved(wanted, LogsSeen::NotWanted),
            (ProveMode::Logs, Pods::Unread | Pods::Forbidden) => return proved(wanted, LogsSeen::Forbidden),
            (ProveMode::Logs, Pods::Listed(_)) => {}
        }
        for pod in self.new_pods() {
            match &pod.log {
                LogRead::Forbidden => return proved(wanted.max(1), LogsSeen::Forbidden),
                LogRead::Failed(why) => {
                    return Judgement::Waiting(format!("{}: the pods are ready, but {why}", self.workload));
                }
                LogRead::No if self.runs_gateway => {
                    return Judgement::Waiting(format!("the log of pod {} was not read", pod.name));
                }
                _ if pod.health != PodHealth::Ready => {
                    return Judgement::Waiting(format!("pod {} is not ready", pod.name));
                }
                _ => read += 1,
            }
        }
        match read {
            0 => Judgement::Waiting(format!("{}: no new pod is listed", self.workload)),
            _ => proved(read, LogsSeen::All),
        }
    }

    /// Pods have to be deleted by hand. Those that were created after the write
    /// have the new credential and may stay.
    fn left_by_hand(&self, count: i32) -> Judgement {
        let stale = self.stale_pods();
        match self.listed() {
            Some(_) if stale.is_empty() => self.complete(None),
            Some(_) => Judgement::Undecided(self.keep_previous(&stale)),
            None => {
                let count = usize::try_from(count).unwrap_or_default();
                let unlisted = || {
                    let keep = self.keeping(count, "deleted");
                    format!("{keep}: the API server did not list them")
                };
                Judgement::Undecided(self.below_partition(count).unwrap_or_else(unlisted))
            }
        }
    }

    fn only_stale_pods_are_unready(&self) -> bool {
        !self.stale_pods().is_empty() && self.new_pods().all(|pod| pod.health == PodHealth::Ready)
    }

    /// No pod of its own: those that match its selector count, whoever owns
    /// them. An Argo Rollout with `workloadRef` runs them from this template.
    fn scaled_to_zero(&self, history: &History, at_deadline: bool) -> Judgement {
        if self.listed().is_none() || self.staying().next().is_none() {
            return Judgement::Proved(Evidence {
                pods: 0,
                logs: LogsSeen::NotWanted,
                note: None,
            });
        }
        self.by_age(history, at_deadline, None)
    }

    /// Something removed the mark of the restart from the template. An operator
    /// that owns the template may do so; what it runs decides.
    fn without_mark(&self, history: &History, at_deadline: bool) -> Judgement {
        if self.staying().next().is_none() {
            return Judgement::Undecided(self.changed());
        }
        let note = match &self.progress.controller {
            Some(controller) => format!("{controller} removed the restart's annotation from its template"),
            None => "the restart's annotation was removed from the template".to_owned(),
        };
        self.by_age(history, at_deadline, Some(note))
    }

    /// Whether the pods that serve have the new credential, by their age.
    fn by_age(&self, history: &History, at_deadline: bool, note: Option<String>) -> Judgement {
        let stale = self.stale_pods();
        if stale.is_empty() {
            return match self.new_pods().find(|pod| pod.health != PodHealth::Ready) {
                Some(pod) => Judgement::Waiting(format!("{}: pod {} is not ready", self.workload, pod.name)),
                None => self.complete(note),
            };
        }
        let keep = self.keep_previous(&stale);
        if at_deadline || history.quiet >= GRACE {
            return Judgement::Undecided(match self.progress.mark {
                // To delete a pod would not give it what the template lacks.
                Mark::Removed if self.of_template => self.changed(),
                Mark::Removed => format!("{}; {keep}", self.changed()),
                Mark::Present | Mark::Replaced => keep,
            });
        }
        Judgement::Waiting(format!(
            "{}: {} pods are not replaced",
            self.workload,
            stale.len()
        ))
    }

    fn rolling(&self, missing: String, history: &History, at_deadline: bool) -> Judgement {
        let progress = &self.progress;
        if let Some(why) = &progress.blocked
            && (at_deadline || history.quiet >= GRACE)
            // Old pods that are ending make room.
            && (at_deadline || quota(why).is_none() || progress.pods >= progress.wanted)
        {
            let command = way_out(self.namespace, self.workload, why);
            let blocked = format!("the API server refuses the new pods of {}: {why}", self.workload);
            return Judgement::Undecided(format!("{blocked}; look at it: {command}"));
        }
        let since = if at_deadline {
            "at the deadline"
        } else {
            "after its progressDeadlineSeconds"
        };
        if (at_deadline || progress.is_overdue) && self.is_refused_by_time(history) {
            return Judgement::Refused {
                evidence: format!("{missing} {since}, although the previous pods were ready"),
                pod: None,
            };
        }
        Judgement::Waiting(missing)
    }

    /// Whether pods that are never ready show a refusal: previous ones were
    /// ready, no new one ever was, and nothing else is known to hinder them.
    fn is_refused_by_time(&self, history: &History) -> bool {
        let progress = &self.progress;
        if !self.was_ready || !self.runs_gateway || history.new_was_ready || progress.blocked.is_some() {
            return false;
        }
        if history.new_for < START && !progress.is_overdue {
            return false;
        }
        match self.pods {
            Pods::Listed(_) => {
                self.new_pods().next().is_some()
                    && self
                        .new_pods()
                        .all(|pod| matches!(pod.health, PodHealth::Unready | PodHealth::Crashing(_)))
            }
            Pods::Unread | Pods::Forbidden => progress.updated > 0 && progress.new_ready == Some(false),
        }
    }
}

#[cfg(test)]
mod tests;
