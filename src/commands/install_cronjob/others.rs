//! What something else has set in the CronJob, or has bound to the names of the
//! installation before it exists.

use crate::apply::REHEARSAL;
use crate::cluster::Cluster;
use crate::cluster::objects::{Apply, Expected};
use crate::commands::surroundings::show_bindings;
use crate::discover::users::bindings;
use crate::error::{Error, Result};
use crate::manifest::MANAGER;
use crate::model::ObjectKind;
use crate::output::Output;
use crate::plan::{ObjectPlan, extra_fields};
use crate::report::objects::few;

/// Warns of fields that others have set and the installation does not, since an apply
/// keeps them: those of a tool that applies the rendered objects too, or of `kubectl
/// edit`. The API server fills in defaults, so the CronJob is compared with its answer
/// to a new one.
pub(super) async fn show(cluster: &Cluster, plan: &ObjectPlan, output: &Output) {
    let mut changes = plan.changes.iter();
    let Some((wanted, after)) = changes.find_map(|change| {
        let wanted = change.wanted.as_ref()?;
        (wanted.kind() == ObjectKind::CronJob).then_some((wanted, change.after.as_ref()?))
    }) else {
        return;
    };
    let others = after.other_managers(MANAGER, "spec");
    if others.is_empty() {
        return;
    }
    let mut fresh = wanted.clone();
    fresh["metadata"]["name"] = REHEARSAL.into();
    let how = Apply {
        manager: MANAGER,
        dry_run: true,
        expected: Expected::Absent,
    };
    // A quota may leave no room for another one; then nothing is known.
    let Ok(fresh) = cluster.apply(&fresh, how).await else {
        return;
    };
    let extra = extra_fields("spec", &fresh["spec"], &after["spec"]);
    if !extra.is_empty() {
        output.warning(&format!(
            "{} keeps what {} has set: {}",
            wanted.reference(),
            others.join(", "),
            few(&extra)
        ));
        output.hint("change it where it is managed, or delete the CronJob and run the same command again");
    }
}

/// Warns of bindings that wait for the account of a new installation, and refuses to
/// create its Role if others are bound to it: they would get its rights.
pub(super) async fn refuse_bound(
    cluster: &Cluster,
    plan: &ObjectPlan,
    name: &str,
    output: &Output,
) -> Result<()> {
    if !plan.creates(ObjectKind::ServiceAccount) && !plan.creates(ObjectKind::Role) {
        return Ok(());
    }
    let found = bindings(cluster, name).await?;
    show_bindings(&found, name, output);
    let mut of_role = found.uses.iter().filter(|its| its.of.0 == ObjectKind::Role);
    match of_role.next() {
        Some(its) if plan.creates(ObjectKind::Role) => Err(Error::refused(format!(
            "{} binds others to {}, which does not exist, and would give them its rights",
            its.by,
            ObjectKind::Role.reference(name)
        ))
        .hint(format!(
            "remove it if nothing needs it: kubectl -n {} delete {}",
            cluster.namespace, its.by
        ))
        .hint("or install under another name with --name")),
        _ => Ok(()),
    }
}
