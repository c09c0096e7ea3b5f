//! A budget of requests that keeps a run below ARM's throttling.
//!
//! ARM has a token bucket per principal, kind of operation and subscription (or
//! the tenant, if the path has no subscription). Our bucket never holds more
//! than ARM's, however long requests take: a request counts as in flight until
//! its answer arrives, and a token that is in flight is not refilled, because
//! ARM may not have taken it yet, and a full bucket of ARM's does not refill.
//! ARM's own count, a header of every answer, overrides ours, since others may
//! use the same principal.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use reqwest::Url;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::retry::retry_after;

/// The share of ARM's buckets that a run without `burst` uses.
const SHARE: f64 = 0.8;
/// The tokens that even a run with `burst` leaves in ARM's bucket: ARM counts
/// whole tokens, and by its own clock.
const MARGIN: f64 = 2.0;
/// How many requests are sent to a bucket before its first answer. A single
/// rotation sends no more, and so never waits.
const PROBES: u32 = 2;
/// How long further requests wait for the first answer.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// The buckets of one principal, made as they are needed.
#[derive(Debug)]
pub(crate) struct Budget {
    burst: bool,
    buckets: Mutex<HashMap<Key, Arc<Bucket>>>,
}

/// The subscription (none for the tenant) and the kind of operation.
type Key = (Option<String>, Kind);

/// The kinds of operation that ARM counts separately. It also counts deletes, of
/// which the product makes few; they count as writes here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Read,
    Write,
    /// A query of the Resource Graph, which has a quota of its own for each user.
    Query,
}

#[derive(Debug)]
struct Bucket {
    limits: Limits,
    /// The header with the number of tokens left in ARM's bucket.
    header: String,
    /// The waiting requests, first come, first served: the first in the queue
    /// holds the lock.
    queue: tokio::sync::Mutex<()>,
    /// Wakes the first in the queue when an answer may have made room.
    answered: Notify,
    level: Mutex<Level>,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    /// The size of ARM's bucket.
    arm_size: f64,
    /// Tokens per second that ARM adds to its bucket.
    arm_rate: f64,
    /// The size of our bucket.
    size: f64,
    /// Tokens per second that are added to our bucket.
    rate: f64,
    /// Tokens that must stay in ARM's bucket, by its own count.
    reserve: f64,
}

#[derive(Debug)]
struct Level {
    /// The tokens left in our bucket.
    ours: f64,
    /// The tokens left in ARM's bucket, by the lowest count it reported;
    /// `None` before the first report.
    arms: Option<f64>,
    filled_at: Instant,
    /// How many requests have no answer yet.
    in_flight: u32,
    /// When the first answer came, or when waiting for it ends.
    probed_at: Instant,
    paused_until: Instant,
}

/// The permission to send one request, which counts as in flight until this is
/// dropped.
#[derive(Debug)]
pub(crate) struct Ticket(Arc<Bucket>);

impl Budget {
    /// The budget of a run. With `burst` it may use up ARM's buckets; without,
    /// it leaves a part of them to others.
    pub(crate) fn new(burst: bool) -> Self {
        Self {
            burst,
            buckets: Mutex::default(),
        }
    }

    /// Waits in the queue until a request may be sent. The error is the wait
    /// that ARM asked for, at once if it does not end before the deadline.
    pub(crate) async fn take(
        &self,
        method: &Method,
        url: &Url,
        deadline: Instant,
    ) -> Result<Ticket, Duration> {
        let bucket = self.bucket(method, url);
        bucket.is_open_before(deadline)?;
        let turn = bucket.queue.lock().await;
        loop {
            bucket.is_open_before(deadline)?;
            let Err(wait) = bucket.level().take(&bucket.limits, Instant::now()) else {
                break;
            };
            // Woken or timed out, the loop checks the level again.
            let _ = timeout_at(Instant::now() + wait, bucket.answered.notified()).await;
        }
        drop(turn);
        Ok(Ticket(bucket))
    }

    fn bucket(&self, method: &Method, url: &Url) -> Arc<Bucket> {
        let key = (subscription(url), Kind::of(method, url));
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(key).or_insert_with_key(|(subscription, kind)| {
            Arc::new(Bucket::new(
                kind.limits(self.burst),
                kind.header(subscription.is_some()),
            ))
        });
        bucket.clone()
    }
}

/// The subscription in a path. ARM ignores the case of ids.
fn subscription(url: &Url) -> Option<String> {
    let mut segments = url.path_segments()?;
    let fixed = segments.next()?;
    let id = segments.next().filter(|id| !id.is_empty())?;
    fixed
        .eq_ignore_ascii_case("subscriptions")
        .then(|| id.to_ascii_lowercase())
}

impl Kind {
    fn of(method: &Method, url: &Url) -> Self {
        const GRAPH: &str = "/providers/microsoft.resourcegraph/";
        if url.path().to_ascii_lowercase().starts_with(GRAPH) {
            Self::Query
        } else if method.is_safe() {
            Self::Read
        } else {
            Self::Write
        }
    }

    /// The header with the number of tokens left in ARM's bucket.
    fn header(self, of_subscription: bool) -> String {
        let kind = match self {
            Self::Query => return "x-ms-user-quota-remaining".to_owned(),
            Self::Read => "reads",
            Self::Write => "writes",
        };
        let scope = if of_subscription { "subscription" } else { "tenant" };
        format!("x-ms-ratelimit-remaining-{scope}-{kind}")
    }

