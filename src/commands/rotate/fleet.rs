//! Many gateways in one run: finds all of them, looks them up in Azure before
//! any token is minted, rotates the canary, and then the others concurrently.

mod find;
mod look_up;
mod rotation;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::consent::{self, Consent};
use super::events::Events;
use super::pending::{PendingRotation, warnings};
use super::print::{local_zone, print};
use super::run::Azure;
use crate::commands::Context;
use crate::error::Result;
use crate::model::CloudName;
use crate::model::request::{DryRun, KubeConnection};
use crate::report::RotationReport;
use crate::report::TerminationMessage;
use crate::report::fleet::FleetReport;
use crate::settings::{FleetSettings, RotateSettings};

/// A run over many gateways.
struct Fleet<'a> {
    settings: &'a RotateSettings,
    options: &'a FleetSettings,
    context: &'a Context,
    events: &'a Events,
    clouds: BTreeMap<CloudName, Azure>,
    /// The results of all gateways that are finished.
    reports: Vec<RotationReport>,
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
        clouds: BTreeMap::new(),
        reports: Vec::new(),
    };
    let (pending, now) = fleet.find_all(kube).await?;
    let mut pending = fleet.look_up(pending).await?;
    for warning in warnings(&pending) {
        context.output.warning(&warning);
    }
    let consent = match listed {
        Some(listed) => Consent::Listed(listed),
        None => fleet.ask(&pending).await?,
    };
    pending = fleet.consented(pending, &consent);
    // The soonest to expire goes first, after those with an unknown expiry, so
    // that an interrupted run has done the most urgent ones.
    pending.sort_by_key(|task| {
        task.found
            .snapshot
            .secret
            .claims()
            .map(|claims| claims.expires_at)
    });
    fleet.rotate(pending).await;
    fleet.finish(now)
}

impl Fleet<'_> {
    /// Asks the user to confirm a run over several namespaces.
    async fn ask(&self, pending: &[PendingRotation]) -> Result<Consent> {
        let places: BTreeSet<(Option<&str>, &str)> = pending
            .iter()
            .map(|task| {
                (
                    task.location.context.as_deref(),
                    task.found.snapshot.namespace.as_str(),
                )
            })
            .collect();
        // The request counts, and not the gateways that are due today.
        let several_requested = self.options.selection.everywhere || self.options.contexts.len() > 1;
        let needs_consent = !pending.is_empty() && (several_requested || places.len() > 1);
        if needs_consent && !self.options.yes && self.settings.dry_run == DryRun::None {
            let lines: Vec<String> = pending.iter().map(PendingRotation::line).collect();
            consent::ask(&lines, places.len(), &self.context.output).await?;
        }
        Ok(Consent::All)
    }

    /// The rotations that the user has consented to. The others are refused.
    fn consented(&mut self, pending: Vec<PendingRotation>, consent: &Consent) -> Vec<PendingRotation> {
        let Consent::Listed(listed) = consent else {
            return pending;
        };
        let mut consented = Vec::new();
        for task in pending {
            let snapshot = &task.found.snapshot;
            let checked = task.id.as_ref().map_or(Ok(()), |id| {
                let context = task.location.context.as_deref();
                listed.check(context, &snapshot.namespace, &task.found.gateways(), id)
            });
            match checked {
                Ok(()) => consented.push(task),
                Err(error) => self.stopped(&task.location, &task.found, &error),
            }
        }
        consented
    }

    /// Prints the results; returns the exit code.
    fn finish(self, now: Timestamp) -> Result<u8> {
        let Self {
            settings,
            options,
            context,
            ..
        } = self;
        let report = FleetReport::new(self.reports, settings.dry_run != DryRun::None);
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
