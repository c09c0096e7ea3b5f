//! The only retry policy of the product: exponential waits with jitter within a
//! deadline, or the wait that the server asks for with `Retry-After` if that is
//! longer.

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};
use jiff::fmt::rfc2822;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// The first wait is between this and twice this.
const BASE: Duration = Duration::from_millis(500);
/// The maximum without jitter; with it, no wait is longer than 30 s.
const LONGEST: Duration = Duration::from_secs(15);

/// How long [`Decision::RetryBriefly`] retries at most, counted from the first such
/// failure: the time before it may have been spent waiting for something else.
const BRIEF: Duration = Duration::from_secs(20);

/// The part of the time of a run after which it gives up as well: who waits for a table
/// does not want to wait as long as a CronJob may.
const BRIEF_PART: u32 = 10;

/// How long one attempt may take, its answer's body included. A connection that
/// hangs must not take the whole time of a run.
pub(crate) const ATTEMPT: Duration = Duration::from_secs(30);

/// What to do after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// A retry cannot help, or could do harm.
    Stop,
    /// Retry after a wait of our own.
    Retry,
    /// Retry, but not for long: if a host cannot be reached, a pod's network
    /// may not be up yet, but more often the address is wrong.
    RetryBriefly,
    /// Retry after the wait that the server asked for, or our own if that is
    /// longer: ARM refuses earlier attempts, and each of them restarts the wait.
    /// A server that asks for no wait gets ours.
    RetryAfter(Duration),
}

/// The waits between the attempts of one request.
#[derive(Debug)]
pub(crate) struct Backoff {
    waits: ExponentialBackoff,
    deadline: Instant,
}

impl Backoff {
    pub(crate) fn until(deadline: Instant) -> Self {
        let waits = ExponentialBuilder::new()
            .with_min_delay(BASE)
            .with_factor(2.0)
            .with_max_delay(LONGEST)
            .with_jitter()
            .without_max_times();
        Self {
            waits: waits.build(),
            deadline,
        }
    }

    /// Waits for the longer of our own backoff and `at_least`. Returns false at
    /// once if that would pass the deadline.
    pub(crate) async fn wait(&mut self, at_least: Duration) -> bool {
        match self.next(at_least) {
            Some(wait) => {
                sleep(wait).await;
                true
            }
            None => false,
        }
    }

    fn next(&mut self, at_least: Duration) -> Option<Duration> {
        let wait = self.waits.next()?.max(at_least);
        let left = self.deadline.saturating_duration_since(Instant::now());
        (wait < left).then_some(wait)
    }
}

