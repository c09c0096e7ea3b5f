//! `uninstall-cronjob`: find by the labels, show, ask, remove.

use super::confirm::{confirm, has_terminal};
use super::{Context, connect};
use crate::apply::{Applied, ObjectWriter};
use crate::cli::UninstallCronjobArgs;
use crate::cluster::{Cluster, explain, valid_name};
use crate::error::{Error, Result};
use crate::manifest::MANAGER;
use crate::manifest::installation::{KINDS, OPTIONAL};
use crate::manifest::ownership::Owner;
use crate::model::request::{DryRun, KubeConnection};
use crate::model::{Object, ObjectKind, counted};
use crate::output::Output;
use crate::plan::{Change, ObjectPlan, Surplus, object_changes};
use crate::report::objects::{kept, object_lines, written_lines};

/// Runs `uninstall-cronjob`; returns the exit code.
pub(super) async fn run(args: &UninstallCronjobArgs, kube: &KubeConnection, context: &Context) -> Result<u8> {
    valid_name(&args.name)?;
    let output = &context.output;
    let dry_run = args.dry_run;
    let cluster = connect(kube, context).await?;
    let owner = Owner::installation(&args.name);
    let found = find(&cluster, owner, output).await?;
    let mut plan = object_changes(Vec::new(), found).expect("nothing is wanted, so nothing is in the way");
    for object in &plan.kept {
        output.note(&kept(object));
    }
    if !plan.any_change() {
        output.note(&format!(
            "nothing is installed under the name {} in namespace {}",
            args.name, cluster.namespace
        ));
        return Ok(0);
    }
    for job in running_jobs(&plan, &cluster, owner).await {
        output.note(&format!("{job} is running, and ends with its CronJob"));
    }
    if dry_run == DryRun::None && !args.yes {
        ask(&plan, &cluster, output).await?;
    }
    let mut writer = ObjectWriter::new(&cluster, MANAGER, &context.interrupt, dry_run);
    let applied = writer.apply(&mut plan, |live| owner.ownership(live, false)).await;
    match (dry_run, applied) {
        (DryRun::None, Ok(Applied::Done)) => output.data(&written_lines(writer.written()))?,
        (_, Ok(_)) => output.data(&object_lines(&plan, dry_run))?,
        (_, Err(error)) => {
            output.data(&written_lines(writer.written()))?;
            return Err(error);
        }
    }
    Ok(0)
}

/// The objects with the labels of the installation.
async fn find(cluster: &Cluster, owner: Owner<'_>, output: &Output) -> Result<Vec<Surplus>> {
    let selector = owner.selector();
    let namespace = &cluster.namespace;
    let mut found = Vec::new();
    for kind in KINDS {
        match cluster.labelled(kind, &selector).await {
            Ok(objects) => found.extend(objects.into_iter().map(|object| {
                let ownership = owner.ownership(&object, false);
                Surplus::Present(object, ownership)
            })),
            // Most installations have neither, and few users may list Secrets.
            Err(kube::Error::Api(status)) if status.is_forbidden() && OPTIONAL.contains(&kind) => {
                output.warning(&format!(
                    "this user may not list {plural}; one that was installed is kept: kubectl -n {namespace} delete {plural} -l \
                     {selector}",
                    plural = kind.plural()
                ));
            }
            Err(error) => {
                let doing = format!("listing {} in namespace {namespace}", kind.plural());
                return Err(explain(error, &doing));
            }
        }
    }
    Ok(found)
}

/// The Jobs that run now and end with their CronJob. Users who may not list Jobs
/// are shown none.
async fn running_jobs(plan: &ObjectPlan, cluster: &Cluster, owner: Owner<'_>) -> Vec<String> {
    let mut objects = plan.changes.iter().map(Change::object);
    let Some(cron_job) = objects.find(|object| object.kind() == ObjectKind::CronJob) else {
        return Vec::new();
    };
    let jobs = cluster.labelled(ObjectKind::Job, &owner.selector()).await;
    let mut jobs = jobs.unwrap_or_default();
    jobs.retain(|job| {
        let owners = job["metadata"]["ownerReferences"].as_array();
        let is_of_it = owners
            .into_iter()
            .flatten()
            .any(|owner| owner["uid"] == cron_job.uid());
        is_of_it && job["status"]["active"].as_i64().is_some_and(|pods| pods > 0)
    });
    jobs.iter().map(Object::reference).collect()
}

/// Shows what would be removed and asks whether it may be.
async fn ask(plan: &ObjectPlan, cluster: &Cluster, output: &Output) -> Result<()> {
    for change in &plan.changes {
        output.note(&format!("  {}", change.object().reference()));
    }
    if !has_terminal() {
        return Err(
            Error::usage("there is no terminal to ask whether these objects may be removed")
                .hint("remove them with --yes, or see what would be removed with --dry-run"),
        );
    }
    let question = format!(
        "Remove {} from namespace {}?",
        counted(plan.changes.len(), "object", "objects"),
        cluster.namespace
    );
    confirm(&question, output).await
}
