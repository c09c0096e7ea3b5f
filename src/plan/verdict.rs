use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::blocked::way_out;
use super::protection::{Protection, better_schedule, changes, protection};
use crate::model::{
    Auth, Blocked, Credential, CronJobFacts, GatewayFacts, Presented, Replacement, SecretFacts, StalePods,
    TokenError, Unavailable, counted, in_words,
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
    /// The credential is unreadable, its expiry is not visible in the cluster, or
    /// settings that new pods need are missing.
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
    /// Why nothing rotates the token in time, whatever the verdict is.
    pub unprotected: Option<String>,
    /// The index of the CronJob on which the token depends.
    cron_job: Option<usize>,
}

impl Assessment {
    /// The CronJob on which the token depends most.
    pub fn cron_job<'a>(&self, facts: &'a GatewayFacts) -> Option<&'a CronJobFacts> {
        facts.cron_jobs.as_ref().ok()?.get(self.cron_job?)
    }
}

/// Assesses one gateway; `now` is the time of the API server. Of several
/// problems the worst one decides.
pub fn assess(facts: &GatewayFacts, now: Timestamp) -> Assessment {
    let Protection { cron_job, problem } = protected(facts, now);
    let (verdict, reason) = worst(facts, problem.as_deref(), now);
    let assessment = Assessment {
        verdict,
        fix: None,
        reason,
        unprotected: problem,
        cron_job,
    };
    Assessment {
        fix: fix(facts, &assessment, now),
        ..assessment
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
    let cron_jobs = facts.cron_jobs.iter().flatten().filter(|_| expires_at.is_some());
    thresholds
        .into_iter()
        .chain([blocked])
        .flatten()
        .chain(cron_jobs.flat_map(|cron_job| changes(cron_job, now)))
        .filter(|at| *at > now)
        .min()
}

fn worst(facts: &GatewayFacts, unprotected: Option<&str>, now: Timestamp) -> (Verdict, String) {
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
    if let Some(why) = unprotected {
        return (Verdict::Unprotected, why.to_owned());
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
    if let Err(unavailable) = &facts.settings {
        return Some(unavailable.why().to_owned());
    }
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

fn fix(facts: &GatewayFacts, assessment: &Assessment, now: Timestamp) -> Option<String> {
    let GatewayFacts {
        namespace, workload, ..
    } = facts;
    let verdict = assessment.verdict;
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
        Verdict::Unprotected => Some(match assessment.cron_job(facts) {
            Some(cron_job) => fix_cron_job(cron_job, now),
            None => format!(
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

fn fix_cron_job(cron_job: &CronJobFacts, now: Timestamp) -> String {
    let CronJobFacts { name, namespace, .. } = cron_job;
    if cron_job.suspended {
        format!("kubectl patch cronjob {name} -n {namespace} -p '{{\"spec\":{{\"suspend\":false}}}}'")
    } else if let Some(schedule) = better_schedule(cron_job, now) {
        format!(
            "kubectl patch cronjob {name} -n {namespace} -p '{{\"spec\":{{\"schedule\":\"{schedule}\"}}}}'"
        )
    } else {
        format!("kubectl describe cronjob {name} -n {namespace}")
    }
}

fn fix_unknown(facts: &GatewayFacts, rotate: String) -> String {
    let GatewayFacts { namespace, .. } = facts;
    let secret = facts.secret.as_ref().map(|(name, _)| name);
    if facts.settings.is_err() {
        return format!("kubectl describe {} -n {namespace}", facts.workload);
    }
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
