use jiff::{SignedDuration, Timestamp, Unit};

use crate::model::MAX_LIFE;

/// How far an expiry stays below ARM's limit, so that neither rounding nor a
/// slow request exceeds it.
const MARGIN: SignedDuration = SignedDuration::from_mins(10);

/// The expiry to request from ARM: by ARM's own clock, and in whole minutes
/// because a token holds no seconds.
pub fn expiry(life: SignedDuration, arm_now: Timestamp) -> Timestamp {
    let longest = MAX_LIFE - MARGIN;
    let wanted = arm_now + life.min(longest);
    let second = wanted.as_second();
    Timestamp::from_second(second - second.rem_euclid(60)).unwrap_or(wanted)
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
