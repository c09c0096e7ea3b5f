//! Many gateways in one run: found by one set of lists, named before anything
//! is minted, one ahead of the others, and the others side by side.

mod naming;

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::consent::{self, Consent};
use super::events::Events;
use super::parallel::{End, Limits, drive};
use super::run::{Azure, Run, Target};
use super::task::{Place, Task, cloud, places, warnings};
use super::{local_zone, print};
use crate::cli::DryRun;
use crate::cli::kube::KubeArgs;
use crate::commands::{Context, nothing_found};
use crate::discover::TargetFacts;
use crate::discover::evidence::Named;
use crate::discover::fleet::{Member, fleet};
use crate::error::{Error, Result};
use crate::model::{CloudName, Source, Sourced};
use crate::plan::{self, Need};
use crate::report::RotationReport;
use crate::report::TerminationMessage;
use crate::report::fleet::FleetReport;
use crate::settings::{FleetSettings, RotateSettings, TargetRequest};

/// A run over many gateways.
struct Fleet<'a> {
    settings: &'a RotateSettings,
    options: &'a FleetSettings,
    context: &'a Context,
    events: &'a Events,
    clouds: BTreeMap<CloudName, Azure>,
    /// Every gateway whose end is known.
    reports: Vec<RotationReport>,
}

/// Runs the fleet; returns the exit code.
pub(super) async fn run(
    settings: &RotateSettings,
    fleet: &FleetSettings,
    kube: &KubeArgs,
    context: &Context,
    events: &Events,
) -> Result<u8> {
    let listed = consent::listed(fleet)?;
    let places = places(fleet, kube, context).await?;
    let mut this = Fleet {
        settings,
        options: fleet,
        context,
        events,
        clouds: BTreeMap::new(),
        reports: Vec::new(),
    };
    let mut tasks = Vec::new();
    let mut now = None;
    let mut last = None;
    for (name, cluster) in places {
        let place = match cluster {
            Ok(cluster) => Place {
                context: name.clone(),
                cluster,
            },
            Err(error) => {
                this.out_of_reach(name, error)?;
                continue;
            }
        };
        match this.find(&place).await {
            Ok(found) => tasks.extend(found),
            Err(error) => this.out_of_reach(name, error)?,
        }
        now.get_or_insert(place.cluster.now());
        last = Some(place.cluster);
    }
    // Two contexts may lead to one cluster.
    let mut seen = BTreeSet::new();
    tasks.retain(|task: &Task| seen.insert(task.found.snapshot.secret.version.uid.clone()));
    if let (true, true, Some(cluster)) = (tasks.is_empty(), this.reports.is_empty(), &last) {
        return Err(nothing_found(&fleet.selection, cluster));
    }
    let mut tasks = this.name(tasks).await?;
    for warning in warnings(&tasks) {
        context.output.warning(&warning);
    }
    let consent = match listed {
        Some(listed) => Consent::Listed(listed),
        None => this.ask(&tasks).await?,
    };
    tasks = this.consented(tasks, &consent);
    // What lapses first goes first, and what cannot be told before that: an
    // interrupted run then leaves what can wait.
    tasks.sort_by_key(|task| {
        task.found
            .snapshot
            .secret
            .claims()
            .map(|claims| claims.expires_at)
    });
    this.rotate(tasks).await;
    let report = FleetReport::new(this.reports, settings.dry_run != DryRun::None);
    let zone = local_zone(&context.environment);
    print(
        &report.render(settings.output, fleet.no_headers, now.unwrap_or_default(), &zone)?,
        context,
    )?;
    for error in report.errors() {
        context.output.error(&error);
    }
    context.output.note(&report.summary());
    context.set_termination_message(TerminationMessage::of_fleet(&report));
    Ok(report.exit_code())
}

