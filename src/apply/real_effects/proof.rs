use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::{StreamExt, stream};
use tokio::time::{Instant, sleep, timeout_at};

use super::RealEffects;
use crate::apply::{Proof, Refusal};
use crate::cluster::pods::{pod_facts, selector};
use crate::cluster::rollout::progress;
use crate::cluster::workload::Workload;
use crate::cluster::{Cluster, explain};
use crate::model::request::ProveMode;
use crate::model::{LogRead, Mark, PodHealth, Rollout, WorkloadRef};
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

impl RealEffects<'_> {
    /// Reads the workloads until their rollouts, pods and logs show whether the
    /// credential of the rotation `id` works, or until the proof's end.
    pub(super) async fn proof(&self, workloads: &[WorkloadRef], id: &str) -> Proof {
        let begun = Instant::now();
        let mut look = Look {
            effects: self,
            cluster: self.cluster.clone(),
            id,
            may_read_logs: self.prove == ProveMode::Logs,
            may_list_pods: true,
            at_deadline: false,
            ends: self.proof_ends,
            read: BTreeSet::new(),
        };
        let mut histories: BTreeMap<&WorkloadRef, History> = BTreeMap::new();
        let was_proved = self.was_proved(id);
        let waiting = self.output.waiting();
        loop {
            look.begin();
            let mut looks = Vec::new();
            for workload in workloads {
                let seen = look.see(workload).await;
                if let Ok(seen) = &seen {
                    let history = histories.entry(workload).or_default();
                    history.add(seen, begun.elapsed());
                }
                looks.push((workload, seen));
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
                None if undecided.is_empty() => return Proof::Proved(evidence_text(&proved)),
                None => return Proof::Undecided(undecided.join("; ")),
            }
            sleep(POLL).await;
        }
    }

    /// Whether an earlier run has recorded that a gateway with a ready pod proved the
    /// credential.
    fn was_proved(&self, id: &str) -> bool {
        self.workloads.values().any(|state| {
            let runs_gateway = state.gateways.as_ref().is_none_or(|names| !names.is_empty());
            runs_gateway && state.was_ready && state.marks.proved.contains(id)
        })
    }
}

/// A look at the workloads and their pods.
struct Look<'a> {
    effects: &'a RealEffects<'a>,
    /// The cluster, with the end of the look as the deadline of its reads.
    cluster: Cluster,
    id: &'a str,
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
        self.at_deadline = now + POLL >= self.effects.proof_ends;
        self.ends = self.effects.proof_ends.max(now + LAST_LOOK);
        self.cluster = self.effects.cluster.clone().until(self.ends);
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

    async fn see<'s>(&mut self, workload: &'s WorkloadRef) -> Result<Seen<'s>, kube::Error>
    where
        'a: 's,
    {
        let effects = self.effects;
        let live = self.cluster.workload(workload).await?;
        let state = effects.workloads.get(workload);
        let gateways = match state.and_then(|state| state.gateways.clone()) {
            Some(names) => names,
            None => containers(&live),
        };
        let mut seen = Seen {
            namespace: &effects.cluster.namespace,
            workload,
            mode: effects.prove,
            was_ready: state.is_some_and(|state| state.was_ready),
            runs_gateway: !gateways.is_empty(),
            progress: progress(workload.kind, &live, self.id),
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
        let secret = &self.effects.secret;
        let written = secret.written().unwrap_or_else(|| self.cluster.now());
        match self.cluster.pods(&selector).await {
            Ok(pods) => {
                let facts = pods.iter().map(|pod| pod_facts(pod, self.id, written, gateways));
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
                pod.log = logs.remove(&pod.name).unwrap_or(LogRead::No);
            }
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
