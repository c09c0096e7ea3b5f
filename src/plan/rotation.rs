use jiff::Timestamp;

use super::mint::Mint;
use super::need::Unfinished;
use super::policy::{FollowUp, Policy};
use crate::model::{GatewayId, Snapshot, WorkloadRef};

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
    planned(snapshot, policy, id, mint)
}

/// Plans the rest of an unfinished rotation.
pub fn completion(snapshot: &Snapshot, policy: &Policy, gateway: GatewayId, unfinished: &Unfinished) -> Plan {
    let mint = Mint::of_unfinished(unfinished, &snapshot.secret, gateway);
    planned(snapshot, policy, unfinished.rotation_id.clone(), mint)
}

/// Plans the replacement of a credential that Azure refused: a rotation with an
/// id of its own.
pub fn replacement(refused: &Plan, id: String, mint: Mint) -> Plan {
    Plan {
        id,
        mint,
        ..refused.clone()
    }
}

fn planned(snapshot: &Snapshot, policy: &Policy, id: String, mint: Mint) -> Plan {
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
    }
}
