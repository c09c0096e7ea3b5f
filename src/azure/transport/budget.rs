//! A budget that keeps a run under ARM's throttling.
//!
//! ARM has a token bucket for each subscription, or the tenant where the path
//! names none, each principal and each kind of operation. Ours never holds more
//! than ARM's, however long the way is: a request is under way until it was
//! answered, and while all that ours lacks is under way, ARM's bucket may still
//! be full, so that nothing flows into it, and nothing flows into ours. ARM's
//! own count, a header of every answer, is obeyed above ours, since others may
//! sign in as the same principal.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use reqwest::Url;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::wire;

/// The part of ARM's buckets that a run uses, unless it may use them up.
const SHARE: f64 = 0.8;
/// What stays in ARM's bucket even so: it counts whole tokens, and by a clock
/// that is not ours.
const MARGIN: f64 = 2.0;
/// How many requests go out before ARM has said what is left in a bucket. A
/// single rotation sends no more, and so never waits for that.
const PROBES: u32 = 2;
/// How long the others wait for the answer to these.
const PATIENCE: Duration = Duration::from_secs(5);

/// The buckets of one principal, made as they are needed.
#[derive(Debug)]
pub(crate) struct Budget {
    burst: bool,
    buckets: Mutex<HashMap<Key, Arc<Bucket>>>,
}

/// The subscription, or none for the tenant, and the kind.
type Key = (Option<String>, Kind);

/// The kinds of operation that ARM counts apart. Deletes are another, which
/// no call of ours is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Read,
    Write,
}

#[derive(Debug)]
struct Bucket {
    limits: Limits,
    /// The header that tells what is left in ARM's bucket.
    header: String,
    /// Who waits, first come, first served: only the first one has the lock.
    queue: tokio::sync::Mutex<()>,
    /// Wakes the first one when an answer may have made room.
    answered: Notify,
    level: Mutex<Level>,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    /// The size of ARM's bucket.
    full: f64,
    /// What flows into it in a second.
    refill: f64,
    /// The size of ours.
    size: f64,
    /// What flows into ours in a second.
    rate: f64,
    /// What must stay in ARM's by its own count.
    reserve: f64,
}

#[derive(Debug)]
struct Level {
    /// What is left in our bucket.
    ours: f64,
    /// What is left in ARM's, by the lowest that it said; `None` before it
    /// said anything.
    theirs: Option<f64>,
    filled_at: Instant,
    /// How many requests have no answer yet.
    under_way: u32,
    /// When the first answer came, or is no longer waited for.
    probed_at: Instant,
    paused_until: Instant,
}

/// The leave to send one request, which is under way until this is dropped.
#[derive(Debug)]
pub(crate) struct Ticket(Arc<Bucket>);

impl Budget {
    /// The budget of a run that with `burst` may use up ARM's buckets, and
    /// without leaves a part of them to others.
    pub(crate) fn new(burst: bool) -> Self {
        Self {
            burst,
            buckets: Mutex::default(),
        }
    }

    /// Waits, behind those who came before, until a request may be sent.
    pub(crate) async fn take(&self, method: &Method, url: &Url) -> Ticket {
        let bucket = self.bucket(method, url);
        let turn = bucket.queue.lock().await;
        loop {
            let Err(wait) = bucket.level().take(&bucket.limits, Instant::now()) else {
                break;
            };
            // Either way it is looked at again.
            let _ = timeout_at(Instant::now() + wait, bucket.answered.notified()).await;
        }
        drop(turn);
        Ticket(bucket)
    }

    fn bucket(&self, method: &Method, url: &Url) -> Arc<Bucket> {
        let key = (subscription(url), Kind::of(method));
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(key).or_insert_with_key(|(subscription, kind)| {
            Arc::new(Bucket::new(
                kind.limits(self.burst),
                subscription.is_some(),
                *kind,
            ))
        });
        bucket.clone()
    }
}

/// The subscription that a path names; ARM compares ids without regard to case.
fn subscription(url: &Url) -> Option<String> {
    let mut segments = url.path_segments()?;
    let fixed = segments.next()?;
    let id = segments.next().filter(|id| !id.is_empty())?;
    fixed
        .eq_ignore_ascii_case("subscriptions")
        .then(|| id.to_ascii_lowercase())
}

