//! What something else has set in the CronJob.

use crate::cluster::Cluster;
use crate::cluster::objects::{Apply, Expected};
use crate::manifest::MANAGER;
use crate::model::ObjectKind;
use crate::output::Output;
use crate::plan::{ObjectPlan, extra_fields};
use crate::report::objects::few;

/// No object has this name.
const FRESH: &str = "kubectl-apim-fresh";

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
    fresh["metadata"]["name"] = FRESH.into();
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
