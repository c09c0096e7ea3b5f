use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::blocked::way_out;
use super::{NextRun, next_run};
use crate::model::{
    Auth, Blocked, Credential, GatewayFacts, Presented, Replacement, SecretFacts, StalePods, TokenError,
    Unavailable, counted, in_words,
};

/// A token is due when half of its lifetime is left, so that a daily CronJob
/// has two more weeks to succeed.
const DUE: SignedDuration = SignedDuration::from_hours(15 * 24);

/// Azure Advisor warns at the same time (recommendation
/// `ShgwGatewayTokenNearExpiry`).
const EXPIRING: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The API server may refuse a pod for this long, without a rollout being
/// blocked.
const MOMENT: SignedDuration = SignedDuration::from_secs(10);

/// The state of a gateway's credential in one word, in order from the worst to
/// the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Verdict {
    /// The token has expired: new pods do not work.
    Expired,
    /// A rotation wrote a token, but the workload was not restarted.
    RestartOwed,
    /// The API server refuses new pods of the workload.
    Blocked,
    /// Pods run with an older token than the Secret holds.
    StalePods,
    /// The token expires within 7 days.
    Expiring,
    /// The credential is unreadable, or its expiry is not visible in the
    /// cluster.
    Unknown,
    /// Another tool owns the Secret and restores its own token.
    WillBeReverted,
    /// Something else replaced the token after the last rotation.
    ChangedByOther,
    /// No CronJob was found that rotates the token before it expires.
    Unprotected,
    /// The token expires within 15 days.
    Due,
    /// None of these.
    Healthy,
}

impl Verdict {
    pub const ALL: [Self; 11] = [
        Self::Expired,
        Self::RestartOwed,
        Self::Blocked,
        Self::StalePods,
        Self::Expiring,
        Self::Unknown,
        Self::WillBeReverted,
        Self::ChangedByOther,
        Self::Unprotected,
        Self::Due,
        Self::Healthy,
    ];

    /// Whether `--fail-within` fails on it, however much time is left. `Unknown`
    /// is one of them: a check must not pass when it cannot read.
    pub fn is_alarm(self) -> bool {
        matches!(
            self,
            Self::Expired | Self::RestartOwed | Self::Blocked | Self::StalePods | Self::Unknown
        )
    }
}

/// The verdict on a gateway, with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessment {
    pub verdict: Verdict,
    pub reason: String,
    /// A command that can be pasted.
    pub fix: Option<String>,
}

/// Assesses one gateway; `now` is the time of the API server. Of several
/// problems the worst one decides.
pub fn assess(facts: &GatewayFacts, now: Timestamp) -> Assessment {
    let (verdict, reason) = worst(facts, now);
    Assessment {
        verdict,
        fix: fix(facts, verdict),
        reason,
    }
}

/// Whether `--fail-within` fails on a gateway: its verdict is an alarm, its
/// token expires within this time, or its pods may be stale and cannot be
/// listed.
pub fn is_alarm(
    facts: &GatewayFacts,
    assessment: &Assessment,
    within: SignedDuration,
    now: Timestamp,
) -> bool {
    let expires = facts
        .claims()
        .is_some_and(|claims| claims.expires_at.duration_since(now) <= within);
    let pods_unavailable = facts.stored().is_some() && facts.pods.is_err();
    assessment.verdict.is_alarm() || expires || pods_unavailable
}

/// The next time at which the verdict can change without any change in the
/// cluster; `None` if there is none.
pub fn next_change(facts: &GatewayFacts, now: Timestamp) -> Option<Timestamp> {
    let blocked = facts
        .blocked
        .as_ref()
        .and_then(|blocked| blocked.since?.checked_add(MOMENT).ok());
    let expires_at = facts.claims().map(|claims| claims.expires_at);
    let thresholds = [DUE, EXPIRING, SignedDuration::ZERO].map(|left| expires_at?.checked_sub(left).ok());
    // The gateway is unprotected from the last run before the expiry on.
    let cron_job = facts.cron_job.as_ref().ok().and_then(Option::as_ref);
    let run = cron_job.and_then(|cron_job| next_run(cron_job, now).time());
    let run = expires_at.and(run);
    thresholds
        .into_iter()
        .chain([run, blocked])
        .flatten()
        .filter(|at| *at > now)
        .min()
}