impl Kind {
    fn of(method: &Method) -> Self {
        if method.is_safe() { Self::Read } else { Self::Write }
    }

    /// The figures are those of "Understand how Azure Resource Manager
    /// throttles requests" on Microsoft Learn.
    fn limits(self, burst: bool) -> Limits {
        let (full, refill) = match self {
            Self::Read => (250.0, 25.0),
            Self::Write => (200.0, 10.0),
        };
        if burst {
            return Limits {
                full,
                refill,
                size: full - MARGIN,
                rate: refill,
                reserve: 0.0,
            };
        }
        Limits {
            full,
            refill,
            size: full * SHARE,
            rate: refill * SHARE,
            reserve: full - full * SHARE,
        }
    }
}

impl Bucket {
    fn new(limits: Limits, of_subscription: bool, kind: Kind) -> Self {
        let scope = if of_subscription { "subscription" } else { "tenant" };
        let kind = match kind {
            Kind::Read => "reads",
            Kind::Write => "writes",
        };
        let now = Instant::now();
        Self {
            limits,
            header: format!("x-ms-ratelimit-remaining-{scope}-{kind}"),
            queue: tokio::sync::Mutex::default(),
            answered: Notify::new(),
            level: Mutex::new(Level {
                ours: limits.size,
                theirs: None,
                filled_at: now,
                under_way: 0,
                probed_at: now + PATIENCE,
                paused_until: now,
            }),
        }
    }

    fn level(&self) -> MutexGuard<'_, Level> {
        self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Level {
    /// Takes one token, or says how long it will be until that is worth
    /// another try.
    fn take(&mut self, limits: &Limits, now: Instant) -> Result<(), Duration> {
        self.fill(limits, now);
        let mut wait = self.paused_until.saturating_duration_since(now);
        wait = wait.max(until_whole(self.ours, limits.rate));
        if let Some(theirs) = self.theirs {
            let free = theirs - limits.reserve - f64::from(self.under_way);
            wait = wait.max(until_whole(free, limits.refill));
        }
        if self.under_way >= PROBES {
            wait = wait.max(self.probed_at.saturating_duration_since(now));
        }
        if !wait.is_zero() {
            return Err(wait);
        }
        self.ours -= 1.0;
        self.under_way += 1;
        Ok(())
    }

    fn fill(&mut self, limits: &Limits, now: Instant) {
        let elapsed = now.duration_since(self.filled_at).as_secs_f64();
        self.filled_at = now;
        // ARM's bucket may be full and wait for what is under way.
        let most = limits.size - f64::from(self.under_way);
        self.ours = (self.ours + elapsed * limits.rate).min(most);
        if let Some(theirs) = &mut self.theirs {
            *theirs = (*theirs + elapsed * limits.refill).min(limits.full);
        }
    }
}

/// How long it takes until there is one token.
fn until_whole(tokens: f64, rate: f64) -> Duration {
    Duration::from_secs_f64(((1.0 - tokens) / rate).max(0.0))
}

impl Ticket {
    /// Learns from the answer, whatever it is. Where ARM throttles, its wait
    /// is for the whole bucket, and whoever comes early makes it longer.
    pub(crate) fn answered(self, status: StatusCode, headers: &HeaderMap) {
        let Bucket { limits, header, .. } = &*self.0;
        let now = Instant::now();
        let mut level = self.0.level();
        level.fill(limits, now);
        level.probed_at = level.probed_at.min(now);
        let left = headers.get(header).and_then(|value| value.to_str().ok());
        if let Some(left) = left.and_then(|text| text.trim().parse::<u32>().ok()) {
            // Answers overtake each other, so the lowest count is the newest.
            let left = f64::from(left);
            level.theirs = Some(level.theirs.map_or(left, |theirs| theirs.min(left)));
        }
        if status == StatusCode::TOO_MANY_REQUESTS
            && let Some(until) = wire::retry_after(headers).and_then(|wait| now.checked_add(wait))
        {
            level.paused_until = level.paused_until.max(until);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut level = self.0.level();
        // What is under way counts for the time that has passed.
        level.fill(&self.0.limits, Instant::now());
        level.under_way -= 1;
        drop(level);
        self.0.answered.notify_one();
    }
}

#[cfg(test)]
mod tests;
