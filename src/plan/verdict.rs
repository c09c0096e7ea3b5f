mod assessment;
mod entra;
mod expiry;
mod fix;
mod stale;

use jiff::{SignedDuration, Timestamp};

use super::entra::{Link, chain};
use super::expiry::EXPIRING;
use super::protection::{Protection, changes, protection};
use crate::model::{
    Auth, Blocked, Credential, GatewayFacts, Presented, SecretFacts, StalePods, Unavailable, counted,
    in_words,
};
use expiry::{Expiry, expiry_of};
use fix::fix;

pub use assessment::{Assessment, Verdict};
pub use entra::credential_in_words;
pub use expiry::ExpirySource;
pub use fix::{rotate_command, rotates};

/// The API server may refuse a pod for this long, without a rollout being
/// blocked.
const MOMENT: SignedDuration = SignedDuration::from_secs(10);

/// Assesses one gateway; `now` is the time of the API server. Of several
/// problems the worst one decides, and the others are kept.
pub fn assess(facts: &GatewayFacts, now: Timestamp) -> Assessment {
    let Protection { cron_job, problem } = protected(facts, now);
    let (expiry, links) = (expiry_of(facts, now), chain(facts));
    let mut problems = problems(facts, expiry, &links, problem.as_deref(), now).into_iter();
    let worst = problems.next();
    let (verdict, reason) = worst.unwrap_or_else(|| (Verdict::Healthy, healthy(facts, expiry, &links, now)));
    let assessment = Assessment {
        verdict,
        expiry,
        links,
        fix: None,
        reason,
        others: problems.collect(),
        unprotected: problem,
        cron_job,
    };
    Assessment {
        fix: fix(facts, &assessment, now),
        ..assessment
    }
}

/// Whether `--fail-within` fails on a gateway: its verdict is an alarm, its
/// credential expires within this time, its pods may be stale and cannot be
/// listed, or a part of its sign-in was asked for and could not be read.
pub fn is_alarm(
    facts: &GatewayFacts,
    assessment: &Assessment,
    within: SignedDuration,
    now: Timestamp,
) -> bool {
    let expires = assessment
        .expiry
        .is_some_and(|expiry| expiry.expires.duration_since(now) <= within);
    let pods_unavailable = facts.compares_pods() && facts.pods.is_err();
    assessment.verdict.is_alarm()
        || expires
        || pods_unavailable
        || assessment.unknown_links().next().is_some()
}

/// The next time at which the verdict can change without any change in the
/// cluster; `None` if there is none.
pub fn next_change(facts: &GatewayFacts, now: Timestamp) -> Option<Timestamp> {
    let blocked = facts
        .blocked
        .as_ref()
        .and_then(|blocked| blocked.since?.checked_add(MOMENT).ok());
    let expiry = expiry_of(facts, now);
    let thresholds = expiry.map(|expiry| {
        [expiry.due, EXPIRING, SignedDuration::ZERO].map(|left| expiry.expires.checked_sub(left).ok())
    });
    let thresholds = thresholds.into_iter().flatten();
    let cron_jobs = facts
        .cron_jobs
        .iter()
        .flatten()
        .filter(|_| facts.claims().is_some());
    thresholds
        .chain([blocked])
        .flatten()
        .chain(cron_jobs.flat_map(|cron_job| changes(cron_job, now)))
        .filter(|at| *at > now)
        .min()
}

/// Everything that is wrong with a gateway, the worst first.
fn problems(
    facts: &GatewayFacts,
    expiry: Option<Expiry>,
    links: &[Link],
    unprotected: Option<&str>,
    now: Timestamp,
) -> Vec<(Verdict, String)> {
    let mut found: Vec<(Verdict, String)> = stale_pods(facts).into_iter().collect();
    found.extend(expiry.and_then(|expiry| expires_soon(facts, expiry, links, now)));
    if let Some(why) = entra::broken(facts, links) {
        found.push((Verdict::CannotSignIn, why));
    }
    if let Some(blocked) = is_blocked(facts, now) {
        let why = format!("the API server refuses its new pods: {}", blocked.reason);
        found.push((Verdict::Blocked, why));
    }
    let unknown = [
        unknown(facts, expiry.is_some()),
        entra::own_variables(facts, links),
    ];
    found.extend(unknown.into_iter().flatten().map(|why| (Verdict::Unknown, why)));
    if let Some(stored) = facts.stored() {
        found.extend(written_by_others(stored));
    }
    if let Some(why) = unprotected.filter(|_| facts.auth != Auth::WorkloadIdentity) {
        found.push((Verdict::Unprotected, why.to_owned()));
    }
    found.sort_by_key(|(verdict, _)| *verdict);
    found
}

/// What is said of the time that a credential has left, if it is little.
fn expires_soon(
    facts: &GatewayFacts,
    expiry: Expiry,
    links: &[Link],
    now: Timestamp,
) -> Option<(Verdict, String)> {
    let (left, what) = (
        expiry.expires.duration_since(now),
        entra::credential_in_words(facts.auth),
    );
    let words = in_words(left);
    if left <= SignedDuration::ZERO {
        let why = format!("{what} expired {words} ago; new pods do not work");
        Some((Verdict::Expired, why))
    } else if left <= EXPIRING {
        Some((Verdict::Expiring, format!("{what} expires in {words}")))
    } else if left <= expiry.due {
        let besides = entra::besides(facts, links);
        Some((Verdict::Due, format!("{what} expires in {words}{besides}")))
    } else {
        None
    }
}

