//! Whether pods still run with what they had before the Secret or the `ServiceAccount` got
//! what is there now. An earlier run may have ended before it restarted them, or somebody
//! else has to.

use jiff::Timestamp;

use super::facts::{EntraFacts, WorkloadSide};
use super::holder::{CLOCK_ERROR, Holder};
use crate::model::entra::OwnPod;
use crate::model::{Replacement, RotationIds, known};

/// Whether a restart is owed to the credential in the Secret. Its id in Entra is the rotation
/// id of the pods that were replaced for it.
pub(super) fn owes_restart(facts: &EntraFacts, workload: &WorkloadSide, holder: &Holder) -> bool {
    let stored = known(&facts.cluster.secret);
    let known = match holder {
        Holder::HandedOver(found) => Some((Some(found.credential), found.written)),
        Holder::Untried(written) => Some((None, *written)),
        _ => stored.and_then(|stored| Some((Some(stored.credential?), stored.written?))),
    };
    let Some((id, written)) = known else {
        return false;
    };
    let id = id.map(|id| id.to_string());
    let is_marked = |ids: &RotationIds| id.as_ref().is_some_and(|id| ids.contains(id));
    // The pods that are left have to be deleted, and those that were are new already.
    if matches!(workload.replacement, Replacement::ByHand(_))
        && workload.owner.is_none()
        && workload.unproved.is_some()
        && is_marked(&workload.marks.rotation_ids)
    {
        return false;
    }
    // A Secret that was never changed held no other credential, which a pod of the same second
    // could have.
    let is_first = stored.is_some_and(|it| it.created == Some(written));
    let may_be_older = |created: Timestamp| created < written || (created == written && !is_first);
    let has_other =
        |pod: &OwnPod| !is_marked(&pod.marks.rotation_ids) && pod.created.is_some_and(may_be_older);
    any_pod(facts, workload, has_other).unwrap_or_else(|| {
        !is_marked(&workload.marks.rotation_ids)
            && workload.created.is_some_and(may_be_older)
            && is_restarted_before(workload, written)
    })
}

/// Whether a restart is owed to the annotations of the `ServiceAccount`, which name the app and
/// the tenant: the webhook gives pods their identity when they are created.
pub(super) fn lacks_identity(facts: &EntraFacts, workload: &WorkloadSide, account: &str) -> bool {
    let Some(client_id) = facts.client_id() else {
        return false;
    };
    let own = &workload.own_variables;
    let has_other = |pod: &OwnPod| {
        pod.asks_for.as_deref() == Some(account) && pod.lacks(own, Some(client_id), Some(facts.tenant))
    };
    any_pod(facts, workload, has_other).unwrap_or_else(|| {
        let found = known(&facts.cluster.service_account);
        found.and_then(|it| it.written).is_some_and(|written| {
            workload.created.is_some_and(|created| created <= written)
                && is_restarted_before(workload, written)
        })
    })
}

/// Whether this is true of one of the pods that the workload's controller does not replace by
/// itself; `None` if they cannot be seen. It replaces those of an earlier template, unless they
/// have to be deleted by hand. What somebody else has to restart is said until no pod is left,
/// so there those count too.
fn any_pod(facts: &EntraFacts, workload: &WorkloadSide, has_other: impl Fn(&OwnPod) -> bool) -> Option<bool> {
    let stays = workload.owner.is_some() || matches!(workload.replacement, Replacement::ByHand(_));
    let counts = |pod: &&OwnPod| stays || pod.marks == workload.marks;
    let pods = facts.cluster.own_pods.as_ref().ok()?;
    Some(pods.iter().filter(counts).any(has_other))
}

/// Whether the last restart of the workload may have been before this time. It was recorded by
/// a run or by kubectl, whose clocks are not the API server's.
fn is_restarted_before(workload: &WorkloadSide, written: Timestamp) -> bool {
    let restarted = workload.marks.restarted_at.as_ref();
    let restarted = restarted.and_then(|at| at.parse::<Timestamp>().ok());
    restarted.is_none_or(|at| at.duration_since(written) < CLOCK_ERROR)
}
