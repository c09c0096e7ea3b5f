//! Rotates the gateways of a fleet.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use futures::{StreamExt, stream};
use tokio::time::Instant;

use super::Fleet;
use super::look_up::CONCURRENCY;
use crate::commands::rotate::parallel::{Limits, run_all};
use crate::commands::rotate::pending::PendingRotation;
use crate::commands::rotate::run::{Azure, Run, Target};
use crate::commands::sign_in::Preparation;
use crate::model::request::{DryRun, TargetRequest};
use crate::model::{Source, Sourced};
use crate::plan::{Place, Trial, Trials};
use crate::report::RotationReport;

impl Fleet<'_> {
    /// Rotates the canaries one after the other, then the others concurrently.
    pub(super) async fn rotate(&mut self, azure: &Azure, mut pending: Vec<PendingRotation>) {
        let total = pending.len();
        let mut trials = match self.settings.dry_run {
            DryRun::None => {
                let max_failures = self.options.max_failures.unwrap_or((total / 50).max(1));
                Trials::new(self.options.canary, max_failures)
            }
            // A dry run can break nothing, so it shows the whole fleet.
            DryRun::Client | DryRun::Server => Trials::new(0, usize::MAX),
        };
        let progress = self.context.output.progress(total);
        let mut reports = std::mem::take(&mut self.reports);
        let mut finished = |(report, trial): (RotationReport, Trial), trials: &mut Trials| {
            progress.ended(&report.line(), report.is_failure());
            trials.record(trial);
            reports.push(report);
        };
        loop {
            let places: Vec<Place> = pending.iter().map(PendingRotation::place).collect();
            let Some(at) = trials.next_canary(&places) else {
                break;
            };
            let result = self.one(azure, pending.remove(at)).await;
            finished(result, &mut trials);
        }
        if trials.stopped().is_none() {
            let limits = Limits {
                restarts: self.options.max_parallel,
                restarts_per_instance: self.options.max_parallel_per_instance,
            };
            let this = &*self;
            pending = run_all(
                pending,
                limits,
                PendingRotation::restarts,
                async |task| this.one(azure, task).await,
                |result| {
                    finished(result, &mut trials);
                    match trials.stopped() {
                        Some(_) => ControlFlow::Break(()),
                        None => ControlFlow::Continue(()),
                    }
                },
            )
            .await;
        }
        let why = trials.stopped().unwrap_or_default();
        for task in pending {
            let report = RotationReport::not_begun(&task.found.snapshot, why);
            self.events.record(&task.location.cluster, &task.found, &report);
            reports.push(report.in_context(task.location.context.as_deref()));
        }
        self.reports = reports;
    }

    /// Checks the right to rotate gateways that are not due.
    pub(super) async fn check(&mut self, azure: &Azure, not_due: Vec<PendingRotation>) {
        let this = &*self;
        let checks = stream::iter(not_due)
            .map(|task| this.one(azure, task))
            .buffer_unordered(CONCURRENCY);
        let reports: Vec<RotationReport> = checks.map(|(report, _)| report).collect().await;
        self.reports.extend(reports);
    }

    /// Rotates one gateway within its own time limit.
    async fn one(&self, azure: &Azure, task: PendingRotation) -> (RotationReport, Trial) {
        let (names, expects_proof) = (task.names(), task.expects_proof());
        let PendingRotation {
            location,
            found,
            need,
            named,
            mut warnings,
            id,
        } = task;
        let deadline = Instant::now() + self.settings.timeout;
        let deadline = self.end.map_or(deadline, |end| deadline.min(end));
        let cluster = location.cluster.clone().until(deadline);
        let azure = Azure {
            arm: azure.arm.until(deadline),
            preparation: Preparation::done(),
            directory: azure.directory.clone(),
        };
        let snapshot = &found.snapshot;
        let output = self.context.output.about(&format!(
            "{}/{}",
            snapshot.namespace, snapshot.secret.version.name
        ));
        let secret = Sourced::new(
            snapshot.secret.version.name.clone(),
            Source::Discovery("pod spec".to_owned()),
        );
        let run = Run {
            settings: self.settings,
            target: &TargetRequest {
                secret: Some(secret),
                ..TargetRequest::default()
            },
            cluster: &cluster,
            azure: &azure,
            found: &found,
            output: &output,
            context: self.context,
            deadline,
        };
        let target = Target { named: &named, id };
        let report = match run.execute(&need, &target, &mut warnings).await {
            Ok(report) => report,
            Err(error) => RotationReport::stopped(snapshot, &error),
        };
        self.events.record(&location.cluster, &found, &report);
        // Written at once, because the run may be interrupted before its end.
        self.events.write().await;
        let report = report
            .with(BTreeMap::new(), warnings)
            .naming(&names)
            .run_by(found.gateways())
            .in_context(location.context.as_deref());
        let trial = report.trial(expects_proof);
        (report, trial)
    }
}
