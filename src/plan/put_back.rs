use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Mint, OutcomeKind, plausible_expiry};
use crate::model::SecretFacts;

/// The part of a run before its deadline that is kept for putting a refused
/// credential back.
pub const PUT_BACK_TIME: Duration = Duration::from_secs(30);

/// How long a previous credential must live to be put back: the time until a daily
/// CronJob runs again.
const NEXT_CHANCE: SignedDuration = SignedDuration::from_hours(24);

/// What to do about a credential that Azure refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AfterRefusal {
    /// Restore the credential that was there before the run.
    PutBack,
    /// Replace it by a new credential.
    Replace(Mint),
    /// Leave it: nothing better is available.
    Keep,
}

/// Decides what to do about a credential that Azure refused. `outcome` shows
/// how it came into the Secret, and `previous` is what the Secret held before
/// this run. `fresh` is the expiry of a credential that is minted now.
pub fn after_refusal(
    outcome: OutcomeKind,
    refused: &Mint,
    previous: &SecretFacts,
    fresh: Timestamp,
    now: Timestamp,
) -> AfterRefusal {
    let expiry = plausible_expiry(&previous.credential, now);
    let lives_on = expiry.is_some_and(|at| at.duration_since(now) >= NEXT_CHANCE);
    let previous_works = lives_on && refused.is_independent_of(previous);
    let alternative = match refused {
        Mint::Token(token) => Some(Mint::Token(token.of_other_key(fresh))),
    };
    decide(outcome, previous_works, alternative)
}

/// The decision for any kind of credential. `alternative` is another credential
/// that can work although Azure refused this one, if the kind has one.
fn decide(outcome: OutcomeKind, previous_works: bool, alternative: Option<Mint>) -> AfterRefusal {
    match outcome {
        OutcomeKind::Rotated if previous_works => AfterRefusal::PutBack,
        // A completion cannot put back what an earlier run has overwritten.
        OutcomeKind::Rotated | OutcomeKind::Completed => {
            alternative.map_or(AfterRefusal::Keep, AfterRefusal::Replace)
        }
        // The alternative was refused as well.
        OutcomeKind::Replaced
        | OutcomeKind::PutBack
        | OutcomeKind::Yielded
        | OutcomeKind::Owed
        | OutcomeKind::Failed => AfterRefusal::Keep,
    }
}

#[cfg(test)]
mod tests {
    use AfterRefusal::{Keep, PutBack, Replace};

    use super::super::fixture::{DAY, mint, now, rotated};
    use super::*;
    use crate::model::KeySlot::{self, Primary, Secondary};
    use crate::model::{Credential, TokenError};

    fn from_the(slot: KeySlot, previous: Option<KeySlot>) -> Mint {
        let Mint::Token(mut token) = mint();
        (token.key_slot, token.previous_key_slot) = (slot, previous);
        Mint::Token(token)
    }

    fn fresh() -> Timestamp {
        now() + DAY * 20
    }

    /// The replacement of a refused token.
    fn replaced_by(slot: KeySlot) -> AfterRefusal {
        let Mint::Token(mut token) = from_the(slot, Some(slot.other()));
        token.expires_at = fresh();
        Replace(Mint::Token(token))
    }

    /// The Secret before the run, with a token of this slot and life.
    fn previous(slot: Option<KeySlot>, days: i64) -> SecretFacts {
        let mut secret = rotated().secret;
        let expires_at = now() + DAY * i32::try_from(days).unwrap();
        if let Credential::Token { claims, .. } = &mut secret.credential {
            claims.expires_at = expires_at;
        }
        secret.marks.expires_at = Some(expires_at);
        secret.marks.last_used_key = slot;
        secret
    }

    #[test]
    fn a_refused_token_is_put_back_replaced_or_kept() {
        let of_primary = || replaced_by(Primary);
        let of_secondary = || replaced_by(Secondary);
        for (outcome, refused, slot, days, expected) in [
            // A token of the other key that has not expired is put back.
            (OutcomeKind::Rotated, Primary, Some(Secondary), 2, PutBack),
            (OutcomeKind::Rotated, Secondary, Some(Primary), 1, PutBack),
            // Others are not.
            (OutcomeKind::Rotated, Primary, Some(Secondary), 0, of_secondary()),
            (OutcomeKind::Rotated, Primary, Some(Secondary), -1, of_secondary()),
            (OutcomeKind::Rotated, Primary, Some(Secondary), 99, of_secondary()),
            (OutcomeKind::Rotated, Primary, Some(Primary), 2, of_secondary()),
            (OutcomeKind::Rotated, Secondary, Some(Secondary), 2, of_primary()),
            (OutcomeKind::Rotated, Primary, None, 2, of_secondary()),
            // A completion finds the refused token itself in the Secret.
            (OutcomeKind::Completed, Primary, Some(Primary), 2, of_secondary()),
            (
                OutcomeKind::Completed,
                Primary,
                Some(Secondary),
                2,
                of_secondary(),
            ),
            // Both keys were refused.
            (OutcomeKind::Replaced, Secondary, Some(Secondary), 2, Keep),
            (OutcomeKind::Replaced, Secondary, Some(Primary), 2, Keep),
        ] {
            let before = previous(slot, days);
            assert_eq!(
                after_refusal(outcome, &from_the(refused, None), &before, fresh(), now()),
                expected,
                "{outcome:?}, refused {refused}, before {slot:?} for {days} days"
            );
        }
    }

    #[test]
    fn a_token_that_expires_before_the_next_run_is_not_put_back() {
        let mut before = previous(Some(Secondary), 1);
        let at = now() + DAY - SignedDuration::from_secs(1);
        if let Credential::Token { claims, .. } = &mut before.credential {
            claims.expires_at = at;
        }
        before.marks.expires_at = Some(at);
        let refused = from_the(Primary, None);
        let decision = after_refusal(OutcomeKind::Rotated, &refused, &before, fresh(), now());
        assert_eq!(decision, replaced_by(Secondary));
    }

    #[test]
    fn marks_of_another_token_and_an_unreadable_credential_are_not_put_back() {
        let refused = from_the(Primary, None);
        let mut by_hand = previous(Some(Secondary), 2);
        by_hand.marks.expires_at = Some(now());
        let mut empty = previous(Some(Secondary), 2);
        empty.credential = Credential::Unusable(TokenError::Empty);
        for before in [by_hand, empty] {
            let decision = after_refusal(OutcomeKind::Rotated, &refused, &before, fresh(), now());
            assert_eq!(decision, replaced_by(Secondary));
        }
    }

    /// A kind of credential without key slots, such as a certificate, has no
    /// alternative, and its previous credential works until it expires.
    #[test]
    fn a_kind_without_an_alternative_is_put_back_or_kept() {
        for (outcome, previous_works, expected) in [
            (OutcomeKind::Rotated, true, PutBack),
            (OutcomeKind::Rotated, false, Keep),
            (OutcomeKind::Completed, true, Keep),
            (OutcomeKind::Completed, false, Keep),
        ] {
            assert_eq!(decide(outcome, previous_works, None), expected, "{outcome:?}");
        }
    }
}
