//! Many gateways in one run: finds all of them, looks them up in Azure before
//! any token is minted, rotates the canary, and then the others concurrently.

mod find;
mod look_up;
mod retries;
mod rotation;

use std::collections::BTreeSet;

use jiff::Timestamp;
use tokio::time::Instant;

use super::consent::{self, Consent, needs_consent};
use super::events::Events;
use super::pending::{PendingRotation, warnings};
use super::print::{local_zone, print};
use crate::commands::Context;
use crate::error::{Error, Result};
use crate::model::request::{DryRun, KubeConnection};
use crate::report::RotationReport;
use crate::report::TerminationMessage;
use crate::report::fleet::FleetReport;
use crate::settings::{FleetSettings, GatewayList, RotateSettings};

/// A run over many gateways.
struct Fleet<'a> {
    settings: &'a RotateSettings,
    options: &'a FleetSettings,
    context: &'a Context,
    events: &'a Events,
    /// The places that were requested, whether a gateway is due there or not.
    places: BTreeSet<String>,
    /// The versions of the Secrets that were found.
    seen: BTreeSet<(String, String)>,
    /// The results of all gateways that are finished.
    reports: Vec<RotationReport>,
    /// The results of the gateways that are tried again; `None` in the first round.
    retried: Option<Vec<RotationReport>>,
    /// When each rotation must have ended, beside its own time limit.
    end: Option<Instant>,
}

/// Runs the fleet; returns the exit code.
pub(super) async fn run(
    settings: &RotateSettings,
    options: &FleetSettings,
    kube: &KubeConnection,
    context: &Context,
    events: &Events,
) -> Result<u8> {
    let listed = consent::listed(options)?;
    let mut fleet = Fleet {
        settings,
        options,
        context,
        events,
        places: BTreeSet::new(),
        seen: BTreeSet::new(),
        reports: Vec::new(),
        retried: None,
        end: None,
    };
    let begun = Instant::now();
    let (pending, now) = fleet.find_all(kube).await?;
    let failed = fleet.rotate_all(pending, listed.as_ref()).await?;
    if failed.is_none() && settings.dry_run == DryRun::None {
        fleet.retry(kube, listed.as_ref(), begun).await;
    }
    fleet.finish(now, failed.as_ref())
}

impl Fleet<'_> {
    /// Rotates the gateways that need it and that the user has consented to. The
    /// error of a sign-in that failed is returned after each gateway has it.
    async fn rotate_all(
        &mut self,
        pending: Vec<PendingRotation>,
        listed: Option<&GatewayList>,
    ) -> Result<Option<Error>> {
        if pending.is_empty() {
            return Ok(None);
        }
        let azure = match self.sign_in(&pending).await {
            Ok(azure) => azure,
            Err(error) => {
                for task in pending {
                    self.stopped(&task, &error);
                }
                return Ok(Some(error));
            }
        };
        let found = self.look_up(&azure, pending).await;
        let (not_due, mut pending): (Vec<_>, Vec<_>) =
            found.into_iter().partition(PendingRotation::is_not_due);
        self.check(&azure, not_due).await;
        // The soonest to expire goes first, after those with an unknown expiry, so
        // that an interrupted run has done the most urgent ones.
        pending.sort_by_cached_key(|task| {
            let secret = &task.found.snapshot.secret;
            let expires_at = secret.claims().map(|claims| claims.expires_at);
            (expires_at, task.namespace(), secret.version.name.clone())
        });
        for warning in warnings(&pending) {
            self.context.output.warning(&warning);
        }
        let consent = match listed {
            Some(listed) => Consent::Listed(listed),
            None => self.ask(&pending).await?,
        };
        let pending = self.consented(pending, &consent);
        self.rotate(&azure, pending).await;
        Ok(None)
    }

    /// Asks the user to confirm a run over several places.
    async fn ask(&self, pending: &[PendingRotation]) -> Result<Consent<'static>> {
        let asks = !pending.is_empty() && !self.options.yes && self.settings.dry_run == DryRun::None;
        if asks && needs_consent(&self.options.selection, &self.places) {
            let places: BTreeSet<String> = pending.iter().map(PendingRotation::namespace).collect();
            let lines: Vec<String> = pending.iter().map(PendingRotation::line).collect();
            let clusters = pending.iter().map(|task| task.location.cluster.in_words());
            consent::ask(&lines, places.len(), &clusters.collect(), &self.context.output).await?;
        }
        Ok(Consent::All)
    }

    /// The rotations that the user has consented to. The others are refused.
    fn consented(&mut self, pending: Vec<PendingRotation>, consent: &Consent<'_>) -> Vec<PendingRotation> {
        let Consent::Listed(listed) = consent else {
            return pending;
        };
        let mut consented = Vec::new();
        for task in pending {
            let (context, namespace) = (task.location.context.as_deref(), &task.found.snapshot.namespace);
            let checked = match &task.id {
                Some(id) => listed.check(context, namespace, &task.found.gateways(), id),
                None => Err(Error::refused("the gateway was not looked up in Azure")),
            };
            match checked {
                Ok(()) => consented.push(task),
                Err(error) => self.stopped(&task, &error),
            }
        }
        consented
    }

    /// Prints the results; returns the exit code. `failed` is the error of a run
    /// that could rotate nothing.
    fn finish(self, now: Timestamp, failed: Option<&Error>) -> Result<u8> {
        let Self {
            settings,
            options,
            context,
            ..
        } = self;
        let reports = self.reports.into_iter();
        let reports = reports
            .map(|report| report.reaching(&context.connection))
            .collect();
        let mut report = FleetReport::new(reports, settings.dry_run != DryRun::None);
        if let Some(error) = failed {
            report.failed_with(error);
        }
        let zone = local_zone(&context.environment);
        print(
            &report.render(settings.output, options.no_headers, now, &zone)?,
            context,
        )?;
        for error in report.errors() {
            context.output.error(&error);
        }
        context.output.note(&report.summary());
        context.set_termination_message(TerminationMessage::of_fleet(&report));
        Ok(report.exit_code())
    }
}
