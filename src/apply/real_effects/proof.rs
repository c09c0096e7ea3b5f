use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use tokio::time::{Instant, sleep};

use super::RealEffects;
use crate::apply::{Proof, Refusal};
use crate::cluster::explain;
use crate::cluster::pods::selector;
use crate::cluster::rollout::{PodHealth, is_stale, pod_health, refusal_in, rollout, rotation_ids};
use crate::cluster::workload::Workload;
use crate::error::Result;
use crate::model::request::ProveMode;
use crate::model::{Rollout, WorkloadRef};

/// The time between two reads of a rollout.
const POLL: Duration = Duration::from_millis(500);

impl RealEffects<'_> {
    /// Reads the workloads until their rollouts, pods and logs show whether the
    /// credential of the rotation `id` works, or until the deadline.
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
            let mut some_unready = false;
            let mut by_hand = Vec::new();
            for workload in workloads {
                match self.observe(workload, id, &mut logs).await {
                    Ok(Observation::Complete(wanted)) => pods += wanted,
                    Ok(Observation::LeftByHand(text)) => by_hand.push(text),
                    Ok(Observation::Waiting { text, unready }) => {
                        some_unready |= unready;
                        missing.get_or_insert(text);
                    }
                    Ok(Observation::Refused(refusal)) => return Proof::Refused(refusal),
                    Ok(Observation::Changed(why)) => return Proof::Undecided(why),
                    Err(error) => {
                        missing.get_or_insert(error.to_string());
                    }
                }
            }
            let Some(missing) = missing else {
                return if by_hand.is_empty() {
                    Proof::Proved(evidence(pods, &logs))
                } else {
                    Proof::Undecided(by_hand.join("; "))
                };
            };
            waiting.on(&missing);
            if Instant::now() + POLL >= self.proof_ends {
                return if some_unready {
                    Proof::Refused(Refusal {
                        evidence: format!("{missing} at the deadline, although the previous pods were ready"),
                        pod: None,
                    })
                } else {
                    Proof::Undecided(format!("{missing} at the deadline"))
                };
            }
            sleep(POLL).await;
        }
    }

    /// The pods of older revisions that have to be deleted by hand. Those that
    /// were created after the write have the new token and may stay.
    async fn left_by_hand(
        &self,
        workload: &WorkloadRef,
        live: &Workload,
        count: i32,
        id: &str,
    ) -> Observation {
        let written = self.secret.written().unwrap_or_else(|| self.cluster.now());
        let pods = self.pods_of(live).await;
        let stale: Option<Vec<Pod>> = pods.ok().map(|mut pods| {
            pods.retain(|pod| is_stale(pod, id, written) != Some(false));
            pods
        });
        let command = match &stale {
            Some(pods) if pods.is_empty() => return Observation::Complete(live.wanted()),
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
            None => "the API server did not list them".to_owned(),
        };
        let count = stale.map_or_else(|| usize::try_from(count).unwrap_or_default(), |pods| pods.len());
        let keep = match count {
            1 => format!("1 pod of {workload} keeps the previous token until it is deleted"),
            _ => format!("{count} pods of {workload} keep the previous token until they are deleted"),
        };
        Observation::LeftByHand(format!("{keep}: {command}"))
    }

    /// The evidence of one workload and its pods.
    async fn observe(&self, workload: &WorkloadRef, id: &str, logs: &mut Logs) -> Result<Observation> {
        let live = self.read_workload(workload).await?;
        if !live.marks().template.rotation_ids.contains(id) {
            return Ok(Observation::Changed(format!(
                "something else changed {workload} during the rollout"
            )));
        }
        let progress = rollout(&live);
        let was_ready = self.workloads.get(workload).is_some_and(|state| state.was_ready);
        let mut unready = false;
        if logs.may_read {
            match self.pods_of(&live).await {
                Err(kube::Error::Api(status)) if status.is_forbidden() => logs.forbidden(),
                Err(error) => return Err(explain(error, &format!("listing the pods of {workload}"))),
                Ok(pods) => {
                    for pod in pods.iter().filter(|pod| rotation_ids(pod).contains(id)) {
                        let health = pod_health(pod);
                        let name = pod.metadata.name.as_deref().unwrap_or_default();
                        unready |= health == PodHealth::Unready && was_ready;
                        if let Some(event) = self.refusal_of(pod, &health, &progress, logs).await {
                            return Ok(Observation::refused(name, &format!("pod {name} logs {event}")));
                        }
                        if let (PodHealth::Crashed(how), true) = (&health, was_ready) {
                            return Ok(Observation::refused(name, &format!("pod {name}: {how}")));
                        }
                    }
                }
            }
        }
        Ok(match progress {
            Rollout::Complete => Observation::Complete(live.wanted()),
            Rollout::Waiting(text) => Observation::Waiting {
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

    /// The event in a pod's log that shows a refusal of the credential. The log of
    /// a ready pod is read when the pod is first seen, and again when all are
    /// ready: readiness alone proves nothing.
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
                // A container that has just been replaced has no log yet.
                Err(error) => tracing::debug!("log of pod {name}: {error}"),
            }
        }
        None
    }
}

/// Which logs were read.
struct Logs {
    /// Whether to read logs: by the mode, and until the API server denies it.
    may_read: bool,
    /// The ready pods whose log was read.
    read: BTreeSet<String>,
    denied: bool,
}

impl Logs {
    fn forbidden(&mut self) {
        self.may_read = false;
        self.denied = true;
    }
}

/// What one read of a workload and its pods shows.
enum Observation {
    /// Everything is as it should be, with this number of pods.
    Complete(i32),
    /// Pods have to be deleted by hand.
    LeftByHand(String),
    Waiting {
        text: String,
        /// Whether a new pod started and is not ready, although previous ones were.
        unready: bool,
    },
    Refused(Refusal),
    /// The pod template no longer belongs to this rotation.
    Changed(String),
}

impl Observation {
    fn refused(pod: &str, evidence: &str) -> Self {
        Self::Refused(Refusal {
            evidence: evidence.to_owned(),
            pod: Some(pod.to_owned()),
        })
    }
}

/// The proof in words. It claims no more than was observed.
fn evidence(pods: i32, logs: &Logs) -> String {
    let ready = match pods {
        0 => return "no pod to prove: the workload is scaled to 0".to_owned(),
        1 => "1 new pod is ready".to_owned(),
        _ => format!("{pods} new pods are ready"),
    };
    if logs.may_read {
        format!("{ready}, and no log shows that Azure refused the token")
    } else if logs.denied {
        format!("{ready}; this user has no right to read the logs")
    } else {
        format!("{ready}; their logs were not read")
    }
}
