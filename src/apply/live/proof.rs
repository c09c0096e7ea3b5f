//! The proof of a credential: what the rollout, the pods and their logs say.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use tokio::time::{Instant, sleep};

use super::Live;
use crate::apply::{Proof, Refusal};
use crate::cli::ProveMode;
use crate::cluster::explain;
use crate::cluster::pods::selector;
use crate::cluster::rollout::{PodHealth, is_stale, pod_health, refusal_in, rollout, rotation_id};
use crate::cluster::workload::Workload;
use crate::error::Result;
use crate::model::{Rollout, WorkloadRef};

/// How often a rollout is looked at.
const POLL: Duration = Duration::from_millis(500);

impl Live<'_> {
    /// Watches the workloads until their pods speak for or against the
    /// credential of the rotation `id`, or the deadline comes.
    pub(super) async fn proof(&self, workloads: &[WorkloadRef], id: &str) -> Proof {
        let mut logs = Logs {
            may_read: self.prove == ProveMode::Logs,
            read: BTreeSet::new(),
            denied: false,
        };
        let waiting = self.output.waiting();
        loop {
            let mut pods = 0;
            let mut missing = None;
            let mut suspicious = false;
            let mut left = Vec::new();
            for workload in workloads {
                match self.look_at(workload, id, &mut logs).await {
                    Ok(Look::Complete(wanted)) => pods += wanted,
                    Ok(Look::Left(text)) => left.push(text),
                    Ok(Look::Waiting { text, unready }) => {
                        suspicious |= unready;
                        missing.get_or_insert(text);
                    }
                    Ok(Look::Refused(refusal)) => return Proof::Refused(refusal),
                    Ok(Look::Gone(why)) => return Proof::Undecided(why),
                    Err(error) => {
                        missing.get_or_insert(error.to_string());
                    }
                }
            }
            let Some(missing) = missing else {
                return if left.is_empty() {
                    Proof::Proved(evidence(pods, &logs))
                } else {
                    Proof::Undecided(left.join("; "))
                };
            };
            waiting.on(&missing);
            if Instant::now() + POLL >= self.proof_ends {
                return if suspicious {
                    Proof::Refused(Refusal {
                        evidence: format!("{missing} at the deadline, though the old ones were ready"),
                        pod: None,
                    })
                } else {
                    Proof::Undecided(format!("{missing} at the deadline"))
                };
            }
            sleep(POLL).await;
        }
    }

    /// What is left for somebody to delete; nothing where the pods of older
    /// revisions were created after the write and so have the new token.
    async fn left_by_hand(&self, workload: &WorkloadRef, live: &Workload, count: i32, id: &str) -> Look {
        let written = self.secret.marks.rotated_at.unwrap_or_else(|| self.cluster.now());
        let pods = self.pods_of(live).await;
        let stale: Option<Vec<Pod>> = pods.ok().map(|mut pods| {
            pods.retain(|pod| is_stale(pod, id, written) != Some(false));
            pods
        });
        let command = match &stale {
            Some(pods) if pods.is_empty() => return Look::Complete(live.wanted()),
            Some(pods) => {
                let names: Vec<&str> = pods
                    .iter()
                    .filter_map(|pod| pod.metadata.name.as_deref())
                    .collect();
                format!(
                    "kubectl -n {} delete pod {}",
                    self.cluster.namespace,
                    names.join(" ")
                )
            }
            None => "this user may not see which".to_owned(),
        };
        let count = stale.map_or_else(|| count.to_string(), |pods| pods.len().to_string());
        Look::Left(format!(
            "{count} pods of {workload} keep the old token until they are deleted: {command}"
        ))
    }

    /// The evidence of one workload's pods, and what is still missing.
    async fn look_at(&self, workload: &WorkloadRef, id: &str, logs: &mut Logs) -> Result<Look> {
        let live = self.read_workload(workload).await?;
        if live.marks().rotation_id.as_deref() != Some(id) {
            return Ok(Look::Gone(format!(
                "{workload} was changed by something else meanwhile"
            )));
        }
        let progress = rollout(&live);
        let was_ready = self.workloads.get(workload).is_some_and(|known| known.was_ready);
        let mut unready = false;
        if logs.may_read {
            match self.pods_of(&live).await {
                Err(kube::Error::Api(status)) if status.is_forbidden() => logs.forbidden(),
                Err(error) => return Err(explain(error, &format!("listing the pods of {workload}"))),
                Ok(pods) => {
                    for pod in pods.iter().filter(|pod| rotation_id(pod) == Some(id)) {
                        let health = pod_health(pod);
                        let name = pod.metadata.name.as_deref().unwrap_or_default();
                        unready |= health == PodHealth::Unready && was_ready;
                        if let Some(event) = self.refusal_of(pod, &health, &progress, logs).await {
                            return Ok(Look::refused(name, &format!("pod {name} logs {event}")));
                        }
                        if let (PodHealth::Crashed(how), true) = (&health, was_ready) {
                            return Ok(Look::refused(name, &format!("pod {name}: {how}")));
                        }
                    }
                }
            }
        }
        Ok(match progress {
            Rollout::Complete => Look::Complete(live.wanted()),
            Rollout::Waiting(text) => Look::Waiting {
                text: format!("{workload}: {text}"),
                unready,
            },
            Rollout::LeftByHand(count) => self.left_by_hand(workload, &live, count, id).await,
        })
    }

    async fn pods_of(&self, live: &Workload) -> Result<Vec<Pod>, kube::Error> {
        match selector(&live.spec.selector) {
            Some(selector) => self.cluster.pods(&selector).await,
            None => Ok(Vec::new()),
        }
    }

    /// What a pod's log says against the credential. A ready pod is read when
    /// it is first seen, and again when all are ready: readiness alone proves
    /// nothing.
    async fn refusal_of(
        &self,
        pod: &Pod,
        health: &PodHealth,
        progress: &Rollout,
        logs: &mut Logs,
    ) -> Option<&'static str> {
        let name = pod.metadata.name.clone()?;
        let wanted = match health {
            PodHealth::NotStarted(_) => false,
            PodHealth::Ready => logs.read.insert(name.clone()) || *progress == Rollout::Complete,
            PodHealth::Unready | PodHealth::Crashed(_) => true,
        };
        if !wanted || !logs.may_read {
            return None;
        }
        for container in pod.spec.iter().flat_map(|spec| &spec.containers) {
            match self.cluster.log(&name, &container.name).await {
                Ok(log) => {
                    if let Some(event) = refusal_in(&log) {
                        return Some(event);
                    }
                }
                Err(kube::Error::Api(status)) if status.is_forbidden() => logs.forbidden(),
                // A container that is just being replaced has no log yet.
                Err(error) => tracing::debug!("log of pod {name}: {error}"),
            }
        }
        None
    }
}

/// Whether and which logs were read.
struct Logs {
    may_read: bool,
    read: BTreeSet<String>,
    denied: bool,
}

impl Logs {
    fn forbidden(&mut self) {
        self.may_read = false;
        self.denied = true;
    }
}

/// One look at a workload.
enum Look {
    Complete(i32),
    Left(String),
    Waiting { text: String, unready: bool },
    Refused(Refusal),
    Gone(String),
}

impl Look {
    fn refused(pod: &str, evidence: &str) -> Self {
        Self::Refused(Refusal {
            evidence: evidence.to_owned(),
            pod: Some(pod.to_owned()),
        })
    }
}

/// The proof in words, no larger than what was seen.
fn evidence(pods: i32, logs: &Logs) -> String {
    let ready = match pods {
        0 => return "no pod to prove: the workload is scaled to 0".to_owned(),
        1 => "1 new pod is ready".to_owned(),
        _ => format!("{pods} new pods are ready"),
    };
    if logs.may_read {
        format!("{ready}, and no log says that Azure refused the token")
    } else if logs.denied {
        format!("{ready}; their logs may not be read by this user")
    } else {
        format!("{ready}; their logs were not read")
    }
}
