use jiff::{SignedDuration, Timestamp};

use super::policy::Policy;
use super::slot::choose_slot;
use crate::model::{
    KeyChoice, Recorded, Rollout, SecretFacts, Snapshot, WorkloadFacts, WorkloadRef, in_words,
};

/// What a run has to do for a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// Mint a new credential.
    Mint,
    /// Nothing, for the reason given.
    Nothing(String),
    /// Only the rest of an earlier rotation.
    Completion(Unfinished),
}

/// A rotation whose credential was written, but whose restart or rollout is not
/// complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    pub rotation_id: String,
    /// When the credential was written.
    pub rotated_at: Timestamp,
    /// When the credential expires.
    pub expires_at: Timestamp,
    /// How the credential was made.
    pub recorded: Recorded,
    /// The workloads whose restart is owed.
    pub restarts: Vec<WorkloadRef>,
    /// The workloads that are still rolling out.
    pub rolling: Vec<WorkloadRef>,
}

/// Decides what a run has to do, by the API server's clock. An owed restart is
/// done even if the token is not due. A second token is minted only if that of
/// the unfinished rotation does not satisfy the policy.
pub fn need(snapshot: &Snapshot, policy: &Policy, now: Timestamp) -> Need {
    let secret = &snapshot.secret;
    let due = due(secret, policy, now);
    if !policy.force
        && let Some(unfinished) = unfinished(snapshot, now)
        && (due.is_err() || satisfies(&unfinished, policy, now))
    {
        return Need::Completion(unfinished);
    }
    match due {
        Ok(()) => Need::Mint,
        Err(reason) => Need::Nothing(reason),
    }
}

/// `Err` with the reason if nothing is due. A credential of unknown age or expiry
/// is due: one rotation too many is better than a gateway that stops.
fn due(secret: &SecretFacts, policy: &Policy, now: Timestamp) -> Result<(), String> {
    if !policy.is_conditional() {
        return Ok(());
    }
    let Some(expires_at) = secret.credential.expires_at() else {
        return Ok(());
    };
    let left = expires_at.duration_since(now);
    let mut reasons = Vec::new();
    if let Some(within) = policy.if_expiring_within {
        if left <= within {
            return Ok(());
        }
        reasons.push(format!(
            "the token expires in {}, not within {}",
            in_words(left),
            in_words(within)
        ));
    }
    if let Some(limit) = policy.if_older_than {
        let written = secret.marks.rotated_at.filter(|_| secret.marks_hold());
        let Some(age) = written.map(|written| now.duration_since(written)) else {
            return Ok(());
        };
        if age > limit || left <= SignedDuration::ZERO {
            return Ok(());
        }
        reasons.push(format!(
            "the token is {} old, not older than {}",
            in_words(age),
            in_words(limit)
        ));
    }
    Err(reasons.join(", and "))
}

/// The rotation that wrote the credential, if a restart is owed or a workload is
/// still rolling out.
pub fn unfinished(snapshot: &Snapshot, now: Timestamp) -> Option<Unfinished> {
    let secret = &snapshot.secret;
    let marks = &secret.marks;
    let recorded = secret.recorded()?;
    let expires_at = secret.credential.expires_at().filter(|at| *at > now)?;
    if marks.restart_by_other {
        return None;
    }
    let rotation_id = marks.rotation_id.clone()?;
    let restarted = |facts: &&WorkloadFacts| facts.marks.rotation_id.as_ref() == Some(&rotation_id);
    let name = |facts: &WorkloadFacts| facts.version.workload.clone();
    let owed = snapshot
        .workloads
        .iter()
        // Without pods the restart costs nothing, and the end state is that of
        // an uninterrupted run.
        .filter(|facts| !restarted(facts) && (facts.stale_pods != Some(false) || facts.wanted == 0));
    let rolls = |facts: &WorkloadFacts| match facts.rollout {
        Rollout::Complete => false,
        Rollout::Waiting(_) => true,
        Rollout::LeftByHand(_) => facts.stale_pods != Some(false),
    };
    let rolling = snapshot
        .workloads
        .iter()
        .filter(|facts| restarted(facts) && rolls(facts));
    let unfinished = Unfinished {
        rotated_at: marks.rotated_at?,
        expires_at,
        recorded,
        restarts: owed.map(name).collect(),
        rolling: rolling.map(name).collect(),
        rotation_id,
    };
    (!unfinished.restarts.is_empty() || !unfinished.rolling.is_empty()).then_some(unfinished)
}

