//! Reads are retried within the run's deadline; writes never are.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

use super::Cluster;
use crate::retry::{Decision, retrying};

/// How long a read is retried if the run has no deadline.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(1);

impl Cluster {
    /// The same cluster with a deadline for its reads.
    #[must_use]
    pub fn until(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The same cluster for reads that the run can do without: they end after
    /// a minute even if the deadline is later.
    pub(crate) fn for_optional_reads(&self) -> Self {
        let soon = Instant::now() + DEFAULT_TIMEOUT;
        let deadline = self.deadline.map_or(soon, |deadline| deadline.min(soon));
        self.clone().until(deadline)
    }

    /// Retries a read while the server is busy or cannot be reached.
    pub(crate) async fn reading<T, Op>(&self, op: impl FnMut() -> Op) -> Result<T, kube::Error>
    where
        Op: Future<Output = Result<T, kube::Error>>,
    {
        let deadline = self.deadline.unwrap_or_else(|| Instant::now() + DEFAULT_TIMEOUT);
        let timed_out = || kube::Error::Service(Box::new(io::Error::from(io::ErrorKind::TimedOut)));
        retrying(deadline, |error| self.retry_decision(error), timed_out, op).await
    }

    fn retry_decision(&self, error: &kube::Error) -> Decision {
        let kube::Error::Api(status) = error else {
            // A server that has answered before will come back. If it never
            // has, the address is probably wrong: fail at once, like kubectl.
            return if self.clock.now().is_some() {
                Decision::Retry
            } else {
                Decision::Stop
            };
        };
        let asked = status
            .details
            .as_ref()
            .map_or(0, |details| details.retry_after_seconds);
        match status.code {
            429 | 500 | 502..=504 if asked > 0 => Decision::RetryAfter(Duration::from_secs(u64::from(asked))),
            429 | 500 | 502..=504 => Decision::Retry,
            _ => Decision::Stop,
        }
    }
}