fn worst(facts: &GatewayFacts, now: Timestamp) -> (Verdict, String) {
    let left = facts.claims().map(|claims| claims.expires_at.duration_since(now));
    if let Some(left) = left.filter(|left| *left <= SignedDuration::ZERO) {
        return (
            Verdict::Expired,
            format!("the token expired {} ago; new pods do not work", in_words(left)),
        );
    }
    let pods = facts.stored().and_then(|stored| stale_pods(facts, stored));
    if let Some(blocked) = is_blocked(facts, now)
        && !matches!(pods, Some((Verdict::RestartOwed, _)))
    {
        let why = format!("the API server refuses its new pods: {}", blocked.reason);
        return (Verdict::Blocked, why);
    }
    if let Some(verdict) = pods {
        return verdict;
    }
    if let Some(left) = left.filter(|left| *left <= EXPIRING) {
        return (
            Verdict::Expiring,
            format!("the token expires in {}", in_words(left)),
        );
    }
    if let Some(why) = unknown(facts) {
        return (Verdict::Unknown, why);
    }
    if facts.auth == Auth::WorkloadIdentity {
        return (Verdict::Healthy, "a workload identity does not expire".to_owned());
    }
    if let Some(stored) = facts.stored() {
        if let Some(owner) = &stored.owner {
            let why = format!("{owner} owns the Secret and will restore its own token");
            return (Verdict::WillBeReverted, why);
        }
        if stored.marks.rotation_id.is_some() && !stored.marks_hold() {
            let writer = stored.last_writer.as_deref().unwrap_or("something else");
            let why = format!("{writer} replaced the token after the last rotation");
            return (Verdict::ChangedByOther, why);
        }
    }
    let left = left.unwrap_or_default();
    if let Some(why) = unprotected(facts, now) {
        return (Verdict::Unprotected, why);
    }
    if left <= DUE {
        return (Verdict::Due, format!("the token expires in {}", in_words(left)));
    }
    (
        Verdict::Healthy,
        format!("the token expires in {}", in_words(left)),
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

fn stale_pods(facts: &GatewayFacts, stored: &SecretFacts) -> Option<(Verdict, String)> {
    let restart_owed = stored
        .rotation()
        .is_some_and(|id| !stored.marks.restart_by_other && !facts.marks.rotation_ids.contains(id));
    match &facts.pods {
        Ok(StalePods { stale, .. }) if stale.is_empty() => None,
        Ok(StalePods { stale, .. }) => {
            let pods = counted(stale.len(), "pod runs", "pods run");
            Some(if restart_owed {
                (
                    Verdict::RestartOwed,
                    format!("a rotation was interrupted before its restart; {pods} with the previous token"),
                )
            } else {
                (
                    Verdict::StalePods,
                    format!("{pods} with an older token than the Secret holds"),
                )
            })
        }
        // Without the right to list pods only the ids can be compared.
        Err(_) if restart_owed => {
            let why = "a rotation was interrupted before its restart: the rotation ids of the Secret and of the pod \
                       template differ, and the pods cannot be listed"
                .to_owned();
            Some((Verdict::RestartOwed, why))
        }
        Err(_) => None,
    }
}

/// Why no other verdict is possible.
fn unknown(facts: &GatewayFacts) -> Option<String> {
    match &facts.presented {
        Err(unavailable) => Some(unavailable.why().to_owned()),
        Ok(Presented::Stored(stored)) => match stored.credential {
            Credential::Unusable(why) => Some(format!(
                "the credential in secret/{}, key `{}`, is not usable: {why}",
                stored.version.name, stored.key
            )),
            Credential::Token { .. } => pods_unknown(&facts.pods),
        },
        Ok(Presented::Inline { .. }) => None,
        Ok(Presented::Entra) => match facts.auth {
            Auth::WorkloadIdentity => None,
            Auth::Certificate => {
                Some("only Entra shows when the certificate of the gateway's app expires".to_owned())
            }
            _ => Some("only Entra shows when the client secret of the gateway's app expires".to_owned()),
        },
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

/// Why nothing rotates the token before it expires.
fn unprotected(facts: &GatewayFacts, now: Timestamp) -> Option<String> {
    if let Ok(Presented::Inline { location, .. }) = &facts.presented {
        return Some(format!(
            "the token is in plain text in {location}, where no rotation can replace it; move it to a Secret and refer to it \
             with secretKeyRef"
        ));
    }
    match &facts.cron_job {
        // There may be one that this user cannot see.
        Err(_) => None,
        Ok(None) => Some("no CronJob was found that rotates the token".to_owned()),
        Ok(Some(cron_job)) if cron_job.suspended => Some(format!("cronjob/{} is suspended", cron_job.name)),
        Ok(Some(cron_job)) => {
            let expires = facts.claims().map(|claims| claims.expires_at);
            match (next_run(cron_job, now), expires) {
                (NextRun::Never, _) => Some(format!(
                    "cronjob/{} never runs: no date matches its schedule",
                    cron_job.name
                )),
                (NextRun::At(next), Some(expires)) if next >= expires => Some(format!(
                    "the token expires before the next run of cronjob/{}",
                    cron_job.name
                )),
                _ => None,
            }
        }
    }
}

fn fix(facts: &GatewayFacts, verdict: Verdict) -> Option<String> {
    let GatewayFacts {
        namespace, workload, ..
    } = facts;
    let owned = facts.stored().is_some_and(|stored| stored.owner.is_some());
    let adopt = if owned { " --adopt" } else { "" };
    let rotate = format!("kubectl apim rotate {workload} -n {namespace}{adopt}");
    match verdict {
        Verdict::Healthy => None,
        Verdict::Blocked => {
            let reason = facts.blocked.as_ref().map_or("", |blocked| &blocked.reason);
            Some(way_out(namespace, workload, reason))
        }
        // The pod spec or ConfigMap has to change, which no one command does; the
        // reason says how.
        _ if matches!(facts.presented, Ok(Presented::Inline { .. })) => None,
        Verdict::Expired
        | Verdict::RestartOwed
        | Verdict::Expiring
        | Verdict::WillBeReverted
        | Verdict::ChangedByOther
        | Verdict::Due => Some(rotate),
        Verdict::Unprotected => Some(match &facts.cron_job {
            Ok(Some(cron_job)) if cron_job.suspended => format!(
                "kubectl patch cronjob {} -n {} -p '{{\"spec\":{{\"suspend\":false}}}}'",
                cron_job.name, cron_job.namespace
            ),
            _ => format!(
                "kubectl apim install-cronjob {workload} -n {namespace}{adopt} --auth workload-identity --client-id CLIENT-ID"
            ),
        }),
        Verdict::StalePods => {
            let stale = facts.pods.as_ref().map_or(&[][..], |pods| &pods.stale);
            Some(restart(facts, stale))
        }
        Verdict::Unknown => Some(fix_unknown(facts, rotate)),
    }
}

fn fix_unknown(facts: &GatewayFacts, rotate: String) -> String {
    let GatewayFacts { namespace, .. } = facts;
    let secret = facts.secret.as_ref().map(|(name, _)| name);
    match (&facts.presented, secret) {
        (Err(Unavailable::Forbidden(_)), Some(name)) => {
            format!("kubectl auth can-i get secret/{name} -n {namespace}")
        }
        (Ok(Presented::Stored(stored)), Some(name)) => match (&stored.credential, &facts.pods) {
            (Credential::Unusable(TokenError::Empty), _) => rotate,
            (Credential::Token { .. }, Ok(pods)) => restart(facts, &pods.unsure),
            _ => format!("kubectl describe secret {name} -n {namespace}"),
        },
        (Err(_), Some(name)) => format!("kubectl describe secret {name} -n {namespace}"),
        (Ok(Presented::Entra), _) if facts.auth == Auth::Certificate => {
            "az ad app credential list --cert --id CLIENT-ID".to_owned()
        }
        (Ok(Presented::Entra), _) => "az ad app credential list --id CLIENT-ID".to_owned(),
        _ => format!("kubectl describe {} -n {namespace}", facts.workload),
    }
}

/// The command that replaces these pods.
fn restart(facts: &GatewayFacts, pods: &[String]) -> String {
    let GatewayFacts {
        namespace, workload, ..
    } = facts;
    match facts.replacement {
        Replacement::ByHand(_) if !pods.is_empty() => {
            format!("kubectl delete pod -n {namespace} {}", pods.join(" "))
        }
        _ => format!("kubectl rollout restart {workload} -n {namespace}"),
    }
}

#[cfg(test)]
mod tests;
