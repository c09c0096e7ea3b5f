//! The token buckets with which ARM throttles.
//!
//! Sizes and rates are those of "Understand how Azure Resource Manager throttles requests" on Microsoft Learn: for
//! each subscription (or the tenant), principal and kind of operation, and fifteen times as much for each subscription
//! over all principals.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

const GLOBAL_FACTOR: f64 = 15.0;

/// The kinds of operation that have buckets of their own; every POST counts as a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Read,
    Write,
    Delete,
}

impl Kind {
    fn size(self) -> f64 {
        match self {
            Kind::Read => 250.0,
            Kind::Write | Kind::Delete => 200.0,
        }
    }

    fn refill_per_second(self) -> f64 {
        match self {
            Kind::Read => 25.0,
            Kind::Write | Kind::Delete => 10.0,
        }
    }

    /// The word for the kind in header names.
    pub(super) fn plural(self) -> &'static str {
        match self {
            Kind::Read => "reads",
            Kind::Write => "writes",
            Kind::Delete => "deletes",
        }
    }

    /// The word for the kind in error messages.
    pub(super) fn singular(self) -> &'static str {
        match self {
            Kind::Read => "read",
            Kind::Write => "write",
            Kind::Delete => "delete",
        }
    }
}

/// The answer of the buckets to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Whole tokens left in the principal's bucket.
    pub(super) remaining: u64,
    /// Whole tokens left in the bucket of all principals.
    pub(super) remaining_global: u64,
    /// Seconds to wait, when the request is refused.
    pub(super) retry_after: Option<i64>,
}

/// How many queries of Resource Graph a user may send in [`QUERY_SECONDS`].
const QUERIES: u32 = 15;
const QUERY_SECONDS: i64 = 5;

/// What is left of a user's quota of queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quota {
    /// None when the query is refused.
    pub(super) remaining: Option<u32>,
    /// Seconds until the quota is whole again.
    pub(super) resets_after: i64,
}

/// Every bucket that a request has met so far.
#[derive(Default)]
pub(super) struct Throttle {
    /// When the window of a user's queries began, and how many it holds.
    queries: HashMap<String, (Timestamp, u32)>,
    enforced: bool,
    enforced_for: HashSet<String>,
    buckets: HashMap<Key, Bucket>,
}

/// The subscription (none for the tenant), the principal (none for all of them), and the kind.
type Key = (Option<String>, Option<String>, Kind);

struct Bucket {
    tokens: f64,
    filled_at: Timestamp,
    refused_until: Option<Timestamp>,
}

impl Throttle {
    pub(super) fn enforce(&mut self, enforced: bool) {
        self.enforced = enforced;
    }

    pub(super) fn enforce_for(&mut self, client_id: &str) {
        self.enforced_for.insert(client_id.to_owned());
    }

    pub(super) fn take(
        &mut self,
        subscription: Option<&str>,
        client_id: &str,
        kind: Kind,
        now: Timestamp,
    ) -> Verdict {
        let enforced = self.enforced || self.enforced_for.contains(client_id);
        let [own, all] = keys(subscription, client_id, kind);
        let global = self.bucket(all, GLOBAL_FACTOR, now).take(
            kind.refill_per_second() * GLOBAL_FACTOR,
            enforced,
            now,
        );
        let mine = match global.retry_after {
            Some(_) => global,
            None => self
                .bucket(own, 1.0, now)
                .take(kind.refill_per_second(), enforced, now),
        };
        Verdict {
            remaining: mine.remaining,
            remaining_global: global.remaining,
            retry_after: mine.retry_after,
        }
    }

    /// Counts a query of Resource Graph.
    pub(super) fn query(&mut self, client_id: &str, now: Timestamp) -> Quota {
        let enforced = self.enforced || self.enforced_for.contains(client_id);
        let window = SignedDuration::from_secs(QUERY_SECONDS);
        let (begun, sent) = self.queries.entry(client_id.to_owned()).or_insert((now, 0));
        if now >= *begun + window {
            (*begun, *sent) = (now, 0);
        }
        let left = QUERIES.saturating_sub(*sent);
        *sent += 1;
        Quota {
            remaining: if enforced {
                left.checked_sub(1)
            } else {
                Some(left.saturating_sub(1))
            },
            resets_after: (*begun + window).duration_since(now).as_secs().max(1),
        }
    }

    /// What is left for a request that takes nothing.
    pub(super) fn left(
        &mut self,
        subscription: Option<&str>,
        client_id: &str,
        kind: Kind,
        now: Timestamp,
    ) -> Verdict {
        let [own, all] = keys(subscription, client_id, kind);
        Verdict {
            remaining: whole(self.bucket(own, 1.0, now).tokens),
            remaining_global: whole(self.bucket(all, GLOBAL_FACTOR, now).tokens),
            retry_after: None,
        }
    }

    /// The bucket with what has flowed into it until now.
    fn bucket(&mut self, key: Key, factor: f64, now: Timestamp) -> &mut Bucket {
        let kind = key.2;
        let size = kind.size() * factor;
        let bucket = self.buckets.entry(key).or_insert(Bucket {
            tokens: size,
            filled_at: now,
            refused_until: None,
        });
        // A clock that was turned back must not drain the bucket.
        let elapsed = now.duration_since(bucket.filled_at).as_secs_f64().max(0.0);
        bucket.tokens = (bucket.tokens + elapsed * kind.refill_per_second() * factor).min(size);
        bucket.filled_at = now;
        bucket
    }
}

/// The keys of the principal's bucket and of the one of all principals.
fn keys(subscription: Option<&str>, client_id: &str, kind: Kind) -> [Key; 2] {
    let scope = subscription.map(str::to_lowercase);
    [
        (scope.clone(), Some(client_id.to_owned()), kind),
        (scope, None, kind),
    ]
}

#[derive(Clone, Copy)]
struct Taken {
    remaining: u64,
    retry_after: Option<i64>,
}

impl Bucket {
    fn take(&mut self, refill_per_second: f64, enforced: bool, now: Timestamp) -> Taken {
        let too_early = self.refused_until.is_some_and(|until| now < until);
        let retry_after = if enforced && (too_early || self.tokens < 1.0) {
            let wait = ((1.0 - self.tokens) / refill_per_second).max(0.0);
            let seconds = whole(wait.ceil()).max(1);
            // A retry before its time is refused and restarts the wait.
            let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
            self.refused_until = Some(now + SignedDuration::from_secs(seconds));
            Some(seconds)
        } else {
            self.refused_until = None;
            self.tokens = (self.tokens - 1.0).max(0.0);
            None
        };
        Taken {
            remaining: whole(self.tokens),
            retry_after,
        }
    }
}

/// The whole part of a number of tokens or seconds, which is small and not negative.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "buckets hold a few thousand tokens"
)]
fn whole(number: f64) -> u64 {
    number as u64
}