    /// The figures come from "Understand how Azure Resource Manager throttles
    /// requests" and "Guidance for throttled requests in Azure Resource Graph"
    /// on Microsoft Learn.
    fn limits(self, burst: bool) -> Limits {
        let (arm_size, arm_rate) = match self {
            Self::Read => (250.0, 25.0),
            Self::Write => (200.0, 10.0),
            Self::Query => (15.0, 3.0),
        };
        if burst {
            return Limits {
                arm_size,
                arm_rate,
                size: arm_size - MARGIN,
                rate: arm_rate,
                reserve: 0.0,
            };
        }
        Limits {
            arm_size,
            arm_rate,
            size: arm_size * SHARE,
            rate: arm_rate * SHARE,
            reserve: arm_size - arm_size * SHARE,
        }
    }
}

impl Bucket {
    fn new(limits: Limits, header: String) -> Self {
        let now = Instant::now();
        Self {
            limits,
            header,
            queue: tokio::sync::Mutex::default(),
            answered: Notify::new(),
            level: Mutex::new(Level {
                ours: limits.size,
                arms: None,
                filled_at: now,
                in_flight: 0,
                probed_at: now + PROBE_TIMEOUT,
                paused_until: now,
            }),
        }
    }

    fn is_open_before(&self, deadline: Instant) -> Result<(), Duration> {
        let until = self.level().paused_until;
        if until < deadline {
            return Ok(());
        }
        let wait = until.saturating_duration_since(Instant::now());
        if wait.is_zero() { Ok(()) } else { Err(wait) }
    }

    fn level(&self) -> MutexGuard<'_, Level> {
        self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Level {
    /// Takes one token. The error is the time after which to try again.
    fn take(&mut self, limits: &Limits, now: Instant) -> Result<(), Duration> {
        self.fill(limits, now);
        let mut wait = self.paused_until.saturating_duration_since(now);
        wait = wait.max(time_until_token(self.ours, limits.rate));
        if let Some(arms) = self.arms {
            let free = arms - limits.reserve - f64::from(self.in_flight);
            wait = wait.max(time_until_token(free, limits.arm_rate));
        }
        if self.in_flight >= PROBES {
            wait = wait.max(self.probed_at.saturating_duration_since(now));
        }
        if !wait.is_zero() {
            return Err(wait);
        }
        self.ours -= 1.0;
        self.in_flight += 1;
        Ok(())
    }

    fn fill(&mut self, limits: &Limits, now: Instant) {
        let elapsed = now.duration_since(self.filled_at).as_secs_f64();
        self.filled_at = now;
        // ARM may not have taken the tokens of the requests in flight yet.
        let most = limits.size - f64::from(self.in_flight);
        self.ours = (self.ours + elapsed * limits.rate).min(most);
        if let Some(arms) = &mut self.arms {
            *arms = (*arms + elapsed * limits.arm_rate).min(limits.arm_size);
        }
    }
}

/// The time until the bucket holds a whole token.
fn time_until_token(tokens: f64, rate: f64) -> Duration {
    Duration::from_secs_f64(((1.0 - tokens) / rate).max(0.0))
}

impl Ticket {
    /// Updates the bucket from the answer, whatever it is. A wait that ARM
    /// asks for applies to the whole bucket, and an early request extends it.
    pub(crate) fn answered(self, status: StatusCode, headers: &HeaderMap) {
        let Bucket { limits, header, .. } = &*self.0;
        let now = Instant::now();
        let mut level = self.0.level();
        level.fill(limits, now);
        level.probed_at = level.probed_at.min(now);
        let left = headers.get(header).and_then(|value| value.to_str().ok());
        if let Some(left) = left.and_then(|text| text.trim().parse::<u32>().ok()) {
            // Answers may arrive out of order, so the lowest count is the newest.
            let left = f64::from(left);
            level.arms = Some(level.arms.map_or(left, |arms| arms.min(left)));
        }
        if status == StatusCode::TOO_MANY_REQUESTS
            && let Some(until) = wait_asked(status, headers).and_then(|wait| now.checked_add(wait))
        {
            level.paused_until = level.paused_until.max(until);
        }
    }
}

/// How long Azure asks to wait. The Resource Graph says when its quota is full
/// again, as `00:00:05`.
pub(crate) fn wait_asked(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    let quota = || {
        let text = headers.get("x-ms-user-quota-resets-after")?.to_str().ok()?;
        let parts: Option<Vec<u64>> = text.trim().split(':').map(|part| part.parse().ok()).collect();
        let [hours, minutes, seconds] = *parts?.as_slice() else {
            return None;
        };
        let minutes = hours.checked_mul(60)?.checked_add(minutes)?;
        Some(Duration::from_secs(
            minutes.checked_mul(60)?.checked_add(seconds)?,
        ))
    };
    let asked = retry_after(headers);
    if status == StatusCode::TOO_MANY_REQUESTS {
        asked.or_else(quota)
    } else {
        asked
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut level = self.0.level();
        // Until now the request counted as in flight.
        level.fill(&self.0.limits, Instant::now());
        level.in_flight -= 1;
        drop(level);
        self.0.answered.notify_one();
    }
}

#[cfg(test)]
mod tests;
