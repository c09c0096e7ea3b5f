//! Results as Kubernetes Events. A failure to write one never changes the
//! result of a run.

use std::cell::RefCell;

use futures::{StreamExt, stream};
use jiff::Timestamp;

use crate::cluster::{Cluster, explain};
use crate::discover::TargetFacts;
use crate::environment::Environment;
use crate::error::Error;
use crate::model::{Event, Subject, WorkloadRef, counted};
use crate::output::Output;
use crate::report::RotationReport;

/// The number of concurrent requests.
const CONCURRENCY: usize = 16;

/// The Events of a run.
pub(super) struct Events {
    /// The reporting instance: the pod or host. `None` if no Events were
    /// requested.
    instance: Option<String>,
    /// Not written yet.
    pending: RefCell<Vec<(Cluster, Subject, Event)>>,
    /// Errors of failed writes.
    failures: RefCell<Vec<Error>>,
}

impl Events {
    pub(super) fn new(wanted: bool, environment: &Environment) -> Self {
        Self {
            instance: wanted.then(|| host(environment)),
            pending: RefCell::default(),
            failures: RefCell::default(),
        }
    }

    /// Records the Events of a result, for each workload that runs the gateway.
    pub(super) fn record(&self, cluster: &Cluster, found: &TargetFacts, report: &RotationReport) {
        let snapshot = &found.snapshot;
        let gateways = found.gateways();
        let workloads = snapshot.workloads.iter().map(|facts| &facts.version);
        let previous = snapshot.secret.claims().map(|claims| claims.expires_at);
        for version in workloads.filter(|version| gateways.contains(&version.workload)) {
            let subject = Subject {
                namespace: snapshot.namespace.clone(),
                workload: version.workload.clone(),
                uid: Some(version.uid.clone()),
            };
            self.record_for(cluster, &subject, previous, report);
        }
    }

    /// Records the Events of a result for a workload that was not read.
    pub(super) fn record_unread(&self, cluster: &Cluster, workload: &WorkloadRef, report: &RotationReport) {
        let subject = Subject {
            namespace: report.namespace().to_owned(),
            workload: workload.clone(),
            uid: None,
        };
        self.record_for(cluster, &subject, None, report);
    }

    fn record_for(
        &self,
        cluster: &Cluster,
        subject: &Subject,
        previous: Option<Timestamp>,
        report: &RotationReport,
    ) {
        if self.instance.is_none() {
            return;
        }
        let events = report.events(previous, cluster.now()).into_iter();
        let pending = events.map(|event| (cluster.clone(), subject.clone(), event));
        self.pending.borrow_mut().extend(pending);
    }

    /// Writes the Events that were recorded.
    pub(super) async fn write(&self) {
        let Some(instance) = &self.instance else {
            return;
        };
        let pending = self.pending.take();
        let mut writes = stream::iter(pending)
            .map(async |(cluster, subject, event)| {
                let written = cluster.publish(&event, &subject, instance).await;
                let doing = || {
                    format!(
                        "writing an Event on {} in namespace {}",
                        subject.workload, subject.namespace
                    )
                };
                written.map_err(|error| explain(error, &doing()))
            })
            .buffer_unordered(CONCURRENCY);
        while let Some(written) = writes.next().await {
            self.failures.borrow_mut().extend(written.err());
        }
    }

    /// Writes the remaining Events and prints one warning if any write failed.
    pub(super) async fn finish(&self, output: &Output) {
        self.write().await;
        let failures = self.failures.take();
        let Some(first) = failures.first() else {
            return;
        };
        let others = match failures.len() - 1 {
            0 => String::new(),
            others => format!(" (and {})", counted(others, "other Event", "other Events")),
        };
        output.warning(&format!("{first}{others}"));
        for hint in first.hints() {
            output.hint(hint);
        }
    }
}

/// The host name, which is the name of the pod in a pod.
fn host(environment: &Environment) -> String {
    let variable = environment.get("HOSTNAME").map(str::to_owned);
    let system = || hostname::get().ok()?.into_string().ok();
    let name = variable.or_else(system).filter(|name| !name.is_empty());
    name.unwrap_or_else(|| "unknown".to_owned())
}
