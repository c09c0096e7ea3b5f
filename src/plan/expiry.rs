use jiff::{SignedDuration, Timestamp, Unit};

use crate::model::{Credential, MAX_LIFE};

/// How far an expiry stays below ARM's limit, so that neither rounding nor a
/// slow request exceeds it.
const MARGIN: SignedDuration = SignedDuration::from_mins(10);

/// How much the expiry of a credential may exceed what Azure grants before it is
/// not believed.
const SLACK: SignedDuration = SignedDuration::from_hours(24);

/// The expiry of a credential; `None` if it has none, or a later one than Azure
/// can have granted. Such a token was written by hand or by mistake.
pub fn plausible_expiry(credential: &Credential, now: Timestamp) -> Option<Timestamp> {
    let is_plausible = |at: &Timestamp| at.duration_since(now) <= MAX_LIFE + SLACK;
    credential.expires_at().filter(is_plausible)
}

/// The expiry to request from ARM: by ARM's own clock, and in whole minutes
/// because a token holds no seconds.
pub fn expiry(life: SignedDuration, arm_now: Timestamp) -> Timestamp {
    let longest = MAX_LIFE - MARGIN;
    let wanted = arm_now + life.min(longest);
    let second = wanted.as_second();
    Timestamp::from_second(second - second.rem_euclid(60)).unwrap_or(wanted)
}

/// A credential of an app is due when this part of its life is left: its renewal may
/// need other people.
const DUE_PART: i32 = 3;

/// The life of a credential whose begin is not known: that of one that `entra setup`
/// makes.
const USUAL_LIFE: SignedDuration = SignedDuration::from_hours(180 * 24);

/// How long before its end any credential expires soon. Azure Advisor warns at the same
/// time (recommendation `ShgwGatewayTokenNearExpiry`).
pub const EXPIRING: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How long before its end a credential of an app is due.
pub fn due_before(begins: Option<Timestamp>, expires: Timestamp) -> SignedDuration {
    let life = begins.map(|begins| expires.duration_since(begins));
    life.filter(SignedDuration::is_positive).unwrap_or(USUAL_LIFE) / DUE_PART
}

/// Whether a credential of an app is to be replaced by one with this lifetime. The new
/// one lives longer, so the next run leaves it.
pub fn is_due(
    (begins, expires): (Option<Timestamp>, Timestamp),
    lifetime: SignedDuration,
    now: Timestamp,
) -> bool {
    let left = expires.duration_since(now);
    let gained = lifetime.saturating_sub(left);
    gained.is_positive()
        && (left <= due_before(begins, expires) || (left <= EXPIRING && gained >= lifetime / 2))
}

/// A time in the precision of annotations.
pub fn whole_seconds(time: Timestamp) -> Timestamp {
    time.round(Unit::Second).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Claims, TokenError};

    #[test]
    fn an_expiry_that_azure_cannot_grant_is_unknown() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let at = |expires_at| {
            let claims = Claims {
                gateway: "gw".to_owned(),
                expires_at,
            };
            plausible_expiry(
                &Credential::Token {
                    claims,
                    prefixed: true,
                },
                now,
            )
        };
        let day = SignedDuration::from_hours(24);
        for expires_at in [now - day, now + day, now + MAX_LIFE, now + MAX_LIFE + day] {
            assert_eq!(at(expires_at), Some(expires_at));
        }
        for expires_at in [now + MAX_LIFE + day * 2, "2999-01-01T00:00:00Z".parse().unwrap()] {
            assert_eq!(at(expires_at), None);
        }
        assert_eq!(
            plausible_expiry(&Credential::Unusable(TokenError::Empty), now),
            None
        );
    }

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
