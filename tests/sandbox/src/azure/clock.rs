//! The emulator's own clock.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

/// A clock that runs with the monotonic time of the machine, can be shifted, and can be stopped.
#[derive(Debug)]
pub(super) struct Clock {
    started_at: Timestamp,
    started: Instant,
    offset: SignedDuration,
    stopped_at: Option<Timestamp>,
}

impl Clock {
    pub(super) fn start() -> Clock {
        Clock {
            started_at: Timestamp::now(),
            started: Instant::now(),
            offset: SignedDuration::ZERO,
            stopped_at: None,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.stopped_at.unwrap_or_else(|| self.machine_time()) + self.offset
    }

    pub(super) fn set_offset(&mut self, offset: SignedDuration) {
        self.offset = offset;
    }

    pub(super) fn advance(&mut self, by: SignedDuration) {
        self.offset += by;
    }

    pub(super) fn stop(&mut self) {
        let time = self.machine_time();
        self.stopped_at.get_or_insert(time);
    }

    fn machine_time(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.started.elapsed()).unwrap_or(SignedDuration::MAX);
        self.started_at + elapsed
    }
}

/// The form of the `Date` header, for example `Sun, 22 Nov 2026 10:44:27 GMT`.
pub(super) fn http_date(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
