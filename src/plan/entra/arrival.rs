//! When what was made in Azure has arrived where a gateway needs it. Azure gives no
//! limit for that, so it is asked.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How many sign-ins in a row have to succeed. Entra's servers get a credential one
/// after the other.
const SUCCESSES: u32 = 3;

/// Over how long a time they have to succeed.
const OVER: Duration = Duration::from_secs(15);

/// How long a new assignment of a role may take to work (learn.microsoft.com,
/// "Troubleshoot Azure RBAC": up to 10 minutes).
pub const ASSIGNMENT_TIME: SignedDuration = SignedDuration::from_mins(10);

/// How long what cannot be read is awaited, since it may not be there at all. Somebody
/// else may have made it just before.
pub const UNREAD_TIME: Duration = Duration::from_mins(1);

/// How long Entra may not know a certificate before the app is asked for it: two changes
/// of an app at the same time keep the certificates of one of them only. Graph may read
/// the app without it at first.
pub const LOST_TIME: Duration = Duration::from_mins(1);

/// Whether Entra does not know the certificate, by its code.
pub fn is_unknown_certificate(code: &str) -> bool {
    code == "AADSTS700027"
}

/// Whether a refusal by Entra, by its code, may end by itself, because a credential or
/// an app has not arrived at all of its servers. All others stay, such as that of
/// conditional access or of an app that is disabled.
pub fn may_arrive(code: &str) -> bool {
    const MAY: [&str; 11] = [
        "7000215", "7000222", "700016", "7000229", "700027", "70021", "700211", "700212", "7002121",
        "700213", "7002138",
    ];
    let number = code.strip_prefix("AADSTS").unwrap_or(code);
    MAY.contains(&number)
}

/// Whether an administrator of the tenant has to allow the sign-in, by Entra's code: a
/// conditional access policy blocks it, or the app is disabled.
pub fn is_forbidden(code: &str) -> bool {
    matches!(code, "AADSTS53003" | "AADSTS7000112")
}

/// The successes of sign-ins so far.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    needed: u32,
    over: Duration,
    count: u32,
    first: Duration,
}

impl Arrival {
    /// Of something new.
    pub const fn of_new() -> Self {
        Self {
            needed: SUCCESSES,
            over: OVER,
            count: 0,
            first: Duration::ZERO,
        }
    }

    /// Of what was there before: one success is enough.
    pub const fn of_known() -> Self {
        Self {
            needed: 1,
            over: Duration::ZERO,
            ..Self::of_new()
        }
    }

    /// Adds an answer at this time since the beginning.
    pub fn add(&mut self, at: Duration, succeeded: bool) {
        if !succeeded {
            self.count = 0;
            return;
        }
        if self.count == 0 {
            self.first = at;
        }
        self.count += 1;
    }

    pub fn is_there(&self, at: Duration) -> bool {
        self.count >= self.needed && at.saturating_sub(self.first) >= self.over
    }

    /// How long until the next question is useful after a success.
    pub fn pause(&self) -> Duration {
        self.over / self.needed.saturating_sub(1).max(1)
    }
}

/// Whether a refusal by the configuration endpoint counts: the newest assignment has
/// had time to work.
pub fn refusal_counts(newest: Timestamp, now: Timestamp) -> bool {
    now.duration_since(newest) >= ASSIGNMENT_TIME
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn something_new_is_there_after_three_successes_over_a_while() {
        let mut arrival = Arrival::of_new();
        for second in [0, 5, 10] {
            arrival.add(at(second), true);
            assert!(!arrival.is_there(at(second)), "{second}");
        }
        arrival.add(at(12), false);
        for (second, there) in [(20, false), (28, false), (35, true)] {
            arrival.add(at(second), true);
            assert_eq!(arrival.is_there(at(second)), there, "{second}");
        }
        let mut known = Arrival::of_known();
        assert!(!known.is_there(at(99)));
        known.add(at(99), true);
        assert!(known.is_there(at(99)));
    }

    #[test]
    fn the_pauses_fill_the_time() {
        let mut arrival = Arrival::of_new();
        let mut now = Duration::ZERO;
        for _ in 0..SUCCESSES {
            assert!(!arrival.is_there(now));
            arrival.add(now, true);
            now += arrival.pause();
        }
        assert!(arrival.is_there(now.saturating_sub(arrival.pause())));
    }

    #[test]
    fn only_what_may_arrive_is_awaited() {
        for code in ["AADSTS7000215", "AADSTS700213", "700016"] {
            assert!(may_arrive(code), "{code}");
        }
        for code in ["AADSTS53003", "AADSTS7000112", "AADSTS90061", "AADSTS50013", ""] {
            assert!(!may_arrive(code), "{code}");
        }
    }

    #[test]
    fn an_unknown_certificate_may_be_one_that_the_app_has_lost() {
        for (code, unknown) in [("AADSTS700027", true), ("AADSTS7000215", false)] {
            assert_eq!(is_unknown_certificate(code), unknown, "{code}");
            assert!(may_arrive(code), "{code}");
        }
    }

    #[test]
    fn what_an_administrator_has_to_allow_is_forbidden() {
        for (code, forbidden) in [
            ("AADSTS53003", true),
            ("AADSTS7000112", true),
            ("AADSTS90061", false),
            ("", false),
        ] {
            assert_eq!(is_forbidden(code), forbidden, "{code}");
        }
    }

    #[test]
    fn a_refusal_counts_only_after_the_time_of_an_assignment() {
        let made: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
        assert!(!refusal_counts(
            made,
            made + ASSIGNMENT_TIME - SignedDuration::from_secs(1)
        ));
        assert!(refusal_counts(made, made + ASSIGNMENT_TIME));
    }
}
