use jiff::{SignedDuration, Timestamp};

use super::marking::RotationMark;
use super::mint::Mint;
use super::need::Unfinished;
use super::policy::{FollowUp, Policy};
use crate::model::{GatewayId, RotationIds, Snapshot, WorkloadRef};

/// One rotation as it was decided. It holds no secret.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The rotation's random UUID.
    pub id: String,
    /// The namespace of the Secret and the workloads.
    pub namespace: String,
    /// The Secret's name.
    pub secret: String,
    /// The workloads to restart; empty if something else restarts them.
    pub workloads: Vec<WorkloadRef>,
    /// Whether to wait for the proof.
    pub wait: bool,
    /// How to make the credential.
    pub mint: Mint,
    /// The life of a credential that replaces this one.
    pub life: SignedDuration,
    /// The earlier rotations of the Secret, whose ids workloads may have.
    pub replaces: RotationIds,
}

impl Plan {
    /// How workloads are marked.
    pub fn mark(&self) -> RotationMark {
        RotationMark {
            id: self.id.clone(),
            replaces: self.replaces.clone(),
        }
    }
}

/// Plans one rotation of the Secret and the workloads in the snapshot.
pub fn rotation(
    snapshot: &Snapshot,
    policy: &Policy,
    gateway: GatewayId,
    arm_now: Timestamp,
    id: String,
) -> Plan {
    let mint = Mint::new(&snapshot.secret, policy, gateway, arm_now);
    planned(snapshot, policy, id, mint, earlier_ids(snapshot))
}

/// The ids of earlier rotations of the Secret that workloads may have: the last
/// one, those that it replaced if it did not reach every workload, and a refused one
/// that is still to be taken back.
fn earlier_ids(snapshot: &Snapshot) -> RotationIds {
    let none = RotationIds::default();
    let put_back = snapshot.secret.marks.put_back.as_ref();
    let refused = put_back.map_or(none.clone(), |put_back| put_back.refused.as_str().into());
    written_ids(snapshot).with(&refused, &none)
}

fn written_ids(snapshot: &Snapshot) -> RotationIds {
    let marks = &snapshot.secret.marks;
    let Some(last) = &marks.rotation_id else {
        return marks.previous_ids.clone();
    };
    let only_last = RotationIds::from(last.as_str());
    let mut templates = snapshot.workloads.iter().map(|facts| &facts.marks.template);
    if templates.all(|template| template.rotation_ids.contains(last)) {
        only_last
    } else {
        marks.previous_ids.with(&only_last, &RotationIds::default())
    }
}

/// Plans the rest of an unfinished rotation.
pub fn completion(snapshot: &Snapshot, policy: &Policy, gateway: GatewayId, unfinished: &Unfinished) -> Plan {
    let mint = Mint::of_unfinished(unfinished, &snapshot.secret, gateway);
    let replaces = snapshot.secret.marks.previous_ids.clone();
    planned(snapshot, policy, unfinished.rotation_id.clone(), mint, replaces)
}

/// Plans the replacement of a credential that Azure refused: a rotation with an
/// id of its own.
pub fn replacement(refused: &Plan, id: String, mint: Mint) -> Plan {
    let refused_id = RotationIds::from(refused.id.as_str());
    Plan {
        id,
        mint,
        replaces: refused.replaces.with(&refused_id, &RotationIds::default()),
        ..refused.clone()
    }
}

fn planned(snapshot: &Snapshot, policy: &Policy, id: String, mint: Mint, replaces: RotationIds) -> Plan {
    let workloads = snapshot
        .workloads
        .iter()
        .map(|facts| facts.version.workload.clone());
    Plan {
        id,
        namespace: snapshot.namespace.clone(),
        secret: snapshot.secret.version.name.clone(),
        workloads: if policy.restarts() {
            workloads.collect()
        } else {
            Vec::new()
        },
        wait: policy.follow_up == FollowUp::Prove,
        mint,
        life: policy.life,
        replaces,
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{gateway_id, now, policy, rotated};
    use super::*;
    use crate::model::PutBack;

    #[test]
    fn ids_are_replaced_until_the_last_one_has_reached_every_workload() {
        let mut snapshot = rotated();
        snapshot.secret.marks.previous_ids = "r0".into();
        let plan = |snapshot: &Snapshot| rotation(snapshot, &policy(), gateway_id(), now(), "r2".to_owned());
        assert_eq!(plan(&snapshot).replaces, "r1".into());
        snapshot.workloads[0].marks.template.rotation_ids = "r0".into();
        assert_eq!(plan(&snapshot).replaces, "r0,r1".into());
        snapshot.secret.marks.rotation_id = None;
        assert_eq!(plan(&snapshot).replaces, "r0".into());
    }

    #[test]
    fn a_refused_id_that_was_not_taken_back_is_replaced() {
        let mut snapshot = rotated();
        snapshot.workloads[0].marks.template.rotation_ids = "r1".into();
        snapshot.secret.marks.put_back = Some(PutBack {
            refused: "r2".to_owned(),
            restarted_at: now().to_string(),
            replaced: "r1".into(),
            workloads: Vec::new(),
        });
        let plan = rotation(&snapshot, &policy(), gateway_id(), now(), "r3".to_owned());
        assert_eq!(plan.replaces, "r1,r2".into());
    }
}