/// Who replaces a token that a rotation writes, or has done so.
fn written_by_others(stored: &SecretFacts) -> Vec<(Verdict, String)> {
    let mut found = Vec::new();
    if let Some(owner) = &stored.owner {
        let why = format!(
            "{} owns the Secret and will restore its own token; {}",
            owner.name, owner.instead
        );
        found.push((Verdict::WillBeReverted, why));
    }
    if stored.marks.rotation_id.is_some() && !stored.marks_hold() {
        let writer = stored.last_writer.as_deref().unwrap_or("something else");
        let why = format!("{writer} replaced the token after the last rotation");
        found.push((Verdict::ChangedByOther, why));
    }
    found
}

fn healthy(facts: &GatewayFacts, expiry: Option<Expiry>, links: &[Link], now: Timestamp) -> String {
    let besides = entra::besides(facts, links);
    if facts.auth == Auth::WorkloadIdentity {
        return format!("a workload identity does not expire{besides}");
    }
    let left = expiry.map(|expiry| expiry.expires.duration_since(now));
    let what = entra::credential_in_words(facts.auth);
    format!(
        "{what} expires in {}{besides}",
        in_words(left.unwrap_or_default())
    )
}

/// A pod that is refused for a moment blocks nothing.
fn is_blocked(facts: &GatewayFacts, now: Timestamp) -> Option<&Blocked> {
    let blocked = facts.blocked.as_ref()?;
    let lasts = blocked
        .since
        .is_none_or(|since| now.duration_since(since) >= MOMENT);
    lasts.then_some(blocked)
}

fn stale_pods(facts: &GatewayFacts) -> Option<(Verdict, String)> {
    if facts.auth == Auth::WorkloadIdentity {
        return stale::without_identity(facts);
    }
    // Pods must not be restarted into a credential that no gateway can use.
    let usable = facts.comparable_secret();
    let usable = usable.filter(|stored| facts.entra().is_some() || unusable(stored).is_none());
    usable.and_then(|stored| stale::with_older(facts, stored))
}

/// Why no other verdict is possible.
fn unknown(facts: &GatewayFacts, is_expiry_known: bool) -> Option<String> {
    if let Err(unavailable) = &facts.settings {
        return Some(unavailable.why().to_owned());
    }
    match &facts.presented {
        Err(unavailable) => Some(unavailable.why().to_owned()),
        Ok(Presented::Stored(stored)) => unusable(stored).or_else(|| pods_unknown(&facts.pods)),
        Ok(Presented::Inline { .. }) => None,
        Ok(Presented::Entra(_)) if is_expiry_known || facts.auth == Auth::WorkloadIdentity => None,
        Ok(Presented::Entra(sign_in)) => Some(entra::unknown_expiry(facts.auth, sign_in)),
    }
}

fn unusable(stored: &SecretFacts) -> Option<String> {
    match stored.credential {
        Credential::Unusable(why) => Some(format!(
            "the credential in secret/{}, key `{}`, is not usable: {why}",
            stored.version.name, stored.key
        )),
        Credential::Token { .. } => None,
    }
}

/// A user without the right to list pods gets no `Unknown` for every Secret:
/// the cell in the table is enough.
fn pods_unknown(pods: &Result<StalePods, Unavailable>) -> Option<String> {
    match pods {
        Ok(StalePods { unsure, .. }) if !unsure.is_empty() => Some(format!(
            "{} within seconds of the last write, so it is unknown which token is in use",
            counted(unsure.len(), "pod started", "pods started")
        )),
        _ => None,
    }
}

/// Whether something rotates the token before it expires.
fn protected(facts: &GatewayFacts, now: Timestamp) -> Protection {
    let expires = facts.claims().map(|claims| claims.expires_at);
    let cron_jobs = match &facts.cron_jobs {
        Ok(cron_jobs) => cron_jobs.as_slice(),
        Err(_) => &[],
    };
    let mut protection = protection(cron_jobs, expires, now);
    if let Ok(Presented::Inline { location, .. }) = &facts.presented {
        protection.problem = Some(format!(
            "the token is in plain text in {location}, where no rotation can replace it; move it to a Secret and refer to it \
             with secretKeyRef"
        ));
    } else if let Some(sign_in) = facts.entra() {
        protection.problem = entra::in_clear(sign_in);
    } else if facts.auth != Auth::Token || facts.cron_jobs.is_err() {
        // There may be a CronJob that this user cannot see.
        protection.problem = None;
    } else if let (Some(problem), Some(why), true) =
        (&mut protection.problem, &facts.not_counted, cron_jobs.is_empty())
    {
        *problem = format!("{problem}; {why}");
    }
    protection
}

#[cfg(test)]
mod tests;
