use jiff::{SignedDuration, Timestamp, Unit};

use super::{Mint, Unfinished};
use crate::model::{GatewayId, KeyChoice, MAX_LIFE, Snapshot, WorkloadRef};

/// How far an expiry stays below ARM's limit, so that neither rounding nor a
/// slow request exceeds it.
const MARGIN: SignedDuration = SignedDuration::from_mins(10);

/// What was asked of a rotation.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Which key slot signs the token.
    pub key: KeyChoice,
    /// How long the token is valid.
    pub life: SignedDuration,
    /// Rotate only a token that expires within this time.
    pub if_expiring_within: Option<SignedDuration>,
    /// Rotate only a token that was written longer ago than this.
    pub if_older_than: Option<SignedDuration>,
    /// Mint even if an unfinished rotation could be completed.
    pub force: bool,
    /// What follows the write.
    pub follow_up: FollowUp,
    /// Write a Secret that another tool owns.
    pub adopt: bool,
}

/// What a rotation does after the credential is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FollowUp {
    /// Nothing: something else restarts the workloads.
    Nothing,
    /// Restart the workloads, and do not wait for them.
    Restart,
    /// Restart them and wait until the credential is proved.
    Prove,
}

impl Policy {
    /// Whether the workloads are restarted.
    pub fn restarts(&self) -> bool {
        self.follow_up >= FollowUp::Restart
    }

    /// Whether a token that is not due is left alone.
    pub fn is_conditional(&self) -> bool {
        self.if_expiring_within.is_some() || self.if_older_than.is_some()
    }
}

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

/// The expiry to request from ARM: by ARM's own clock, and in whole minutes
/// because a token holds no seconds.
pub fn expiry(life: SignedDuration, arm_now: Timestamp) -> Timestamp {
    let longest = MAX_LIFE - MARGIN;
    let wanted = arm_now + life.min(longest);
    let second = wanted.as_second();
    Timestamp::from_second(second - second.rem_euclid(60)).unwrap_or(wanted)
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

/// A time in the precision of annotations.
pub fn whole_seconds(time: Timestamp) -> Timestamp {
    time.round(Unit::Second).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_expiry_is_whole_minutes_and_below_the_limit(now in 0_i64..4_000_000_000, minutes in 1_i64..100_000) {
            let now = Timestamp::from_second(now).unwrap();
            let life = SignedDuration::from_mins(minutes);
            let expires_at = expiry(life, now);
            prop_assert_eq!(expires_at.as_second() % 60, 0);
            prop_assert!(expires_at.duration_since(now) <= MAX_LIFE - MARGIN);
            prop_assert!(expires_at.duration_since(now) <= life);
            let wanted = life.min(MAX_LIFE - MARGIN);
            prop_assert!(expires_at.duration_since(now) > wanted - SignedDuration::from_mins(1));
        }
    }
}
