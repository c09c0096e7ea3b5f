use jiff::{SignedDuration, Timestamp};

use super::{Policy, choose_slot};
use crate::model::{
    KeyChoice, KeySlot, Rollout, SecretFacts, Snapshot, WorkloadFacts, WorkloadRef, in_words,
};

/// What a gateway needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// A new token.
    Mint,
    /// Nothing: the reason, in words.
    Nothing(String),
    /// Only the rest of an earlier rotation.
    Completion(Unfinished),
}

/// A rotation that was written, but not restarted or not waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Its id.
    pub rotation_id: String,
    /// When its credential was written.
    pub rotated_at: Timestamp,
    /// When its credential expires.
    pub expires_at: Timestamp,
    /// The slot that signed its credential.
    pub key_slot: KeySlot,
    /// The workloads whose restart is owed.
    pub restarts: Vec<WorkloadRef>,
    /// The workloads that are still rolling out.
    pub rolling: Vec<WorkloadRef>,
}

/// What is to be done, by the API server's clock. An owed restart is done
/// even when the token is not due; a second token is minted only where the
/// unfinished rotation's does not satisfy what was asked.
pub fn need(snapshot: &Snapshot, policy: &Policy, now: Timestamp) -> Need {
    let secret = &snapshot.secret;
    let due = due(secret, policy, now);
    if !policy.force
        && let Some(unfinished) = unfinished(snapshot, now)
        && (due.is_err() || satisfies(&unfinished, secret, policy, now))
    {
        return Need::Completion(unfinished);
    }
    match due {
        Ok(()) => Need::Mint,
        Err(reason) => Need::Nothing(reason),
    }
}

/// `Err` with the reason when nothing is due. A credential whose age or expiry
/// is unknown is due: better one rotation too many than a dead gateway.
fn due(secret: &SecretFacts, policy: &Policy, now: Timestamp) -> Result<(), String> {
    if !policy.is_conditional() {
        return Ok(());
    }
    let Some(claims) = secret.claims() else {
        return Ok(());
    };
    let left = claims.expires_at.duration_since(now);
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

/// The rotation that wrote the present credential, if it still owes a restart
/// or is rolling out.
pub fn unfinished(snapshot: &Snapshot, now: Timestamp) -> Option<Unfinished> {
    let secret = &snapshot.secret;
    let marks = &secret.marks;
    let claims = secret
        .claims()
        .filter(|claims| secret.marks_hold() && claims.expires_at > now)?;
    if marks.restart_by_other {
        return None;
    }
    let rotation_id = marks.rotation_id.clone()?;
    let restarted = |facts: &&WorkloadFacts| facts.marks.rotation_id.as_ref() == Some(&rotation_id);
    let name = |facts: &WorkloadFacts| facts.version.workload.clone();
    let owed = snapshot
        .workloads
        .iter()
        // Without a pod the restart costs nothing, and leaves what an
        // uninterrupted run would have left.
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
        expires_at: claims.expires_at,
        key_slot: secret.slot()?,
        restarts: owed.map(name).collect(),
        rolling: rolling.map(name).collect(),
        rotation_id,
    };
    (!unfinished.restarts.is_empty() || !unfinished.rolling.is_empty()).then_some(unfinished)
}

/// Whether the credential of an unfinished rotation is what a new one would
/// give: of the slot asked for, and with at least half of the asked life left.
fn satisfies(unfinished: &Unfinished, secret: &SecretFacts, policy: &Policy, now: Timestamp) -> bool {
    let slot_fits = match policy.key {
        KeyChoice::Last => true,
        // The unfinished rotation itself has moved on from the previous slot.
        KeyChoice::Rotate => secret.marks.previous_key != Some(unfinished.key_slot),
        choice => choose_slot(choice, None) == unfinished.key_slot,
    };
    slot_fits && unfinished.expires_at.duration_since(now) >= policy.life / 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixture::{DAY, NOW, now, policy, rotated, snapshot};
    use super::*;
    use crate::model::{Credential, TokenError};

    #[test]
    fn unconditional_means_mint() {
        assert_eq!(need(&snapshot(), &policy(), now()), Need::Mint);
        assert_eq!(need(&rotated(), &policy(), now()), Need::Mint);
    }

    #[test]
    fn expiring_within_is_by_the_tokens_own_stamp() {
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
    fn age_counts_only_while_our_annotations_are_about_this_token() {
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
    fn fresh_pods_owe_no_restart_whatever_the_ids_say() {
        let mut owed = rotated();
        owed.workloads[0].marks.rotation_id = None;
        owed.workloads[0].stale_pods = Some(false);
        assert_eq!(need(&owed, &policy(), now()), Need::Mint);
    }

    #[test]
    fn without_a_pod_the_marks_alone_are_owed() {
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
    fn pods_left_by_hand_are_owed_until_none_is_stale() {
        let mut left = rotated();
        left.workloads[0].rollout = Rollout::LeftByHand(1);
        assert!(matches!(need(&left, &policy(), now()), Need::Completion(_)));
        left.workloads[0].stale_pods = Some(false);
        assert_eq!(need(&left, &policy(), now()), Need::Mint);
    }

    #[test]
    fn an_unfinished_rotation_that_is_not_what_was_asked_is_superseded() {
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
    fn an_expired_unfinished_rotation_is_not_worth_completing() {
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
        fn what_was_just_rotated_is_not_due(hours in 1_i64..700, older in 0_i64..700) {
            let mut policy = policy();
            policy.if_expiring_within = Some(SignedDuration::from_hours(hours.min(719)));
            policy.if_older_than = Some(SignedDuration::from_hours(older));
            let just_rotated = rotated();
            let at = Timestamp::from_second(NOW).unwrap();
            prop_assert!(matches!(need(&just_rotated, &policy, at), Need::Nothing(_)));
        }
    }
}
