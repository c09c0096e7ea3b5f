//! `install-cronjob`: find what is to be rotated, check that it can be, apply.

mod federate;
mod legacy;
mod live;
mod mint;
mod others;
mod ports;
mod refuse;
mod rehearse;
mod roots;
mod run_now;
mod targets;

use std::time::Duration;

use clap::ArgMatches;
use tokio::time::Instant;

use super::{Context, connect, local_now};
use crate::apply::{Applied, ObjectWriter};
use crate::cli::InstallCronjobArgs;
use crate::cluster::{Cluster, valid_namespace};
use crate::discover::evidence::Named;
use crate::discover::installed::cron_jobs;
use crate::error::{Error, Result};
use crate::manifest::MANAGER;
use crate::manifest::cronjob::{AUDIENCE, CLIENT_SECRET_KEY, Installation, PodIdentity};
use crate::manifest::ownership::Owner;
use crate::model::request::{DryRun, KubeConnection, ObjectFormat};
use crate::model::{Object, ObjectKind, Snapshot};
use crate::output::Output;
use crate::plan::{Action, ObjectPlan};
use crate::report::objects::{
    kept, object_lines, object_names, objects_diff, objects_json, objects_yaml, rendered_lines, uninstall,
};
use crate::retry::Backoff;
use crate::settings::{InstallSettings, Targets, rotate_request};

/// How often the installation is planned anew when something else changes its
/// objects meanwhile.
const ATTEMPTS: usize = 10;

/// The limit for all waits between them.
const PATIENCE: Duration = Duration::from_mins(1);

/// Runs `install-cronjob`; returns the exit code.
pub(super) async fn run(
    args: &InstallCronjobArgs,
    matches: &ArgMatches,
    kube: &KubeConnection,
    context: &Context,
) -> Result<u8> {
    let settings = InstallSettings::resolve(args, matches, &context.environment, local_now())?;
    if settings.dry_run == DryRun::Client
        && let Some(targets) = settings.given()
    {
        let namespace = match &kube.namespace {
            Some(namespace) => {
                valid_namespace(namespace)?;
                namespace.clone()
            }
            None => connect(kube, context).await?.namespace,
        };
        return render(&settings, &namespace, targets, None, &context.output).await;
    }
    let cluster = connect(kube, context).await?;
    let mut writer = ObjectWriter::new(&cluster, MANAGER, &context.interrupt, settings.dry_run);
    let mut backoff = Backoff::until(Instant::now() + PATIENCE);
    for _ in 0..ATTEMPTS {
        let attempt = Attempt {
            settings: &settings,
            cluster: &cluster,
            output: &context.output,
        };
        match attempt.install(&mut writer).await? {
            Installed::Rendered => return Ok(0),
            Installed::Outdated(reference) => context.output.note(&format!(
                "{reference} was changed while this command ran, so the installation is planned anew"
            )),
            Installed::Done(done) => return finish(&attempt, *done, context).await,
        }
        // Several at once would meet again.
        backoff.wait(Duration::ZERO).await;
    }
    let error = Error::failed(format!(
        "the objects of {} in namespace {} were changed {ATTEMPTS} times while this command ran",
        settings.name, cluster.namespace
    ))
    .hint("run the same command again when nothing else writes them");
    Err(with_written(error, writer.written(), &settings.name, &cluster))
}

/// One attempt to install.
struct Attempt<'a> {
    settings: &'a InstallSettings,
    cluster: &'a Cluster,
    output: &'a Output,
}

/// How an attempt ended.
enum Installed {
    /// It only printed the objects.
    Rendered,
    /// This object was changed by something else meanwhile.
    Outdated(String),
    Done(Box<Done>),
}

/// What was installed, or would be.
struct Done {
    installation: Installation,
    named: Vec<Named>,
    plan: ObjectPlan,
    /// Whether the account may do the writes of a rotation.
    checked: Result<()>,
}

