//! The proof of a credential by the pods that were started with it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::{StreamExt, stream};
use jiff::Timestamp;
use tokio::time::{Instant, sleep, timeout_at};

use super::{Proof, Refusal};
use crate::cluster::pods::{pod_facts, selector};
use crate::cluster::rollout::{partition, progress};
use crate::cluster::workload::Workload;
use crate::cluster::{Cluster, explain};
use crate::model::request::ProveMode;
use crate::model::{LogRead, Mark, PodHealth, Rollout, WorkloadRef};
use crate::output::Output;
use crate::plan::{History, Judgement, Pods, Seen, depends_on_pods, evidence_text, judge};

/// The time between two looks at a rollout.
const POLL: Duration = Duration::from_millis(500);

/// How long the read of one log may take.
const LOG_READ: Duration = Duration::from_secs(10);

/// How long the reads of the last look may take, which begins at the proof's
/// end.
const LAST_LOOK: Duration = Duration::from_secs(2);

/// How many logs are read at the same time.
const PARALLEL_LOGS: usize = 8;

/// A workload whose new pods show whether a credential works.
#[derive(Clone, Debug)]
pub struct ProvedWorkload {
    pub workload: WorkloadRef,
    /// Whether a pod was ready before.
    pub was_ready: bool,
    /// The containers that run the gateway; `None` if that is unknown.
    pub gateways: Option<Vec<String>>,
    /// Whether an earlier run has recorded that a gateway with a ready pod proved the
    /// credential.
    pub was_proved: bool,
}

/// When a refusal in the log of a pod counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogCounts {
    Always,
    /// From then on, and only if the pod is not ready: what a new assignment has to allow
    /// is refused at first, which the log still shows afterwards.
    From(Instant),
}

/// Watches the new pods of workloads.
pub struct Prover<'a> {
    pub cluster: &'a Cluster,
    pub output: &'a Output,
    pub workloads: &'a [ProvedWorkload],
    /// The rotation id in the annotations of the new pods.
    pub id: &'a str,
    /// When the credential was written, by the API server's clock.
    pub written: Timestamp,
    pub mode: ProveMode,
    /// The credential by its kind, such as `token`.
    pub noun: &'static str,
    pub log_counts: LogCounts,
    /// Whether the pod template itself has changed: an old pod that starts again lacks that.
    pub of_template: bool,
    pub ends: Instant,
}

impl Prover<'_> {
    /// Reads the workloads until their rollouts, pods and logs show whether the
    /// credential works, or until the end.
    pub async fn prove(&self) -> Proof {
        let begun = Instant::now();
        let mut look = Look {
            prover: self,
            cluster: self.cluster.clone(),
            may_read_logs: self.mode == ProveMode::Logs,
            may_list_pods: true,
            at_deadline: false,
            ends: self.ends,
            read: BTreeSet::new(),
        };
        let mut histories: BTreeMap<&WorkloadRef, History> = BTreeMap::new();
        let was_proved = self.workloads.iter().any(|it| it.was_proved);
        let waiting = self.output.waiting();
        loop {
            look.begin();
            let mut looks = Vec::new();
            for workload in self.workloads {
                let seen = look.see(workload).await;
                if let Ok(seen) = &seen {
                    let history = histories.entry(&workload.workload).or_default();
                    history.add(seen, begun.elapsed());
                }
                looks.push((&workload.workload, seen));
            }
            History::share(histories.values_mut(), was_proved);
            let mut proved = Vec::new();
            let mut undecided = Vec::new();
            let mut missing = None;
            for (workload, seen) in looks {
                let history = histories.entry(workload).or_default();
                match look.judge(workload, seen, history) {
                    Judgement::Proved(evidence) => proved.push(evidence),
                    Judgement::Undecided(why) => undecided.push(why),
                    Judgement::Waiting(why) => drop(missing.get_or_insert(why)),
                    Judgement::Refused { evidence, pod } => {
                        return Proof::Refused(Refusal { evidence, pod });
                    }
                }
            }
            match missing {
                Some(missing) => waiting.on(&missing),
                None if undecided.is_empty() => return Proof::Proved(evidence_text(&proved, self.noun)),
                None => return Proof::Undecided(undecided.join("; ")),
            }
            sleep(POLL).await;
        }
    }
}

/// A look at the workloads and their pods.
struct Look<'a> {
    prover: &'a Prover<'a>,
    /// The cluster, with the end of the look as the deadline of its reads.
    cluster: Cluster,
    /// Whether to read logs: by the mode, and until the API server denies it.
    may_read_logs: bool,
    may_list_pods: bool,
    /// Whether it is the last look.
    at_deadline: bool,
    /// When its reads end.
    ends: Instant,
    /// The ready pods whose log was read.
    read: BTreeSet<String>,
}

impl<'a> Look<'a> {
    fn begin(&mut self) {
        let now = Instant::now();
        self.at_deadline = now + POLL >= self.prover.ends;
        self.ends = self.prover.ends.max(now + LAST_LOOK);
        self.cluster = self.prover.cluster.clone().until(self.ends);
    }

    /// Looks at one workload, and judges it.
    fn judge(
        &self,
        workload: &WorkloadRef,
        seen: Result<Seen<'_>, kube::Error>,
        history: &History,
    ) -> Judgement {
        match seen {
            Ok(seen) => judge(&seen, history, self.at_deadline),
            Err(kube::Error::Api(status)) if status.is_not_found() => {
                Judgement::Undecided(format!("{workload} was deleted during the rollout"))
            }
            Err(error) => {
                let error = explain(error, &format!("reading {workload} and its pods"));
                if self.at_deadline {
                    Judgement::Undecided(format!("{error} at the deadline"))
                } else {
                    Judgement::Waiting(error.to_string())
                }
            }
        }
    }