/// Whether the credential of an unfinished rotation is as good as a new one: of
/// the slot that the policy asks for, and valid for at least half of its life.
fn satisfies(unfinished: &Unfinished, policy: &Policy, now: Timestamp) -> bool {
    let fits = match unfinished.recorded {
        Recorded::Token {
            key_slot,
            previous_key_slot,
        } => match policy.key {
            KeyChoice::Last => true,
            // The unfinished rotation itself has changed the slot already.
            KeyChoice::Rotate => previous_key_slot != Some(key_slot),
            choice => choose_slot(choice, None) == key_slot,
        },
    };
    fits && unfinished.expires_at.duration_since(now) >= policy.life / 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixture::{DAY, NOW, now, policy, rotated, snapshot};
    use super::*;
    use crate::model::{Credential, KeySlot, TokenError};

    #[test]
    fn an_unconditional_run_mints() {
        assert_eq!(need(&snapshot(), &policy(), now()), Need::Mint);
        assert_eq!(need(&rotated(), &policy(), now()), Need::Mint);
    }

    #[test]
    fn expiring_within_goes_by_the_expiry_in_the_token() {
        let mut policy = policy();
        policy.if_expiring_within = Some(DAY * 15);
        let mut snapshot = snapshot();
        let mut at = |left: SignedDuration| {
            if let Credential::Token { claims, .. } = &mut snapshot.secret.credential {
                claims.expires_at = now() + left;
            }
            need(&snapshot, &policy, now())
        };
        assert_eq!(at(DAY * 15), Need::Mint);
        assert_eq!(at(-DAY), Need::Mint);
        let Need::Nothing(reason) = at(DAY * 16) else {
            panic!()
        };
        assert_eq!(reason, "the token expires in 16 days, not within 15 days");
    }

    #[test]
    fn an_unreadable_credential_is_always_due() {
        let mut policy = policy();
        policy.if_expiring_within = Some(DAY);
        let mut snapshot = snapshot();
        snapshot.secret.credential = Credential::Unusable(TokenError::NotAToken);
        assert_eq!(need(&snapshot, &policy, now()), Need::Mint);
    }

    #[test]
    fn age_counts_only_while_our_annotations_describe_the_token() {
        let mut policy = policy();
        policy.if_older_than = Some(DAY);
        assert!(matches!(need(&rotated(), &policy, now()), Need::Nothing(_)));
        let mut by_hand = rotated();
        if let Credential::Token { claims, .. } = &mut by_hand.secret.credential {
            claims.expires_at = now() + DAY * 3;
        }
        assert_eq!(need(&by_hand, &policy, now()), Need::Mint);
    }

    #[test]
    fn an_owed_restart_is_completed_even_when_not_due() {
        let mut policy = policy();
        policy.if_expiring_within = Some(DAY);
        let mut owed = rotated();
        owed.workloads[0].marks.rotation_id = Some("another".to_owned());
        let Need::Completion(unfinished) = need(&owed, &policy, now()) else {
            panic!()
        };
        assert_eq!(unfinished.restarts.len(), 1);
        assert_eq!(unfinished.rolling, []);
    }

    #[test]
    fn no_restart_is_owed_if_the_pods_are_fresh() {
        let mut owed = rotated();
        owed.workloads[0].marks.rotation_id = None;
        owed.workloads[0].stale_pods = Some(false);
        assert_eq!(need(&owed, &policy(), now()), Need::Mint);
    }

    #[test]
    fn without_pods_only_the_annotations_are_owed() {
        let mut owed = rotated();
        owed.workloads[0].marks.rotation_id = None;
        owed.workloads[0].stale_pods = Some(false);
        owed.workloads[0].wanted = 0;
        let Need::Completion(unfinished) = need(&owed, &policy(), now()) else {
            panic!()
        };
        assert_eq!(unfinished.restarts.len(), 1);
    }

    #[test]
    fn a_running_rollout_is_completed_by_waiting() {
        let mut running = rotated();
        running.workloads[0].rollout = Rollout::Waiting("1 of 2".to_owned());
        let Need::Completion(unfinished) = need(&running, &policy(), now()) else {
            panic!()
        };
        assert_eq!((unfinished.restarts.len(), unfinished.rolling.len()), (0, 1));
    }

    #[test]
    fn pods_to_delete_by_hand_are_owed_until_none_is_stale() {
        let mut left = rotated();
        left.workloads[0].rollout = Rollout::LeftByHand(1);
        assert!(matches!(need(&left, &policy(), now()), Need::Completion(_)));
        left.workloads[0].stale_pods = Some(false);
        assert_eq!(need(&left, &policy(), now()), Need::Mint);
    }

    #[test]
    fn an_unfinished_rotation_of_the_wrong_slot_is_superseded() {
        let mut owed = rotated();
        owed.workloads[0].marks.rotation_id = None;
        let ask = |change: &dyn Fn(&mut Policy)| {
            let mut policy = policy();
            change(&mut policy);
            need(&owed, &policy, now())
        };
        assert!(matches!(ask(&|_| ()), Need::Completion(_)));
        assert!(matches!(
            ask(&|policy| policy.key = KeyChoice::Primary),
            Need::Completion(_)
        ));
        assert_eq!(ask(&|policy| policy.key = KeyChoice::Secondary), Need::Mint);
        assert_eq!(ask(&|policy| policy.force = true), Need::Mint);
    }

    #[test]
    fn an_unfinished_switch_of_the_slot_is_not_switched_back() {
        let mut owed = rotated();
        owed.workloads[0].marks.rotation_id = None;
        owed.secret.marks.previous_key = Some(KeySlot::Secondary);
        let mut policy = policy();
        policy.key = KeyChoice::Rotate;
        assert!(matches!(need(&owed, &policy, now()), Need::Completion(_)));
    }

    #[test]
    fn an_expired_unfinished_rotation_is_not_completed() {
        let mut owed = rotated();
        owed.workloads[0].marks.rotation_id = None;
        assert_eq!(need(&owed, &policy(), now() + DAY * 31), Need::Mint);
    }

    #[test]
    fn a_restart_left_to_something_else_is_not_owed() {
        let mut left = rotated();
        left.workloads[0].marks.rotation_id = None;
        left.secret.marks.restart_by_other = true;
        assert_eq!(need(&left, &policy(), now()), Need::Mint);
    }

    proptest! {
        #[test]
        fn a_token_that_was_just_rotated_is_not_due(hours in 1_i64..700, older in 0_i64..700) {
            let mut policy = policy();
            policy.if_expiring_within = Some(SignedDuration::from_hours(hours.min(719)));
            policy.if_older_than = Some(SignedDuration::from_hours(older));
            let just_rotated = rotated();
            let at = Timestamp::from_second(NOW).unwrap();
            prop_assert!(matches!(need(&just_rotated, &policy, at), Need::Nothing(_)));
        }
    }
}
