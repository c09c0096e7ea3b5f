//! What a result says on the gateway's workloads.

use jiff::{SignedDuration, Timestamp};

use super::rotation::{Ending, RotationReport};
use crate::model::{Event, EventReason, in_words};

/// From when on a token that this run did not renew is worth an Event.
const SOON: SignedDuration = SignedDuration::from_hours(7 * 24);

impl RotationReport {
    /// The Events that the result is worth. `former` is when the token expires
    /// that was there before the run.
    pub fn events(&self, previous: Option<Timestamp>, now: Timestamp) -> Vec<Event> {
        let mut events = Vec::new();
        let mut tell = |reason, note| events.push(Event { reason, note });
        let token = match &self.secret {
            Some(secret) => format!("the token in secret/{}", secret.name),
            None => "the token".to_owned(),
        };
        match (&self.error, self.outcome) {
            (_, Ending::Skipped) => {}
            (Some(error), _) => tell(EventReason::RotationFailed, error.message.clone()),
            (None, Ending::Rotated | Ending::Completed) => {
                let slot = self.key_slot.map(|slot| format!(", is of the {slot} key"));
                let until = self
                    .expires_at
                    .map(|expires_at| format!(" and expires at {expires_at}"));
                tell(
                    EventReason::CredentialRotated,
                    format!(
                        "{token} was renewed{}{}",
                        slot.unwrap_or_default(),
                        until.unwrap_or_default()
                    ),
                );
            }
            _ => {}
        }
        let lapses = self.expires_at.or(previous).filter(|_| self.left_as_it_was());
        if let Some(expires_at) = lapses {
            let left = expires_at.duration_since(now);
            let when = if left.is_negative() {
                format!("expired {} ago", in_words(left))
            } else {
                format!("expires in {}", in_words(left))
            };
            if left < SOON {
                tell(
                    EventReason::CredentialExpiring,
                    format!("{token} {when}, at {expires_at}"),
                );
            }
        }
        events
    }

    /// Whether the token that was there is there still, for all that is known.
    fn left_as_it_was(&self) -> bool {
        matches!(
            self.outcome,
            Ending::NotDue | Ending::NotBegun | Ending::Refused | Ending::Failed | Ending::PutBack
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::rotation::tests::rotated;
    use super::*;
    use crate::error::Error;
    use crate::plan::fixture::{DAY, now, snapshot};

    fn told(report: &RotationReport, previous: SignedDuration) -> Vec<(EventReason, String)> {
        let events = report.events(Some(now() + previous), now()).into_iter();
        events.map(|event| (event.reason, event.note)).collect()
    }

    #[test]
    fn a_rotation_tells_slot_and_expiry() {
        let note = "the token in secret/gw-token was renewed, is of the primary key and expires at \
                    2027-02-14T07:50:00Z";
        assert_eq!(
            told(&rotated(), DAY),
            [(EventReason::CredentialRotated, note.to_owned())]
        );
        assert!(!EventReason::CredentialRotated.is_warning());
    }

    #[test]
    fn a_failure_tells_its_error_and_what_lapses_next() {
        let failed = RotationReport {
            expires_at: None,
            ..RotationReport::stopped(&snapshot(), &Error::failed("no answer from Azure"))
        };
        let failure = (EventReason::RotationFailed, "no answer from Azure".to_owned());
        assert_eq!(told(&failed, DAY * 8), std::slice::from_ref(&failure));
        let expiring = "the token in secret/gw-token expires in 2 days, at 2027-01-17T08:00:00Z";
        assert_eq!(
            told(&failed, DAY * 2),
            [failure, (EventReason::CredentialExpiring, expiring.to_owned())]
        );
    }

    #[test]
    fn what_is_not_due_is_told_only_when_it_expires_soon() {
        let not_due = |left| RotationReport {
            expires_at: Some(now() + left),
            ..RotationReport::not_due(&snapshot(), "it is young".to_owned())
        };
        assert_eq!(told(&not_due(DAY * 8), DAY), []);
        let told = told(&not_due(DAY * -1), DAY);
        assert_eq!(told[0].0, EventReason::CredentialExpiring);
        assert!(told[0].1.contains("expired 1 day ago"), "{told:?}");
    }
}
