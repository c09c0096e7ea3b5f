//! Results told as Kubernetes Events, which never decide how a run ends.

use std::cell::RefCell;

use futures::{StreamExt, stream};
use jiff::Timestamp;

use crate::cluster::{Cluster, explain};
use crate::discover::TargetFacts;
use crate::environment::Environment;
use crate::error::Error;
use crate::model::{Event, Subject, WorkloadRef};
use crate::output::Output;
use crate::report::RotationReport;

/// How many are written at a time.
const SIDE_BY_SIDE: usize = 16;

/// The Events of a run.
pub(super) struct Events {
    /// Who tells them: the pod or host. `None` where nobody asked for them.
    instance: Option<String>,
    /// Those that are not written yet.
    pending: RefCell<Vec<(Cluster, Subject, Event)>>,
    /// Why some could not be written.
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

    /// Takes down what a result is worth, on each workload that runs the
    /// gateway.
    pub(super) fn note(&self, cluster: &Cluster, found: &TargetFacts, report: &RotationReport) {
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
            self.note_on(cluster, &subject, previous, report);
        }
    }

    /// The same of a workload that was not looked into.
    pub(super) fn note_unread(&self, cluster: &Cluster, workload: &WorkloadRef, report: &RotationReport) {
        let subject = Subject {
            namespace: report.namespace().to_owned(),
            workload: workload.clone(),
            uid: None,
        };
        self.note_on(cluster, &subject, None, report);
    }

    fn note_on(
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

    /// Writes what was taken down.
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
            .buffer_unordered(SIDE_BY_SIDE);
        while let Some(written) = writes.next().await {
            self.failures.borrow_mut().extend(written.err());
        }
    }

    /// Writes the rest, and says once if any could not be written.
    pub(super) async fn end(&self, output: &Output) {
        self.write().await;
        let failures = self.failures.take();
        let Some(first) = failures.first() else {
            return;
        };
        let others = match failures.len() - 1 {
            0 => String::new(),
            1 => " (and 1 other Event)".to_owned(),
            others => format!(" (and {others} other Events)"),
        };
        output.warning(&format!("{first}{others}"));
        for hint in first.hints() {
            output.hint(hint);
        }
    }
}

/// The name of the pod, which is that of its host to all that run in it.
fn host(environment: &Environment) -> String {
    let told = environment.get("HOSTNAME").map(str::to_owned);
    let asked = || hostname::get().ok()?.into_string().ok();
    let name = told.or_else(asked).filter(|name| !name.is_empty());
    name.unwrap_or_else(|| "unknown".to_owned())
}
