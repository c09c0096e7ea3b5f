use jiff::{SignedDuration, Timestamp};

use super::expiry::plausible_expiry;
use super::policy::Policy;
use super::slot::choose_slot;
use crate::model::{
    KeyChoice, PutBack, Recorded, Rollout, SecretFacts, Snapshot, WorkloadFacts, WorkloadRef, in_words,
};

/// How long after its write a rollout is still a part of the rotation. Later, pods
/// are not ready for other reasons.
const SOON: SignedDuration = SignedDuration::from_hours(1);

/// What a run has to do for a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// Mint a new credential.
    Mint,
    /// Nothing, for the reason given.
    Nothing(String),
    /// Only the rest of an earlier rotation.
    Completion(Unfinished),
    /// Only the rest of putting a refused credential back.
    PutBack(PutBack),
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
/// done even if the token is not due, unless the policy restarts nothing. A second
/// token is minted only if that of the unfinished rotation does not satisfy the
/// policy.
pub fn need(snapshot: &Snapshot, policy: &Policy, now: Timestamp) -> Need {
    let secret = &snapshot.secret;
    let due = due(secret, policy, now);
    if let Some(put_back) = owed_put_back(snapshot) {
        match due {
            _ if policy.restarts() => return Need::PutBack(put_back),
            Err(reason) => {
                let left = "; pods are still to be restored after a refused credential was put back";
                return Need::Nothing(reason + left);
            }
            Ok(()) => {}
        }
    }
    let unfinished = unfinished(snapshot, now).filter(|_| !policy.force);
    match (due, unfinished) {
        (Err(reason), Some(unfinished)) if !policy.restarts() => {
            let left = match unfinished.restarts.first() {
                Some(workload) => format!("; the restart of {workload} is still owed"),
                None => String::new(),
            };
            Need::Nothing(reason + &left)
        }
        (due, Some(unfinished))
            if policy.restarts() && (due.is_err() || satisfies(&unfinished, policy, now)) =>
        {
            Need::Completion(unfinished)
        }
        (Ok(()), _) => Need::Mint,
        (Err(reason), _) => Need::Nothing(reason),
    }
}

/// What is owed to the pod templates in the snapshot since a refused credential
/// was put back.
pub fn owed_put_back(snapshot: &Snapshot) -> Option<PutBack> {
    let marks = &snapshot.secret.marks;
    let put_back = marks.put_back.as_ref()?;
    let has = |workload: &WorkloadRef| {
        let mut found = snapshot.workloads.iter().map(|facts| &facts.version.workload);
        found.any(|found| found == workload)
    };
    let is_owed_here =
        put_back.workloads.is_empty() || put_back.workloads.iter().any(|before| has(&before.workload()));
    // Someone has restored an older copy of the Secret, with the refused credential.
    let is_outdated = marks.rotation_id.as_ref() == Some(&put_back.refused);
    (is_owed_here && !is_outdated).then(|| put_back.clone())
}

/// `Err` with the reason if nothing is due. A credential of unknown age or expiry
/// is due, and so is one that was written in the future: one rotation too many is
/// better than a gateway that stops.
fn due(secret: &SecretFacts, policy: &Policy, now: Timestamp) -> Result<(), String> {
    if !policy.is_conditional() {
        return Ok(());
    }
    let Some(expires_at) = plausible_expiry(&secret.credential, now) else {
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
        let age = written.map(|written| now.duration_since(written));
        let Some(age) = age.filter(|age| *age >= -SOON) else {
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

/// The rotation that wrote the credential, if a restart is owed, or if its proof is
/// and the write was not long ago.
pub fn unfinished(snapshot: &Snapshot, now: Timestamp) -> Option<Unfinished> {
    let secret = &snapshot.secret;
    let marks = &secret.marks;
    let recorded = secret.recorded()?;
    let expires_at = plausible_expiry(&secret.credential, now).filter(|at| *at > now)?;
    if marks.restart_by_other {
        return None;
    }
    let rotation_id = marks.rotation_id.clone()?;
    let rotated_at = marks.rotated_at?;
    let is_soon = now.duration_since(rotated_at).abs() <= SOON;
    let (mut restarts, mut rolling) = (Vec::new(), Vec::new());
    for facts in &snapshot.workloads {
        if facts.marks.proved.contains(&rotation_id) {
            continue;
        }
        let workload = &facts.version.workload;
        if owes_restart(facts, &rotation_id) {
            restarts.push(workload.clone());
        } else if owes_proof(facts, &rotation_id, is_soon) {
            rolling.push(workload.clone());
        }
    }
    let is_unfinished = !restarts.is_empty() || !rolling.is_empty();
    is_unfinished.then_some(Unfinished {
        rotation_id,
        rotated_at,
        expires_at,
        recorded,
        restarts,
        rolling,
    })
}

/// Whether no restart has brought the credential to the pods, however long ago it
/// was written. Without pods the restart costs nothing, and the end state is that
/// of an uninterrupted run.
fn owes_restart(facts: &WorkloadFacts, id: &str) -> bool {
    let is_restarted = facts.marks.template.rotation_ids.contains(id);
    !is_restarted && (facts.stale_pods != Some(false) || facts.wanted == 0)
}

/// Whether someone still waits for the pods of a workload that was restarted, or
/// pods stay stale all the same: those that are deleted by hand, or that belong to
/// another controller.
fn owes_proof(facts: &WorkloadFacts, id: &str, is_soon: bool) -> bool {
    let is_rolling = match facts.rollout {
        Rollout::Complete => false,
        Rollout::Waiting(_) => true,
        Rollout::LeftByHand(_) => facts.stale_pods != Some(false),
    };
    facts.stale_pods == Some(true) || is_soon && (is_rolling || !facts.marks.given_up.contains(id))
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
mod tests;
