//! Finds the gateways of a fleet and decides which of them need a rotation.

use jiff::Timestamp;

use super::Fleet;
use crate::commands::nothing_found;
use crate::commands::rotate::pending::{Location, PendingRotation, clusters, place};
use crate::discover::TargetFacts;
use crate::discover::fleet::{Member, fleet};
use crate::error::{Error, Result};
use crate::model::request::KubeConnection;
use crate::plan::{self, Need};
use crate::report::RotationReport;

impl Fleet<'_> {
    /// The gateways of all clusters that need a rotation, and the time of the
    /// first cluster.
    pub(super) async fn find_all(
        &mut self,
        kube: &KubeConnection,
    ) -> Result<(Vec<PendingRotation>, Timestamp)> {
        let mut pending = Vec::new();
        let mut now = None;
        let mut last = None;
        for (context, cluster) in clusters(self.options, kube, self.context).await? {
            if !self.looks_in(context.as_deref()) {
                continue;
            }
            let location = match cluster {
                Ok(cluster) => Location {
                    context: context.clone(),
                    cluster,
                },
                Err(error) => {
                    self.places.extend(context.clone());
                    self.unreachable(context, error)?;
                    continue;
                }
            };
            self.places
                .insert(place(&location.cluster, &location.cluster.namespace));
            match self.find(&location).await {
                Ok(found) => pending.extend(found),
                Err(error) => self.unreachable(context, error)?,
            }
            now.get_or_insert(location.cluster.now());
            last = Some(location.cluster);
        }
        match last {
            Some(cluster) if pending.is_empty() && self.reports.is_empty() => {
                Err(nothing_found(&self.options.selection, &cluster).await.error)
            }
            _ => Ok((pending, now.unwrap_or_default())),
        }
    }

    /// Reports a cluster that cannot be reached; an error if it is the only
    /// one.
    fn unreachable(&mut self, context: Option<String>, error: Error) -> Result<()> {
        let Some(context) = context else { return Err(error) };
        self.reports.push(RotationReport::unreachable(&context, &error));
        Ok(())
    }

    /// The gateways of one cluster that need a rotation.
    async fn find(&mut self, location: &Location) -> Result<Vec<PendingRotation>> {
        let found = fleet(&location.cluster, &self.options.selection).await?;
        for warning in &found.warnings {
            self.context.output.warning(warning);
        }
        let context = location.context.as_deref();
        let mut pending = Vec::new();
        for member in found.members {
            if !self.tries(context, &member) {
                continue;
            }
            match member {
                Member::Skipped(namespace, workload, why) => {
                    self.reports
                        .push(RotationReport::skipped(&namespace, &workload, &why).in_context(context));
                }
                Member::Failed(namespace, workload, why) => {
                    let report = RotationReport::without_secret(&namespace, &workload, &why);
                    self.events.record_unread(&location.cluster, &workload, &report);
                    self.reports.push(report.in_context(context));
                }
                Member::Credential(found) if self.is_known(&found) => {}
                Member::Credential(found) => match self.decide(location, *found).await {
                    Ok(None) => {}
                    Ok(Some(task)) => match self.refuse_other_cloud(&task) {
                        Ok(()) => pending.push(task),
                        Err(error) => self.stopped(&task, &error),
                    },
                    Err((found, error)) => {
                        let report = RotationReport::stopped(&found.snapshot, &error);
                        self.finished(location, &found, report);
                    }
                },
            }
        }
        Ok(pending)
    }

    /// Whether the Secret was found through another context of the same cluster.
    /// A cluster that was restored from another one's backup has the same uids,
    /// but its Secrets go through other versions.
    fn is_known(&mut self, found: &TargetFacts) -> bool {
        let version = &found.snapshot.secret.version;
        !self
            .seen
            .insert((version.uid.clone(), version.resource_version.clone()))
    }

    fn refuse_other_cloud(&self, task: &PendingRotation) -> Result<()> {
        let run = self.settings.azure.cloud_of_fleet();
        plan::refuse_other_cloud(&run, &task.named.gateway.value, task.named.cloud)
    }

    /// The rotation that one credential needs, if any.
    async fn decide(
        &mut self,
        location: &Location,
        mut found: TargetFacts,
    ) -> Result<Option<PendingRotation>, (Box<TargetFacts>, Error)> {
        let policy = &self.settings.policy;
        let warnings = match plan::preflight(&found.snapshot, policy) {
            Ok(warnings) => warnings,
            Err(error) => return Err((Box::new(found), error)),
        };
        let need = match plan::need(&found.snapshot, policy, location.cluster.now()) {
            Need::Nothing(reason) if !self.settings.check_azure => {
                let report = RotationReport::not_due(&found.snapshot, reason);
                self.finished(location, &found, report);
                return Ok(None);
            }
            need => need,
        };
        let cluster = location.cluster.in_namespace(&found.snapshot.namespace);
        match found.gateway(&cluster, &self.settings.target).await {
            Ok(named) => Ok(Some(PendingRotation {
                location: Location {
                    cluster,
                    ..location.clone()
                },
                found,
                need,
                named,
                warnings,
                id: None,
            })),
            Err(error) => Err((Box::new(found), error)),
        }
    }

    /// Reports a gateway that failed before its rotation started.
    pub(super) fn stopped(&mut self, task: &PendingRotation, error: &Error) {
        let report = RotationReport::stopped(&task.found.snapshot, error).naming(&task.names());
        self.finished(&task.location, &task.found, report);
    }

    fn finished(&mut self, location: &Location, found: &TargetFacts, report: RotationReport) {
        self.events.record(&location.cluster, found, &report);
        let report = report
            .run_by(found.gateways())
            .in_context(location.context.as_deref());
        self.reports.push(report);
    }
}
