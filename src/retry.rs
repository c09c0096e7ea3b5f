//! The only retry policy of the product: exponential waits with jitter within a
//! deadline, or the wait that the server asks for with `Retry-After`.

use std::fmt::Display;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use tokio::time::{Instant, timeout_at};

/// The first wait is between this and twice this.
const BASE: Duration = Duration::from_millis(500);
/// The maximum without jitter; with it, no wait is longer than 30 s.
const LONGEST: Duration = Duration::from_secs(15);

/// How long [`Decision::RetryBriefly`] retries, counted from the first such
/// failure: the time before it may have been spent waiting for something else.
const BRIEF: Duration = Duration::from_secs(20);

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
    /// Retry after exactly the wait that the server asked for: ARM refuses
    /// earlier attempts, and each of them restarts the wait.
    RetryAfter(Duration),
}

/// Runs `op` until it succeeds, or until `decide` returns `Stop` or the next
/// wait would pass the deadline; then the last error is returned. An attempt
/// that is running at the deadline is dropped and returns `timed_out`.
///
/// Each retry is logged as a warning with the error's `Display`, which must
/// therefore contain no secret.
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
    let mut failing_since = None;
    let waits = ExponentialBuilder::new()
        .with_min_delay(BASE)
        .with_factor(2.0)
        .with_max_delay(LONGEST)
        .with_jitter()
        .without_max_times();
    let attempt = || {
        let attempt = op();
        let timed_out = &timed_out;
        async move {
            timeout_at(deadline, attempt)
                .await
                .unwrap_or_else(|_| Err(timed_out()))
        }
    };
    attempt
        .retry(waits)
        .adjust(|error, ours| {
            let wait = match decide(error) {
                Decision::Stop => None,
                Decision::Retry => ours,
                Decision::RetryBriefly => {
                    let since = *failing_since.get_or_insert_with(Instant::now);
                    ours.filter(|_| since.elapsed() < BRIEF)
                }
                Decision::RetryAfter(wait) => Some(wait),
            };
            wait.filter(|wait| *wait < deadline.saturating_duration_since(Instant::now()))
        })
        .notify(|error, wait| {
            tracing::warn!("retrying in {:.1} s: {error}", wait.as_secs_f32());
        })
        .await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;

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
        assert!(took < BRIEF + 2 * LONGEST && took < MINUTE, "{took:?}");
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
}
