use jiff::{SignedDuration, Timestamp, Unit};
use serde::Serialize;

use super::slot::choose_slot;
use crate::model::{Credential, GatewayId, KeyChoice, KeySlot, MAX_LIFE, Snapshot, WorkloadRef};

/// How far an expiry stays under ARM's limit, so that neither rounding nor a
/// slow request can make it too long.
const MARGIN: SignedDuration = SignedDuration::from_mins(10);

/// What was asked of a rotation.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Which key slot to sign with.
    pub key: KeyChoice,
    /// How long the token is to live.
    pub life: SignedDuration,
    /// Rotate only a token that expires within this time.
    pub if_expiring_within: Option<SignedDuration>,
    /// Rotate only a token that was written longer ago than this.
    pub if_older_than: Option<SignedDuration>,
    /// Mint even where an unfinished rotation could be completed.
    pub force: bool,
    /// What follows the write.
    pub follow_up: FollowUp,
    /// Write a Secret that something else owns.
    pub adopt: bool,
}

/// What a rotation does once the credential is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FollowUp {
    /// Nothing: something else restarts the workloads.
    Nothing,
    /// Restart the workloads and leave.
    Restart,
    /// Restart them and wait until the credential is proved.
    Prove,
}

impl Policy {
    /// Whether the workloads are restarted.
    pub fn restarts(&self) -> bool {
        self.follow_up >= FollowUp::Restart
    }

    /// Whether a token that is not due is to be left alone.
    pub fn is_conditional(&self) -> bool {
        self.if_expiring_within.is_some() || self.if_older_than.is_some()
    }
}

/// One rotation, decided: everything but the token.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The rotation's random UUID.
    pub rotation_id: String,
    /// The gateway.
    pub gateway: GatewayId,
    /// The namespace of the Secret and the workloads.
    pub namespace: String,
    /// The Secret.
    pub secret: String,
    /// The key of its data.
    pub secret_key: String,
    /// The key slot to sign with.
    pub key_slot: KeySlot,
    /// The slot that signed the present credential, when it is known.
    pub previous_key_slot: Option<KeySlot>,
    /// The expiry to ask for, in whole minutes.
    pub expires_at: Timestamp,
    /// Whether the Secret's layout wants the prefix `GatewayKey `.
    pub prefixed: bool,
    /// The workloads to restart; empty when something else restarts them.
    pub workloads: Vec<WorkloadRef>,
    /// Whether to wait for the proof.
    pub wait: bool,
}

/// The expiry to ask ARM for, by ARM's own clock and in whole minutes, because
/// that is all that a token can say.
pub fn expiry(life: SignedDuration, arm_now: Timestamp) -> Timestamp {
    let longest = MAX_LIFE - MARGIN;
    let wanted = arm_now + life.min(longest);
    let second = wanted.as_second();
    Timestamp::from_second(second - second.rem_euclid(60)).unwrap_or(wanted)
}

/// Plans one rotation of what the snapshot shows.
pub fn rotation(
    snapshot: &Snapshot,
    policy: &Policy,
    gateway: GatewayId,
    arm_now: Timestamp,
    rotation_id: String,
) -> Plan {
    let secret = &snapshot.secret;
    let workloads = snapshot
        .workloads
        .iter()
        .map(|facts| facts.version.workload.clone());
    Plan {
        rotation_id,
        gateway,
        namespace: snapshot.namespace.clone(),
        secret: secret.version.name.clone(),
        secret_key: secret.key.clone(),
        key_slot: choose_slot(policy.key, secret.slot()),
        previous_key_slot: secret.slot(),
        expires_at: expiry(policy.life, arm_now),
        prefixed: match secret.credential {
            Credential::Token { prefixed, .. } => prefixed,
            // The gateway expects the prefix in every documented layout.
            Credential::Unusable(_) => true,
        },
        workloads: if policy.restarts() {
            workloads.collect()
        } else {
            Vec::new()
        },
        wait: policy.follow_up == FollowUp::Prove,
    }
}

/// A time to the second, as annotations hold it.
pub fn whole_seconds(time: Timestamp) -> Timestamp {
    time.round(Unit::Second).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_expiry_is_whole_minutes_and_under_the_limit(now in 0_i64..4_000_000_000, minutes in 1_i64..100_000) {
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