/// Runs `op` until it succeeds, or until `decide` returns `Stop` or the next
/// wait would pass the deadline; then the last error is returned. An attempt
/// that is running at the deadline is dropped and returns `timed_out`.
///
/// Each retry is logged as a warning with the error's `Display`, which must
/// therefore contain no secret. `op` limits its requests to [`ATTEMPT`] itself:
/// it may have to wait its turn first.
pub(crate) async fn retrying<T, E, Op>(
    deadline: Instant,
    decide: impl Fn(&E) -> Decision,
    timed_out: impl Fn() -> E,
    mut op: impl FnMut() -> Op,
) -> Result<T, E>
where
    E: Display,
    Op: Future<Output = Result<T, E>>,
{
    let mut backoff = Backoff::until(deadline);
    let brief = BRIEF.min(deadline.saturating_duration_since(Instant::now()) / BRIEF_PART);
    let mut failing_since = None;
    let mut said = None;
    loop {
        let outcome = timeout_at(deadline, op()).await;
        let error = match outcome.unwrap_or_else(|_| Err(timed_out())) {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let at_least = match decide(&error) {
            Decision::Stop => return Err(error),
            Decision::Retry => Duration::ZERO,
            Decision::RetryBriefly => {
                let since = *failing_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= brief {
                    return Err(error);
                }
                Duration::ZERO
            }
            Decision::RetryAfter(wait) => wait,
        };
        let Some(wait) = backoff.next(at_least) else {
            return Err(error);
        };
        let reason = error.to_string();
        if said.as_ref() == Some(&reason) {
            tracing::warn!("retrying in {:.1} s, for the same reason", wait.as_secs_f32());
        } else {
            tracing::warn!("retrying in {:.1} s: {reason}", wait.as_secs_f32());
        }
        said = Some(reason);
        sleep(wait).await;
    }
}

/// Runs one attempt. After `limit` it is dropped and returns `timed_out`.
pub(crate) async fn limited<T, E>(
    limit: Duration,
    timed_out: impl FnOnce() -> E,
    attempt: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    timeout(limit, attempt).await.unwrap_or_else(|_| Err(timed_out()))
}

/// The instant before which a server asked to be left alone. It applies to
/// every request to the server, not only to the one that it refused. Clones
/// share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct NotBefore(Arc<Mutex<Option<Instant>>>);

impl NotBefore {
    /// Records the wait that an answer asks for.
    pub(crate) fn postpone(&self, wait: Duration) {
        let mut instant = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A wait beyond what the clock can hold is longer than any run.
        let until = Instant::now().checked_add(wait.min(FOREVER));
        *instant = (*instant).max(until);
    }

    /// How much longer the server wants to be left alone.
    pub(crate) fn remaining(&self) -> Duration {
        let instant = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        instant.map_or(Duration::ZERO, |instant| {
            instant.saturating_duration_since(Instant::now())
        })
    }

    /// Waits until a request may be sent.
    pub(crate) async fn over(&self) {
        loop {
            let wait = self.remaining();
            if wait.is_zero() {
                return;
            }
            sleep(wait).await;
        }
    }

    /// The same within a deadline: returns false, at once if that is known, if
    /// no request may be sent before it.
    pub(crate) async fn over_by(&self, deadline: Instant) -> bool {
        let wait = self.remaining();
        wait.is_zero()
            || wait < deadline.saturating_duration_since(Instant::now())
                && timeout_at(deadline, self.over()).await.is_ok()
    }
}

/// The longest wait that is recorded.
const FOREVER: Duration = Duration::from_hours(24 * 365);

/// `Retry-After` in seconds or as an HTTP date. A date counts from the `Date`
/// of the same answer, so the local clock does not matter.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let wait = text(RETRY_AFTER)?.trim();
    if let Ok(seconds) = wait.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let until = rfc2822::parse(wait).ok()?.timestamp();
    let now = rfc2822::parse(text(DATE)?).ok()?.timestamp();
    Some(Duration::try_from(until.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;

    use http::HeaderValue;
    use tokio::time::sleep;

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    async fn run(decision: Decision, failures: usize) -> (Result<(), &'static str>, usize, Duration) {
        let begun = Instant::now();
        let attempts = Cell::new(0);
        let op = async || {
            attempts.set(attempts.get() + 1);
            if attempts.get() > failures {
                Ok(())
            } else {
                Err("busy")
            }
        };
        let result = retrying(begun + MINUTE, |_| decision, || "late", op).await;
        (result, attempts.get(), begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn waits_double_with_jitter() {
        let (result, attempts, took) = run(Decision::Retry, 3).await;
        assert_eq!((result, attempts), (Ok(()), 4));
        let (shortest, longest) = (Duration::from_millis(3_500), Duration::from_millis(7_010));
        assert!(took >= shortest && took <= longest, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn stop_returns_the_error_at_once() {
        assert_eq!(run(Decision::Stop, 9).await, (Err("busy"), 1, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn the_servers_wait_is_kept_exactly() {
        let wait = Duration::from_secs(17);
        let (result, attempts, took) = run(Decision::RetryAfter(wait), 1).await;
        assert_eq!((result, attempts), (Ok(()), 2));
        assert!(
            took >= wait && took < wait + Duration::from_millis(10),
            "{took:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_asks_for_no_wait_gets_ours() {
        let (result, attempts, took) = run(Decision::RetryAfter(Duration::ZERO), usize::MAX).await;
        assert_eq!(result, Err("busy"));
        assert!(attempts < 10 && took < MINUTE, "{attempts} {took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_past_the_deadline_is_not_started() {
        let (result, attempts, took) = run(Decision::RetryAfter(MINUTE), 1).await;
        assert_eq!((result, attempts, took), (Err("busy"), 1, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn retries_end_inside_the_deadline_with_the_last_error() {
        let (result, attempts, took) = run(Decision::Retry, usize::MAX).await;
        assert_eq!(result, Err("busy"));
        assert!(attempts > 4 && took < MINUTE, "{attempts} {took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn brief_retries_end_before_the_deadline() {
        let (result, _, took) = run(Decision::RetryBriefly, usize::MAX).await;
        assert_eq!(result, Err("busy"));
        assert!(took < BRIEF && took >= MINUTE / BRIEF_PART, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn brief_retries_follow_even_after_a_long_first_attempt() {
        let begun = Instant::now();
        let attempts = Cell::new(0);
        let op = async || {
            attempts.set(attempts.get() + 1);
            if attempts.get() > 1 {
                return Ok(());
            }
            sleep(2 * BRIEF).await;
            Err("unreachable")
        };
        let result = retrying(begun + MINUTE, |_| Decision::RetryBriefly, || "late", op).await;
        assert_eq!((result, attempts.get()), (Ok(()), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_hangs_is_dropped_at_the_deadline() {
        let begun = Instant::now();
        let hangs = pending::<Result<(), &str>>;
        let result = retrying(begun + MINUTE, |_| Decision::Stop, || "late", hangs).await;
        assert_eq!((result, begun.elapsed()), (Err("late"), MINUTE));
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_hangs_counts_as_timed_out_and_is_retried() {
        let attempts = Cell::new(0);
        let op = || {
            attempts.set(attempts.get() + 1);
            let first = attempts.get() == 1;
            let attempt = async move { if first { pending().await } else { Ok(()) } };
            limited(ATTEMPT, || "late", attempt)
        };
        let begun = Instant::now();
        let result = retrying(begun + MINUTE, |_| Decision::Retry, || "over", op).await;
        assert_eq!((result, attempts.get()), (Ok(()), 2));
        assert!(begun.elapsed() < ATTEMPT + 3 * BASE, "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_backoff_waits_longer_each_time_and_never_past_its_deadline() {
        let begun = Instant::now();
        let mut backoff = Backoff::until(begun + MINUTE);
        assert!(backoff.wait(Duration::ZERO).await);
        assert!(begun.elapsed() >= BASE && begun.elapsed() < 3 * BASE);

        let before = Instant::now();
        assert!(backoff.wait(Duration::from_secs(17)).await);
        assert!(before.elapsed() >= Duration::from_secs(17) && before.elapsed() < Duration::from_secs(18));

        let before = Instant::now();
        assert!(!backoff.wait(MINUTE).await);
        assert_eq!(before.elapsed(), Duration::ZERO);
        while backoff.wait(Duration::ZERO).await {}
        assert!(begun.elapsed() < MINUTE);
    }

    #[tokio::test(start_paused = true)]
    async fn no_request_is_sent_before_the_latest_instant_that_was_asked_for() {
        let begun = Instant::now();
        let not_before = NotBefore::default();
        assert!(not_before.over_by(begun).await);
        not_before.postpone(Duration::from_secs(9));
        not_before.postpone(Duration::from_secs(3));
        let shared = not_before.clone();
        assert!(!shared.over_by(begun + Duration::from_secs(9)).await);
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert!(shared.over_by(begun + MINUTE).await);
        assert!(begun.elapsed() >= Duration::from_secs(9), "{:?}", begun.elapsed());

        not_before.postpone(Duration::MAX);
        assert!(!shared.over_by(begun + 9 * MINUTE).await);
    }

    #[test]
    fn retry_after_in_seconds_or_as_a_date() {
        let date = "Sun, 22 Nov 2026 10:00:00 GMT";
        let later = "Sun, 22 Nov 2026 10:00:09 GMT";
        for (pairs, expected) in [
            (vec![(RETRY_AFTER, "17")], Some(17)),
            (vec![(RETRY_AFTER, later), (DATE, date)], Some(9)),
            (vec![(RETRY_AFTER, date), (DATE, later)], Some(0)),
            (vec![(RETRY_AFTER, later)], None),
            (vec![(RETRY_AFTER, "soon")], None),
            (vec![], None),
        ] {
            let headers = pairs
                .iter()
                .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
                .collect();
            assert_eq!(
                retry_after(&headers),
                expected.map(Duration::from_secs),
                "{pairs:?}"
            );
        }
    }
}
