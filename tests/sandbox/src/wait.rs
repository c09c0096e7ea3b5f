//! Waiting for a condition, never for a length of time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const INTERVAL: Duration = Duration::from_millis(25);

/// Calls `probe` until it yields a value or `limit` has passed.
///
/// An error of the probe ends the wait at once: whatever may still become
/// right is an `Ok(None)`. `what` completes the sentence "timed out waiting
/// for ...".
pub async fn until<T>(
    what: &str,
    limit: Duration,
    mut probe: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = probe().await? {
            return Ok(value);
        }
        if start.elapsed() >= limit {
            bail!("timed out after {limit:?} waiting for {what}");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
