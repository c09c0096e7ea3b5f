//! `uninstall-cronjob`: find by the labels, show, ask, remove.

use super::confirm::{confirm, has_terminal};
use super::policies::policies;
use super::surroundings::{delete_command, described, left_over, show_running_jobs, unchecked};
use super::{Context, connect};
use crate::apply::{Applied, ObjectWriter};
use crate::cli::UninstallCronjobArgs;
use crate::cluster::{Cluster, explain, valid_name};
use crate::discover::users::users;
use crate::error::{Error, Result};
use crate::manifest::MANAGER;
use crate::manifest::installation::{KINDS, OPTIONAL};
use crate::manifest::ownership::{Owner, is_limited};
use crate::model::request::{DryRun, KubeConnection};
use crate::model::{ObjectKind, Ownership, Use, counted};
use crate::output::Output;
use crate::plan::{Action, Change, ObjectPlan, Surplus, object_changes};
use crate::report::objects::{kept, object_lines, written_lines};

/// Runs `uninstall-cronjob`; returns the exit code.
pub(super) async fn run(args: &UninstallCronjobArgs, kube: &KubeConnection, context: &Context) -> Result<u8> {
    valid_name(&args.name)?;
    let output = &context.output;
    let dry_run = args.dry_run;
    let cluster = connect(kube, context).await?;
    let owner = Owner::installation(&args.name);
    let found = find(&cluster, owner).await?;
    let uses = uses(&cluster, &found, owner, output).await?;
    let mut plan =
        object_changes(Vec::new(), found, &uses).expect("nothing is wanted, so nothing is in the way");
    for object in &plan.kept {
        output.warning(&kept(object));
    }
    if !plan.any_change() {
        output.note(&format!(
            "nothing is installed under the name {} in namespace {}",
            args.name, cluster.namespace
        ));
        return Ok(0);
    }
    let mut objects = plan.changes.iter().map(Change::object);
    if let Some(cron_job) = objects.find(|object| object.kind() == ObjectKind::CronJob) {
        show_running_jobs(&cluster, cron_job, output).await;
    }
    if dry_run == DryRun::None && !args.yes {
        ask(&plan, &cluster, output).await?;
    }
    let mut writer = ObjectWriter::new(&cluster, MANAGER, &context.interrupt, dry_run);
    let applied = writer.apply(&mut plan).await;
    let changed = match applied {
        Ok(Applied::Done) if dry_run == DryRun::None => None,
        Ok(Applied::Done) => {
            output.data(&object_lines(&plan, dry_run))?;
            return Ok(0);
        }
        Ok(Applied::Outdated(reference)) => Some(reference),
        Err(error) => {
            output.data(&written_lines(writer.written()))?;
            return Err(with_remaining(error, &plan, writer.written()));
        }
    };
    output.data(&written_lines(writer.written()))?;
    match changed {
        None => Ok(0),
        Some(reference) => Err(Error::failed(format!(
            "{reference} has changed since it was read, so it was kept"
        ))
        .hint("run the same command again")),
    }
}

/// Adds to an error what is still there.
fn with_remaining(error: Error, plan: &ObjectPlan, written: &[(String, Action)]) -> Error {
    let references = plan.changes.iter().map(|change| change.object().reference());
    let is_removed = |reference: &String| written.iter().any(|(removed, _)| removed == reference);
    let remaining: Vec<String> = references.filter(|reference| !is_removed(reference)).collect();
    error.hint(format!(
        "still there: {}; run the same command again once the cause is removed",
        remaining.join(", ")
    ))
}

/// The objects with the labels of the installation.
async fn find(cluster: &Cluster, owner: Owner<'_>) -> Result<Vec<Surplus>> {
    let selector = owner.selector();
    let namespace = &cluster.namespace;
    let mut found = Vec::new();
    for kind in KINDS {
        match cluster.labelled(kind, &selector).await {
            Ok(objects) => found.extend(objects.into_iter().map(|object| {
                let ownership = owner.ownership(&object, false);
                Surplus::Present(object, ownership)
            })),
            // Few users may list Secrets. That of the installation has its name.
            Err(kube::Error::Api(status)) if status.is_forbidden() && OPTIONAL.contains(&kind) => {
                found.extend(left_over(cluster, owner, kind).await?);
            }
            Err(error) => {
                let doing = format!("listing {} in namespace {namespace}", kind.plural());
                return Err(explain(error, &doing));
            }
        }
    }
    let are_expected = found.iter().any(|object| match object {
        Surplus::Present(live, Ownership::Ours) => is_limited(live),
        _ => false,
    });
    found.extend(policies(cluster, owner, are_expected).await?);
    Ok(found)
}

/// What else uses the objects that were found. Also shows the bindings of the account
/// that stay when it is removed.
async fn uses(cluster: &Cluster, found: &[Surplus], owner: Owner<'_>, output: &Output) -> Result<Vec<Use>> {
    let has = |kind| {
        let mut found = found.iter();
        found.any(|found| matches!(found, Surplus::Present(live, Ownership::Ours) if live.kind() == kind))
    };
    if !has(ObjectKind::ServiceAccount) && !has(ObjectKind::Role) && !has(ObjectKind::Secret) {
        return Ok(Vec::new());
    }
    let users = users(cluster, owner.name).await?;
    if let Some(unchecked) = unchecked(&users, owner.name) {
        output.warning(&unchecked);
    }
    let account = ObjectKind::ServiceAccount.reference(owner.name);
    for binding in &users.bindings {
        output.warning(&format!(
            "{} still grants rights to {account}, which anyone who creates an account of that name gets; if nothing needs it, \
             delete it: {}",
            described(binding),
            delete_command(binding)
        ));
    }
    Ok(users.uses)
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
