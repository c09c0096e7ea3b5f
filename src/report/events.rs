//! The Events of a result.

use jiff::{SignedDuration, Timestamp};

use super::rotation::{OutcomeName, RotationReport};
use crate::model::{Event, EventReason, in_words};

/// A token that this run did not renew gets an Event when less time is left.
const EXPIRING: SignedDuration = SignedDuration::from_hours(7 * 24);

impl RotationReport {
    /// The Events of the result. `previous` is the expiry of the token from
    /// before the run.
    pub fn events(&self, previous: Option<Timestamp>, now: Timestamp) -> Vec<Event> {
        let mut events = Vec::new();
        let mut add = |reason, note| events.push(Event { reason, note });
        let token = match &self.secret {
            Some(secret) => format!("the token in secret/{}", secret.name),
            None => "the token".to_owned(),
        };
        match (&self.error, self.outcome) {
            (_, OutcomeName::Skipped) => {}
            (Some(error), _) => add(EventReason::RotationFailed, error.message.clone()),
            (None, OutcomeName::Rotated | OutcomeName::Completed) => {
                let slot = self.key_slot.map(|slot| format!(" with the {slot} key"));
                let expiry = self
                    .expires_at
                    .map(|expires_at| format!(" and expires at {expires_at}"));
                add(
                    EventReason::CredentialRotated,
                    format!(
                        "{token} was renewed{}{}",
                        slot.unwrap_or_default(),
                        expiry.unwrap_or_default()
                    ),
                );
            }
            _ => {}
        }
        let unchanged = self.expires_at.or(previous).filter(|_| self.kept_the_token());
        if let Some(expires_at) = unchanged {
            let left = expires_at.duration_since(now);
            let when = if left.is_negative() {
                format!("expired {} ago", in_words(left))
            } else {
                format!("expires in {}", in_words(left))
            };
            if left < EXPIRING {
                add(
                    EventReason::CredentialExpiring,
                    format!("{token} {when}, at {expires_at}"),
                );
            }
        }
        events
    }

    /// Whether the Secret holds the same token as before the run, as far as
    /// the run can know.
    fn kept_the_token(&self) -> bool {
        matches!(
            self.outcome,
            OutcomeName::NotDue
                | OutcomeName::NotBegun
                | OutcomeName::Refused
                | OutcomeName::Failed
                | OutcomeName::PutBack
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::rotation::tests::rotated;
    use super::*;
    use crate::error::Error;
    use crate::plan::fixture::{DAY, now, snapshot};

    fn events(report: &RotationReport, previous: SignedDuration) -> Vec<(EventReason, String)> {
        let events = report.events(Some(now() + previous), now()).into_iter();
        events.map(|event| (event.reason, event.note)).collect()
    }

    #[test]
    fn a_rotation_has_the_slot_and_the_expiry() {
        let note = "the token in secret/gw-token was renewed with the primary key and expires at \
                    2027-02-14T07:50:00Z";
        assert_eq!(
            events(&rotated(), DAY),
            [(EventReason::CredentialRotated, note.to_owned())]
        );
        assert!(!EventReason::CredentialRotated.is_warning());
    }

    #[test]
    fn a_failure_has_its_error_and_the_expiry_if_it_is_soon() {
        let failed = RotationReport {
            expires_at: None,
            ..RotationReport::stopped(&snapshot(), &Error::failed("no answer from Azure"))
        };
        let failure = (EventReason::RotationFailed, "no answer from Azure".to_owned());
        assert_eq!(events(&failed, DAY * 8), std::slice::from_ref(&failure));
        let expiring = "the token in secret/gw-token expires in 2 days, at 2027-01-17T08:00:00Z";
        assert_eq!(
            events(&failed, DAY * 2),
            [failure, (EventReason::CredentialExpiring, expiring.to_owned())]
        );
    }

    #[test]
    fn a_token_that_is_not_due_has_an_event_only_if_it_expires_soon() {
        let not_due = |left| RotationReport {
            expires_at: Some(now() + left),
            ..RotationReport::not_due(&snapshot(), "it is new".to_owned())
        };
        assert_eq!(events(&not_due(DAY * 8), DAY), []);
        let expired = events(&not_due(DAY * -1), DAY);
        assert_eq!(expired[0].0, EventReason::CredentialExpiring);
        assert!(expired[0].1.contains("expired 1 day ago"), "{expired:?}");
    }
}
