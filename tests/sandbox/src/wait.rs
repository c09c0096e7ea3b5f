//! Waiting for a condition, never for a length of time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use k8s_openapi::api::apps::v1::Deployment;

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

/// Whether every wanted pod of a Deployment is new and available, and no other
/// is left.
pub fn is_rolled_out(deployment: &Deployment) -> bool {
    let wanted = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.replicas)
        .unwrap_or(1);
    deployment.status.as_ref().is_some_and(|status| {
        status.observed_generation == deployment.metadata.generation
            && status.updated_replicas.unwrap_or(0) == wanted
            && status.replicas.unwrap_or(0) == wanted
            && status.available_replicas.unwrap_or(0) == wanted
    })
}
