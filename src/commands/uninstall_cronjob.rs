//! `uninstall-cronjob`: find by the labels, show, ask, remove.

use super::confirm::{confirm, has_terminal};
use super::policies::policies;
use super::surroundings::{described, left_over, remedy, show_running_jobs, unchecked};
use super::{Context, connect};
use crate::apply::{Applied, ObjectWriter};
use crate::cli::UninstallCronjobArgs;
use crate::cluster::{Cluster, explain, valid_name};
use crate::discover::users::users;
use crate::error::{Error, Result};
use crate::manifest::MANAGER;
use crate::manifest::installation::{KINDS, NEEDED, OPTIONAL};
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
    let mut found = find(&cluster, owner).await?;
    let uses = uses(&cluster, &mut found, owner, output).await?;
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
    if dry_run != DryRun::None && matches!(applied, Ok(Applied::Done)) {
        output.data(&object_lines(&plan, dry_run))?;
        return Ok(0);
    }
    output.data(&written_lines(writer.written()))?;
    match applied.map_err(|error| with_remaining(error, &plan, writer.written()))? {
        Applied::Done => refuse_overtaken(&cluster, owner, writer.written()).await,
        Applied::Outdated(reference) => Err(Error::failed(format!(
            "{reference} has changed since it was read, so it was kept"
        ))
        .hint("run the same command again")),
    }
}

/// Looks whether an installation at the same time has created a CronJob, which then
/// lacks what was removed.
async fn refuse_overtaken(cluster: &Cluster, owner: Owner<'_>, written: &[(String, Action)]) -> Result<u8> {
    let is_gone = async |kind: ObjectKind| -> Result<bool> {
        let reference = kind.reference(owner.name);
        let live = cluster.object(kind, owner.name).await;
        let live = live.map_err(|error| explain(error, &format!("reading {reference} after its removal")))?;
        Ok(live.is_none_or(|live| !owner.owns(&live) || live.is_being_deleted()))
    };
    let is_removed = |kind: &ObjectKind| written.contains(&(kind.reference(owner.name), Action::Delete));
    let removed: Vec<ObjectKind> = NEEDED.into_iter().filter(is_removed).collect();
    if removed.is_empty() || is_gone(ObjectKind::CronJob).await? {
        return Ok(0);
    }
    for kind in removed {
        if is_gone(kind).await? {
            return Err(Error::refused(format!(
                "{} was installed while this command ran, and lacks what was removed",
                ObjectKind::CronJob.reference(owner.name)
            ))
            .hint("install it again, or remove it with the same command"));
        }
    }
    Ok(0)
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
/// that stay when it is removed. The binding of the installation gets its content, if
/// others are in it.
async fn uses(
    cluster: &Cluster,
    found: &mut [Surplus],
    owner: Owner<'_>,
    output: &Output,
) -> Result<Vec<Use>> {
    let has = |kind| {
        let mut found = found.iter();
        found.any(|found| matches!(found, Surplus::Present(live, Ownership::Ours) if live.kind() == kind))
    };
    if !NEEDED.into_iter().any(has) {
        return Ok(Vec::new());
    }
    let users = users(cluster, owner.name).await?;
    if let Some(unchecked) = unchecked(&users, owner.name) {
        output.warning(&unchecked);
    }
    let account = ObjectKind::ServiceAccount.reference(owner.name);
    for binding in &users.bindings {
        output.warning(&format!(
            "{} still grants rights to {account}, which anyone who creates an account of that name gets; if nothing needs it, {}",
            described(binding),
            remedy(binding)
        ));
    }
    for object in found {
        if let (Surplus::Present(live, _), Some(shared)) = (object, &users.shared)
            && live.kind() == shared.kind()
            && live.uid() == shared.uid()
        {
            *live = shared.clone();
        }
    }
    Ok(users.uses)
}

/// Shows what would be removed and asks whether it may be.
async fn ask(plan: &ObjectPlan, cluster: &Cluster, output: &Output) -> Result<()> {
    let removed = || {
        plan.changes
            .iter()
            .filter(|change| change.action == Action::Delete)
    };
    for change in removed() {
        output.note(&format!("  {}", change.object().reference()));
    }
    if !has_terminal() {
        return Err(
            Error::usage("there is no terminal to ask whether these objects may be removed")
                .hint("remove them with --yes, or see what would be removed with --dry-run"),
        );
    }
    let place = format!("namespace {} of {}", cluster.namespace, cluster.in_words());
    let question = match removed().count() {
        0 => format!("Remove the account from its binding in {place}?"),
        count => format!("Remove {} from {place}?", counted(count, "object", "objects")),
    };
    confirm(&question, output).await
}