impl Attempt<'_> {
    /// Finds, plans, rehearses and writes.
    async fn install(&self, writer: &mut ObjectWriter<'_>) -> Result<Installed> {
        let Self {
            settings,
            cluster,
            output,
        } = *self;
        let owner = Owner::installation(&settings.name);
        let before = cron_jobs(cluster, &settings.name, rotate_request).await?;
        for warning in before.warnings() {
            output.warning(&warning);
        }
        let target = if legacy::is_legacy(&before, owner) {
            legacy::completed(&settings.target, &before, output)
        } else {
            settings.target.clone()
        };
        let (targets, named, gateways) = targets::find(cluster, settings, &target, &before, output).await?;
        refuse::rivals(cluster, &targets.workloads, &targets.secrets, &before)?;
        if settings.dry_run == DryRun::Client && !settings.compares() {
            render(settings, &cluster.namespace, targets, Some(cluster), output).await?;
            return Ok(Installed::Rendered);
        }
        let (installation, wanted) =
            wanted(settings, &cluster.namespace, targets, Some(cluster), output).await;
        let mut plan = live::plan(cluster, settings, wanted, &before).await?;
        self.refuse_taking_over(&plan).await?;
        if settings.dry_run == DryRun::Client {
            print(&plan, settings, output)?;
            return Ok(Installed::Rendered);
        }
        others::refuse_bound(cluster, &plan, &settings.name, output).await?;
        if let Applied::Outdated(reference) = writer.rehearse(&mut plan).await? {
            return Ok(Installed::Outdated(reference));
        }
        self.refuse_what_would_fail(&plan, &installation, &named).await?;
        let applied = writer.apply(&mut plan).await;
        let applied =
            applied.map_err(|error| with_written(error, writer.written(), &settings.name, cluster))?;
        if let Applied::Outdated(reference) = applied {
            return Ok(Installed::Outdated(reference));
        }
        self.refuse_rivals_of(&plan, &installation).await?;
        let checked = self.check(&plan, &installation, &gateways).await;
        if let Ok(Some(missing)) = checked {
            return Ok(Installed::Outdated(missing));
        }
        plan.include_earlier(writer.written());
        Ok(Installed::Done(Box::new(Done {
            installation,
            named,
            plan,
            checked: checked.map(drop),
        })))
    }

    /// Refuses a new CronJob if another one for the same gateway was made meanwhile.
    async fn refuse_rivals_of(&self, plan: &ObjectPlan, installation: &Installation) -> Result<()> {
        let Self {
            settings, cluster, ..
        } = *self;
        if !plan.creates(ObjectKind::CronJob) || settings.dry_run != DryRun::None {
            return Ok(());
        }
        let task = &installation.task;
        let after = cron_jobs(cluster, &settings.name, rotate_request).await?;
        refuse::rivals(cluster, &task.workloads, &task.secrets, &after).map_err(|error| {
            let (name, namespace) = (&settings.name, &cluster.namespace);
            error.hint(format!(
                "remove this one, or the other: {}",
                uninstall(name, namespace)
            ))
        })
    }

    /// Refuses what would fail at night.
    async fn refuse_what_would_fail(
        &self,
        plan: &ObjectPlan,
        installation: &Installation,
        named: &[Named],
    ) -> Result<()> {
        let Self {
            settings,
            cluster,
            output,
        } = *self;
        others::show(cluster, plan, output).await;
        if plan.changes_kind(ObjectKind::CronJob) {
            let is_new = plan.creates(ObjectKind::CronJob);
            refuse::unadmitted(cluster, installation, is_new, output).await?;
            if let Some(ca) = &installation.pod.ca {
                roots::refuse_missing(cluster, ca, output).await?;
            }
        }
        // A run that follows shows more.
        if !settings.run_now {
            mint::refuse_powerless(settings, cluster, named, output).await?;
        }
        Ok(())
    }

    /// Rehearses a rotation as the account. If that is not possible or fails, returns
    /// what the CronJob needs and a removal at the same time has taken.
    async fn check(
        &self,
        plan: &ObjectPlan,
        installation: &Installation,
        gateways: &[Snapshot],
    ) -> Result<Option<String>> {
        if self.settings.dry_run != DryRun::None {
            return Ok(None);
        }
        let is_limited = self.settings.admission_policy;
        match rehearse::rotation(self.cluster, installation, is_limited, gateways, self.output).await {
            Ok(false) if plan.any_change() => live::missing(self.cluster, plan).await,
            Ok(_) => Ok(None),
            Err(denied) => match live::missing(self.cluster, plan).await? {
                Some(missing) => Ok(Some(missing)),
                None => Err(denied),
            },
        }
    }

    /// Refuses to take over objects of the old script, unless that was asked for
    /// and nothing else uses them.
    async fn refuse_taking_over(&self, plan: &ObjectPlan) -> Result<()> {
        let Self {
            settings,
            cluster,
            output,
        } = *self;
        if plan.taken_over().next().is_none() {
            return Ok(());
        }
        let in_use = legacy::show_surroundings(cluster, plan, &settings.name, output).await?;
        if !settings.replace_legacy {
            output.data(&objects_diff(plan)?)?;
            return Err(live::not_replaced(plan, &cluster.namespace));
        }
        in_use.map_or(Ok(()), Err)
    }
}

