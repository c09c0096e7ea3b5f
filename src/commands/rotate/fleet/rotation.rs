//! Rotates the gateways of a fleet.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::Fleet;
use crate::commands::rotate::parallel::{Limits, TaskResult, run_all};
use crate::commands::rotate::pending::{PendingRotation, cloud};
use crate::commands::rotate::run::{Azure, Run, Target};
use crate::discover::evidence::Named;
use crate::model::request::{DryRun, TargetRequest};
use crate::model::{Source, Sourced};
use crate::report::RotationReport;

impl Fleet<'_> {
    /// Rotates the canaries one after the other, then the others concurrently.
    pub(super) async fn rotate(&mut self, mut pending: Vec<PendingRotation>) {
        let total = pending.len();
        let max_failures = self.options.max_failures.unwrap_or((total / 50).max(1));
        // A dry run can break nothing, so it shows the whole fleet.
        let (max_failures, canaries) = match self.settings.dry_run {
            DryRun::None => (max_failures, self.options.canary),
            DryRun::Client | DryRun::Server => (usize::MAX, 0),
        };
        let progress = self.context.output.progress(total);
        let mut canaries = canaries.min(total);
        let mut reports = std::mem::take(&mut self.reports);
        let mut failed = false;
        while canaries > 0 && !pending.is_empty() && !failed {
            let report = self.one(pending.remove(0)).await;
            progress.ended(&report.line(), report.is_failure());
            failed = report.is_failure();
            // A refused rotation has tested nothing.
            canaries -= usize::from(!report.is_refusal());
            reports.push(report);
        }
        let limits = Limits {
            restarts: self.options.max_parallel,
            restarts_per_instance: self.options.max_parallel_per_instance,
            failures: if failed { 0 } else { max_failures },
        };
        let this = &*self;
        let not_started = run_all(
            pending,
            limits,
            PendingRotation::restarts,
            async |task| this.one(task).await,
            |report| {
                progress.ended(&report.line(), report.is_failure());
                let result = if report.is_failure() {
                    TaskResult::Failed
                } else {
                    TaskResult::Succeeded
                };
                reports.push(report);
                result
            },
        );
        for task in not_started.await {
            let why = if failed {
                "the canary failed"
            } else {
                "too many other gateways failed"
            };
            let report = RotationReport::not_begun(&task.found.snapshot, why);
            self.events.record(&task.location.cluster, &task.found, &report);
            reports.push(report.in_context(task.location.context.as_deref()));
        }
        self.reports = reports;
    }

    /// Rotates one gateway within its own time limit.
    async fn one(&self, task: PendingRotation) -> RotationReport {
        let PendingRotation {
            location,
            found,
            need,
            named,
            mut warnings,
            id,
        } = task;
        let deadline = Instant::now() + self.settings.timeout;
        let cluster = location.cluster.clone().until(deadline);
        let azure = self.azure(&named, deadline);
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
        report
            .with(BTreeMap::new(), warnings)
            .in_context(location.context.as_deref())
    }

    fn azure(&self, named: &Named, deadline: Instant) -> Azure {
        let azure = &self.clouds[&cloud(self.settings, named)];
        Azure {
            arm: azure.arm.until(deadline),
            directory: azure.directory.clone(),
        }
    }
}
