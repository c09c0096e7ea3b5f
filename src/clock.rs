//! The servers' clocks. The API server's clock decides whether a token is due,
//! and ARM's clock its expiry, so a wrong local clock affects neither.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use http::HeaderMap;
use http::header::DATE;
use jiff::{SignedDuration, Timestamp};

/// The clock of one server: its latest `Date` header plus the time since, by
/// the monotonic clock. Clones share the observations.
#[derive(Clone, Debug, Default)]
pub struct ServerClock(Arc<Mutex<Option<(Timestamp, Instant)>>>);

impl ServerClock {
    /// Sets the clock to the `Date` header of an answer, if there is one.
    pub fn observe(&self, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|value| value.to_str().ok());
        let Some(date) = date.and_then(|text| jiff::fmt::rfc2822::parse(text).ok()) else {
            return;
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((date.timestamp(), Instant::now()));
    }

    /// The server's time, to the second; `None` before its first answer.
    pub fn now(&self) -> Option<Timestamp> {
        let (date, observed) = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        let elapsed = SignedDuration::try_from(observed.elapsed()).ok()?;
        date.checked_add(elapsed).ok()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_date_header_sets_the_clock_and_an_invalid_one_is_ignored() {
        let clock = ServerClock::default();
        assert_eq!(clock.now(), None);
        let mut headers = HeaderMap::new();
        headers.insert(DATE, HeaderValue::from_static("Sun, 22 Nov 2026 10:00:00 GMT"));
        clock.observe(&headers);
        headers.insert(DATE, HeaderValue::from_static("yesterday"));
        clock.observe(&headers);
        let now = clock.now().unwrap();
        let set: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        assert!(now >= set && now.duration_since(set) < SignedDuration::from_mins(1));
    }
}