    async fn see(&mut self, proved: &'a ProvedWorkload) -> Result<Seen<'a>, kube::Error> {
        let workload = &proved.workload;
        let live = self.cluster.workload(workload).await?;
        let gateways = match &proved.gateways {
            Some(names) => names.clone(),
            None => containers(&live),
        };
        let mut seen = Seen {
            namespace: &self.prover.cluster.namespace,
            workload,
            mode: self.prover.mode,
            noun: self.prover.noun,
            was_ready: proved.was_ready,
            runs_gateway: !gateways.is_empty(),
            of_template: self.prover.of_template,
            partition: partition(&live),
            progress: progress(workload.kind, &live, self.prover.id),
            pods: Pods::Unread,
        };
        if depends_on_pods(seen.mode, &seen.progress, self.at_deadline) {
            seen.pods = self.pods(&live, &gateways).await?;
            self.read_logs(&mut seen, &gateways).await;
        }
        Ok(seen)
    }

    async fn pods(&mut self, live: &Workload, gateways: &[String]) -> Result<Pods, kube::Error> {
        let Some(selector) = selector(&live.spec.selector) else {
            return Ok(Pods::Listed(Vec::new()));
        };
        if !self.may_list_pods {
            return Ok(Pods::Forbidden);
        }
        let (id, written) = (self.prover.id, self.prover.written);
        match self.cluster.pods(&selector).await {
            Ok(pods) => {
                let facts = pods.iter().map(|pod| {
                    let mut facts = pod_facts(pod, id, written, gateways);
                    if self.prover.of_template {
                        facts.is_stale = Some(!facts.is_marked && !facts.is_younger);
                    }
                    facts
                });
                Ok(Pods::Listed(facts.collect()))
            }
            Err(kube::Error::Api(status)) if status.is_forbidden() => {
                self.may_list_pods = false;
                Ok(Pods::Forbidden)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads the logs of the new pods. That of a ready pod is read when the pod
    /// is first seen, and again when all are ready: readiness alone proves
    /// nothing.
    async fn read_logs(&mut self, seen: &mut Seen<'_>, gateways: &[String]) {
        if seen.mode != ProveMode::Logs {
            return;
        }
        let is_last = seen.progress.mark != Mark::Present
            || seen.progress.wanted == 0
            || !matches!(seen.progress.rollout, Rollout::Waiting(_));
        let wanted: Vec<String> = seen
            .new_pods()
            .filter(|pod| match pod.health {
                PodHealth::Hindered(_) => false,
                PodHealth::Ready => is_last || !self.read.contains(&pod.name),
                PodHealth::Unready | PodHealth::Crashing(_) => true,
            })
            .map(|pod| pod.name.clone())
            .collect();
        let mut logs: BTreeMap<String, LogRead> = if self.may_read_logs {
            let reads = wanted.into_iter().map(async |pod| {
                let log = self.log(&pod, gateways).await;
                (pod, log)
            });
            stream::iter(reads)
                .buffer_unordered(PARALLEL_LOGS)
                .collect()
                .await
        } else {
            wanted.into_iter().map(|pod| (pod, LogRead::Forbidden)).collect()
        };
        self.may_read_logs &= !logs.values().any(|log| *log == LogRead::Forbidden);
        let clean = logs.iter().filter(|(_, log)| **log == LogRead::Clean);
        self.read.extend(clean.map(|(pod, _)| pod.clone()));
        if let Pods::Listed(pods) = &mut seen.pods {
            for pod in pods {
                let log = logs.remove(&pod.name).unwrap_or(LogRead::No);
                pod.log = self.counted(log, &pod.health);
            }
        }
    }

    /// What was read, as far as it counts.
    fn counted(&self, log: LogRead, health: &PodHealth) -> LogRead {
        match (&log, self.prover.log_counts) {
            (LogRead::Refusal(_), LogCounts::From(then))
                if Instant::now() < then || *health == PodHealth::Ready =>
            {
                LogRead::Clean
            }
            _ => log,
        }
    }

    /// What the logs of the gateway's containers in a pod show.
    async fn log(&self, pod: &str, gateways: &[String]) -> LogRead {
        let mut worst = LogRead::Clean;
        for container in gateways {
            let ends = self.ends.min(Instant::now() + LOG_READ);
            match timeout_at(ends, self.cluster.refusal_in_log(pod, container)).await {
                Ok(Ok(Some(event))) => return LogRead::Refusal(event),
                Ok(Ok(None)) => {}
                Ok(Err(kube::Error::Api(status))) if status.is_forbidden() => worst = LogRead::Forbidden,
                Ok(Err(error)) => {
                    let doing = format!("reading the log of pod {pod}");
                    worst = LogRead::Failed(explain(error, &doing).to_string());
                }
                Err(_) => {
                    worst = LogRead::Failed(format!("reading the log of pod {pod}: no answer in time"));
                }
            }
        }
        worst
    }
}

/// All containers of a workload, where it is unknown which of them run the
/// gateway.
fn containers(live: &Workload) -> Vec<String> {
    let containers = live.pod_spec().map(|spec| &spec.containers);
    let names = containers.into_iter().flatten();
    names.map(|container| container.name.clone()).collect()
}