impl Fleet<'_> {
    /// A cluster that cannot be looked into: where it is the only one that is
    /// the end of the run.
    fn out_of_reach(&mut self, context: Option<String>, error: Error) -> Result<()> {
        let Some(context) = context else { return Err(error) };
        self.reports.push(RotationReport::unreachable(&context, &error));
        Ok(())
    }

    /// Finds the gateways of one cluster and decides what each needs.
    async fn find(&mut self, place: &Place) -> Result<Vec<Task>> {
        let found = fleet(&place.cluster, &self.options.selection).await?;
        for warning in &found.warnings {
            self.context.output.warning(warning);
        }
        let context = place.context.as_deref();
        let mut tasks = Vec::new();
        for member in found.members {
            match member {
                Member::Skipped(namespace, workload, why) => {
                    self.reports
                        .push(RotationReport::skipped(&namespace, &workload, &why).in_context(context));
                }
                Member::Failed(namespace, workload, why) => {
                    let report = RotationReport::without_secret(&namespace, &workload, &why);
                    self.events.note_unread(&place.cluster, &workload, &report);
                    self.reports.push(report.in_context(context));
                }
                Member::Credential(found) => match self.decide(place, *found).await {
                    Ok(task) => tasks.extend(task),
                    Err((found, error)) => self.stopped(place, &found, &error),
                },
            }
        }
        Ok(tasks)
    }

    /// What one credential needs; `None` where that is nothing.
    async fn decide(
        &mut self,
        place: &Place,
        mut found: TargetFacts,
    ) -> Result<Option<Task>, (Box<TargetFacts>, Error)> {
        let policy = &self.settings.policy;
        let warnings = match plan::preflight(&found.snapshot, policy) {
            Ok(warnings) => warnings,
            Err(error) => return Err((Box::new(found), error)),
        };
        let need = match plan::need(&found.snapshot, policy, place.cluster.now()) {
            Need::Nothing(reason) => {
                let report = RotationReport::not_due(&found.snapshot, reason);
                self.ended(place, &found, report);
                return Ok(None);
            }
            need => need,
        };
        let here = place.cluster.in_namespace(&found.snapshot.namespace);
        match found.gateway(&here, &self.settings.target).await {
            Ok(named) => Ok(Some(Task {
                place: Place {
                    cluster: here,
                    ..place.clone()
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

    /// A gateway has ended before its turn.
    fn stopped(&mut self, place: &Place, found: &TargetFacts, error: &Error) {
        self.ended(place, found, RotationReport::stopped(&found.snapshot, error));
    }

    fn ended(&mut self, place: &Place, found: &TargetFacts, report: RotationReport) {
        self.events.note(&place.cluster, found, &report);
        self.reports.push(report.in_context(place.context.as_deref()));
    }

    /// Sees that somebody consents, where several namespaces are at stake.
    async fn ask(&self, tasks: &[Task]) -> Result<Consent> {
        let places: BTreeSet<(Option<&str>, &str)> = tasks
            .iter()
            .map(|task| {
                (
                    task.place.context.as_deref(),
                    task.found.snapshot.namespace.as_str(),
                )
            })
            .collect();
        // What was asked for counts, and not what is due today.
        let asked_for_many = self.options.selection.everywhere || self.options.contexts.len() > 1;
        let at_stake = !tasks.is_empty() && (asked_for_many || places.len() > 1);
        if at_stake && !self.options.yes && self.settings.dry_run == DryRun::None {
            let lines: Vec<String> = tasks.iter().map(Task::line).collect();
            consent::ask(&lines, places.len(), &self.context.output).await?;
        }
        Ok(Consent::All)
    }

    /// Those that may be rotated; the others are refused.
    fn consented(&mut self, tasks: Vec<Task>, consent: &Consent) -> Vec<Task> {
        let Consent::Listed(listed) = consent else {
            return tasks;
        };
        let mut consented = Vec::new();
        for task in tasks {
            let snapshot = &task.found.snapshot;
            let checked = task.id.as_ref().map_or(Ok(()), |id| {
                let context = task.place.context.as_deref();
                listed.check(context, &snapshot.namespace, &task.found.gateways(), id)
            });
            match checked {
                Ok(()) => consented.push(task),
                Err(error) => self.stopped(&task.place, &task.found, &error),
            }
        }
        consented
    }

    /// Rotates: the canary, then the others.
    async fn rotate(&mut self, mut tasks: Vec<Task>) {
        let begun = tasks.len();
        let most = self.options.max_failures.unwrap_or((begun / 50).max(1));
        // A dry run proves nothing and breaks nothing: it shows the whole fleet.
        let (most, canaries) = match self.settings.dry_run {
            DryRun::None => (most, self.options.canary),
            DryRun::Client | DryRun::Server => (usize::MAX, 0),
        };
        let progress = self.context.output.progress(begun);
        let mut canaries = canaries.min(begun);
        let mut reports = std::mem::take(&mut self.reports);
        let mut failed = false;
        while canaries > 0 && !tasks.is_empty() && !failed {
            let report = self.one(tasks.remove(0)).await;
            progress.ended(&report.line(), report.is_failure());
            failed = report.is_failure();
            // One that is refused has proved nothing.
            canaries -= usize::from(!report.is_refusal());
            reports.push(report);
        }
        let limits = Limits {
            all: self.options.max_parallel,
            of_one_instance: self.options.max_parallel_per_instance,
            failures: if failed { 0 } else { most },
        };
        let this = &*self;
        let left = drive(
            tasks,
            limits,
            Task::load,
            async |task| this.one(task).await,
            |report| {
                progress.ended(&report.line(), report.is_failure());
                let end = if report.is_failure() {
                    End::Failed
                } else {
                    End::Fine
                };
                reports.push(report);
                end
            },
        );
        for task in left.await {
            let why = if failed {
                "the canary failed"
            } else {
                "too many others failed"
            };
            let report = RotationReport::not_begun(&task.found.snapshot, why);
            self.events.note(&task.place.cluster, &task.found, &report);
            reports.push(report.in_context(task.place.context.as_deref()));
        }
        self.reports = reports;
    }

    /// Rotates one gateway, within the time that each has.
    async fn one(&self, task: Task) -> RotationReport {
        let Task {
            place,
            found,
            need,
            named,
            mut warnings,
            id,
        } = task;
        let deadline = Instant::now() + self.settings.timeout;
        let cluster = place.cluster.clone().until(deadline);
        let azure = self.cloud_of(&named, deadline);
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
        let report = match run.meet(&need, &target, &mut warnings).await {
            Ok(report) => report,
            Err(error) => RotationReport::stopped(snapshot, &error),
        };
        self.events.note(&place.cluster, &found, &report);
        // At once: whoever ends this run early must still see what it did.
        self.events.write().await;
        report
            .with(BTreeMap::new(), warnings)
            .in_context(place.context.as_deref())
    }

    fn cloud_of(&self, named: &Named, deadline: Instant) -> Azure {
        let azure = &self.clouds[&cloud(self.settings, named)];
        Azure {
            arm: azure.arm.until(deadline),
            directory: azure.directory.clone(),
        }
    }
}
