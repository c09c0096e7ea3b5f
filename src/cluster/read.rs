//! How requests are sent: reads and dry runs are retried within the run's
//! deadline, writes are sent once, and none before the instant that the server
//! asked for.

use std::fmt;
use std::time::Duration;

use kube::core::Status;
use kube::core::response::StatusDetails;
use tokio::time::Instant;

use super::Cluster;
use super::explain::reason;
use super::observe::{NoAnswer, Reason};
use super::session::unsent;
use crate::retry::{Backoff, Decision, limited, retrying};

/// How long a request is retried if the run has no deadline.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(1);

/// How long after the deadline a request may end, so that what was written can
/// be read back. It leaves a second of the five in which a run has to end.
const GRACE: Duration = Duration::from_secs(4);

/// The API server's words for an admission webhook without an answer.
const WEBHOOK: &str = "failed calling webhook";

/// The time that a request gets even at the deadline.
const LEAST: Duration = Duration::from_secs(1);

const NO_DETAILS: StatusDetails = StatusDetails {
    name: String::new(),
    group: String::new(),
    kind: String::new(),
    uid: String::new(),
    causes: Vec::new(),
    retry_after_seconds: 0,
};

impl Cluster {
    /// The same cluster with a deadline for its requests.
    #[must_use]
    pub fn until(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The same cluster for somebody who waits at a prompt: no request is repeated.
    #[must_use]
    pub fn trying_once(mut self) -> Self {
        self.tries_once = true;
        self
    }

    /// The same cluster for reads that the run can do without: they end after
    /// a minute even if the deadline is later.
    pub(crate) fn for_optional_reads(&self) -> Self {
        let soon = Instant::now() + DEFAULT_TIMEOUT;
        let deadline = self.deadline.map_or(soon, |deadline| deadline.min(soon));
        self.clone().until(deadline)
    }

    /// The waits of a loop that reads back before it writes again.
    pub(crate) fn backoff(&self) -> Backoff {
        Backoff::until(self.end_of_run())
    }

    /// Retries what is safe to repeat while the server is busy or cannot be
    /// reached.
    pub(crate) async fn reading<T, Op>(&self, mut op: impl FnMut() -> Op) -> Result<T, kube::Error>
    where
        Op: Future<Output = Result<T, kube::Error>>,
    {
        let read = async || self.reading_until(self.end(), &mut op).await;
        // The future of a request is large, and those around it hold it.
        Box::pin(self.signed_in(read)).await
    }

    /// Sends a request in the name of the user. The time for signing in is not its
    /// own. If the server does not accept the credential of a plugin any more, the
    /// request is sent once more with a new one: it has had no effect.
    async fn signed_in<T>(
        &self,
        mut send: impl AsyncFnMut() -> Result<T, kube::Error>,
    ) -> Result<T, kube::Error> {
        let used = self.session.sign_in(self.deadline).await.map_err(unsent)?;
        match send().await {
            Err(kube::Error::Api(status))
                if status.code == 401 && !self.tries_once && self.session.refused(used) =>
            {
                self.session.sign_in(self.deadline).await.map_err(unsent)?;
                send().await
            }
            outcome => outcome,
        }
    }

    async fn reading_until<T, Op>(&self, end: Instant, op: &mut impl FnMut() -> Op) -> Result<T, kube::Error>
    where
        Op: Future<Output = Result<T, kube::Error>>,
    {
        let timed_out = || Failed(self.timed_out());
        let decide = |failed: &Failed| self.retry_decision(&failed.0);
        let attempt = || {
            let request = self.once(end, op());
            async { request.await.map_err(Failed) }
        };
        let read = retrying(end, decide, timed_out, attempt).await;
        read.map_err(|failed| failed.0)
    }

    /// Sends a write once. It takes at most half of the time that is left, so
    /// that there is time to read it back. A dry run is retried like a read.
    pub(crate) async fn writing<T, Op>(
        &self,
        dry_run: bool,
        mut op: impl FnMut() -> Op,
    ) -> Result<T, kube::Error>
    where
        Op: Future<Output = Result<T, kube::Error>>,
    {
        if dry_run {
            return self.reading(op).await;
        }
        let write = async || {
            let (now, end) = (Instant::now(), self.end());
            let half = end.saturating_duration_since(now) / 2;
            self.once(end.min(now + half.max(LEAST)), op()).await
        };
        Box::pin(self.signed_in(write)).await
    }

    /// Sends a request once, as soon as the server permits it, to end at `end`.
    pub(crate) fn once<T>(
        &self,
        end: Instant,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> impl Future<Output = Result<T, kube::Error>> {
        let request = Box::pin(request);
        async move {
            if !self.not_before.over_by(end).await {
                return Err(self.refused_for_now());
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.timed_out());
            }
            let sent = limited(left.min(self.attempt), || self.timed_out(), request).await;
            sent.map_err(|error| self.with_wait(error))
        }
    }

    /// When a request that is made now ends, retries included.
    pub(super) fn end(&self) -> Instant {
        let end = self.end_of_run();
        let limit = self
            .request_timeout
            .and_then(|limit| Instant::now().checked_add(limit));
        limit.map_or(end, |limit| limit.min(end))
    }

    /// The deadline; if that has passed or is about to, a little later.
    fn end_of_run(&self) -> Instant {
        let now = Instant::now();
        match self.deadline {
            Some(deadline) => deadline.max((now + LEAST).min(deadline + GRACE)),
            None => now + DEFAULT_TIMEOUT,
        }
    }

    fn timed_out(&self) -> kube::Error {
        kube::Error::Service(Box::new(NoAnswer::unanswered(&self.server)))
    }

    /// The error of a request that is not sent, because the server asked for a
    /// longer wait than there is time.
    fn refused_for_now(&self) -> kube::Error {
        let status = Status::failure("", "TooManyRequests").with_code(429);
        self.with_wait(kube::Error::Api(status.boxed()))
    }

    /// The error with the wait that the server asked for: the client drops the
    /// header that has it.
    fn with_wait(&self, mut error: kube::Error) -> kube::Error {
        if let kube::Error::Api(status) = &mut error
            && may_pass(status.code)
        {
            let wait = self.not_before.remaining();
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
            let details = status.details.get_or_insert(NO_DETAILS);
            details.retry_after_seconds = details.retry_after_seconds.max(seconds);
        }
        error
    }

    fn retry_decision(&self, error: &kube::Error) -> Decision {
        match error {
            _ if self.tries_once => Decision::Stop,
            // A webhook that is down seldom comes back during a run.
            kube::Error::Api(status) if status.code == 500 && status.message.contains(WEBHOOK) => {
                Decision::RetryBriefly
            }
            kube::Error::Api(status) if may_pass(status.code) => {
                let details = status.details.as_ref();
                let asked = details.map_or(0, |details| details.retry_after_seconds);
                Decision::RetryAfter(Duration::from_secs(u64::from(asked)))
            }
            kube::Error::Service(error) => {
                let reason = error.downcast_ref().map(|no_answer: &NoAnswer| &no_answer.reason);
                self.retry_without_answer(reason)
            }
            kube::Error::HyperError(_) | kube::Error::ReadEvents(_) => Decision::Retry,
            // A truncated answer may be complete the next time. Any other that
            // does not parse is not from an API server.
            kube::Error::SerdeError(error) if error.is_eof() => Decision::Retry,
            _ => Decision::Stop,
        }
    }

    /// A server that has answered before will come back. If it never has, the
    /// address is probably wrong: fail at once, like kubectl, unless something
    /// accepted the connection.
    fn retry_without_answer(&self, reason: Option<&Reason>) -> Decision {
        match reason {
            Some(reason) if reason.is_about_trust() => Decision::Stop,
            _ if self.clock.now().is_some() => Decision::Retry,
            Some(Reason::Closed | Reason::Unanswered) => Decision::RetryBriefly,
            _ => Decision::Stop,
        }
    }
}

/// Whether the answers with this code say that another attempt may help.
fn may_pass(code: u16) -> bool {
    matches!(code, 429 | 500 | 502..=504)
}

/// An error that shows its reason and neither a body nor a part of one.
struct Failed(kube::Error);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&reason(&self.0))
    }
}

#[cfg(test)]
mod tests;
