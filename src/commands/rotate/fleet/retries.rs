//! Tries the gateways of a fleet again for which another try may succeed.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Fleet;
use crate::discover::fleet::Member;
use crate::error::Result;
use crate::model::request::KubeConnection;
use crate::model::{WorkloadRef, counted};
use crate::report::RotationReport;
use crate::settings::GatewayList;

/// The time before the first retry. It doubles with each, as between the pods of a
/// Job.
const PAUSE: Duration = Duration::from_secs(10);

/// The least time for which a retry is worth its start: the shortest `--timeout`.
const LEAST: Duration = Duration::from_mins(1);

impl Fleet<'_> {
    /// Repeats the run for the gateways that failed, and for no others: a gateway
    /// whose new token was refused is not minted for again. All rounds together take
    /// no longer than the gateways would one after the other.
    pub(super) async fn retry(
        &mut self,
        kube: &KubeConnection,
        listed: Option<&GatewayList>,
        begun: Instant,
    ) {
        let gateways = u32::try_from(self.reports.len()).unwrap_or(u32::MAX);
        let end = begun + self.settings.timeout.saturating_mul(gateways);
        let mut pause = PAUSE;
        for _ in 0..self.options.retries {
            // The failures of the others have stopped the fleet.
            let is_stopped = self.reports.iter().any(RotationReport::is_not_begun);
            let is_late = Instant::now() + pause + LEAST > end;
            let count = self.reports.iter().filter(|report| report.is_retriable()).count();
            if count == 0 || is_stopped || is_late {
                return;
            }
            self.context.output.note(&format!(
                "trying {} again in {} seconds",
                counted(count, "gateway", "gateways"),
                pause.as_secs()
            ));
            sleep(pause).await;
            pause *= 2;
            let (failed, ended) = std::mem::take(&mut self.reports)
                .into_iter()
                .partition(RotationReport::is_retriable);
            self.retried = Some(failed);
            self.end = Some(end);
            self.seen.clear();
            if let Err(error) = self.round(kube, listed).await {
                self.context.output.warning(&format!(
                    "the gateways that failed could not be tried again: {error}"
                ));
            }
            let tried = &self.reports;
            let is_missing =
                |report: &RotationReport| !tried.iter().any(|now| report.is_about_the_same_as(now));
            let mut missing = self.retried.take().unwrap_or_default();
            missing.retain(is_missing);
            self.reports.extend(missing);
            self.reports.extend::<Vec<_>>(ended);
        }
    }

    async fn round(&mut self, kube: &KubeConnection, listed: Option<&GatewayList>) -> Result<()> {
        let (pending, _) = self.find_all(kube).await?;
        self.rotate_all(pending, listed).await?;
        Ok(())
    }

    /// Whether this round is about gateways of the context.
    pub(super) fn looks_in(&self, context: Option<&str>) -> bool {
        let of_it = |report: &RotationReport| report.context() == context;
        self.retried
            .as_ref()
            .is_none_or(|retried| retried.iter().any(of_it))
    }

    /// Whether this round is about the gateway.
    pub(super) fn tries(&self, context: Option<&str>, member: &Member) -> bool {
        let Some(retried) = &self.retried else { return true };
        let (namespace, workloads): (&str, Vec<WorkloadRef>) = match member {
            Member::Credential(found) => {
                let workloads = found.snapshot.workloads.iter();
                let workloads = workloads.map(|facts| facts.version.workload.clone());
                (&found.snapshot.namespace, workloads.collect())
            }
            Member::Skipped(namespace, workload, _) | Member::Failed(namespace, workload, _) => {
                (namespace, vec![workload.clone()])
            }
        };
        retried
            .iter()
            .any(|report| report.is_about(context, namespace, &workloads))
    }
}