/// Prints what was installed, checks what the pods' identity may do, and runs
/// the CronJob if that was asked for.
async fn finish(attempt: &Attempt<'_>, done: Done, context: &Context) -> Result<u8> {
    let Attempt {
        settings,
        cluster,
        output,
    } = *attempt;
    let Done {
        installation,
        named,
        plan,
        checked,
    } = done;
    print(&plan, settings, output)?;
    for object in &plan.kept {
        output.note(&kept(object));
    }
    checked?;
    let checks = !settings.run_now;
    match installation.identity {
        PodIdentity::Workload { .. } => {
            let token = if checks && settings.dry_run == DryRun::None {
                let token = cluster.account_token(&installation.name, AUDIENCE).await;
                token.ok().flatten()
            } else {
                None
            };
            if plan.any_change() {
                federate::show(cluster, &installation, token.as_ref(), output).await;
            }
            match token {
                Some(token) => mint::report_powerless(settings, token, &named, output).await,
                None if checks => {
                    mint::unchecked("the API server issued no token of the ServiceAccount", output);
                }
                None => {}
            }
        }
        PodIdentity::Managed { .. } if checks => {
            mint::unchecked("only the pods have that identity", output);
        }
        _ => {}
    }
    if settings.run_now {
        context.interrupt.object_written.set(true);
        let cron_job = plan.present(ObjectKind::CronJob);
        let cron_job = cron_job.expect("every installation has a CronJob");
        return run_now::run(cluster, cron_job, &context.interrupt, output).await;
    }
    Ok(0)
}

/// Adds to an error what the run had written before.
fn with_written(error: Error, written: &[(String, Action)], name: &str, cluster: &Cluster) -> Error {
    if written.is_empty() {
        return error;
    }
    let written: Vec<&str> = written.iter().map(|(reference, _)| reference.as_str()).collect();
    error.hint(format!(
        "already written: {}; run the same command again once the cause is removed, or remove them: {}",
        written.join(", "),
        uninstall(name, &cluster.namespace)
    ))
}

/// The installation, and its objects as they are wanted.
async fn wanted(
    settings: &InstallSettings,
    namespace: &str,
    targets: Targets,
    cluster: Option<&Cluster>,
    output: &Output,
) -> (Installation, Vec<Object>) {
    let ports = ports::ports(settings, cluster, output).await;
    live::wanted(settings, namespace, targets, ports.as_ref())
}

/// Prints what would be installed, without a request about the objects.
async fn render(
    settings: &InstallSettings,
    namespace: &str,
    targets: Targets,
    cluster: Option<&Cluster>,
    output: &Output,
) -> Result<u8> {
    let (_, wanted) = wanted(settings, namespace, targets, cluster, output).await;
    let plan = live::unread(wanted);
    if settings.output == ObjectFormat::Table {
        let diff = if settings.diff {
            objects_diff(&plan)?
        } else {
            String::new()
        };
        output.data(&(diff + &rendered_lines(&plan)))?;
        output.note("what exists is not read; --dry-run=server compares");
    } else {
        print(&plan, settings, output)?;
    }
    Ok(0)
}

fn print(plan: &ObjectPlan, settings: &InstallSettings, output: &Output) -> Result<()> {
    let mut text = String::new();
    if settings.diff {
        text += &objects_diff(plan)?;
    }
    text += &match settings.output {
        ObjectFormat::Table => object_lines(plan, settings.dry_run),
        ObjectFormat::Name => object_names(plan),
        ObjectFormat::Json => objects_json(plan),
        ObjectFormat::Yaml => objects_yaml(plan)?,
    };
    if matches!(settings.output, ObjectFormat::Json | ObjectFormat::Yaml) {
        let wanted = plan.changes.iter().filter_map(|change| change.wanted.as_ref());
        for secret in wanted.filter(|object| object.kind() == ObjectKind::Secret) {
            output.warning(&left_out(secret));
        }
    }
    output.data(&text)
}

/// Why a Secret is not printed, and how to create it.
fn left_out(secret: &Object) -> String {
    let name = secret.name();
    let namespace = secret["metadata"]["namespace"].as_str().unwrap_or_default();
    format!(
        "secret/{name} is left out, because no output holds a secret; create it: kubectl -n {namespace} create secret generic \
         {name} --from-file={CLIENT_SECRET_KEY}=FILE"
    )
}
