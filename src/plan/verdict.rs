use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{NextRun, next_run};
use crate::model::{
    Auth, Credential, GatewayFacts, Presented, Replacement, SecretFacts, StalePods, TokenError, Unavailable,
    in_words,
};

/// From when on a token is due: at half of its life, so that a daily job has
/// two weeks of further chances.
const DUE: SignedDuration = SignedDuration::from_hours(15 * 24);

/// From when on it is urgent: Azure Advisor warns at the same time
/// (recommendation `ShgwGatewayTokenNearExpiry`).
const EXPIRING: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How a gateway's credential stands, in one word; the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Verdict {
    /// The token has lapsed: the next pod that starts is dead.
    Expired,
    /// A rotation wrote a token that no restart has brought to the pods.
    RestartOwed,
    /// Pods run with an older token than the Secret holds.
    StalePods,
    /// The token lapses within 7 days.
    Expiring,
    /// The credential cannot be read, or the cluster does not know its
    /// expiry.
    Unknown,
    /// Another tool owns the Secret and restores its own token.
    WillBeReverted,
    /// Another token was written since the last rotation.
    ChangedByOther,
    /// Nothing that is seen in the cluster rotates it.
    Unprotected,
    /// The token lapses within 15 days.
    Due,
    /// None of these.
    Healthy,
}

impl Verdict {
    /// All of them, the worst first.
    pub const ALL: [Self; 10] = [
        Self::Expired,
        Self::RestartOwed,
        Self::StalePods,
        Self::Expiring,
        Self::Unknown,
        Self::WillBeReverted,
        Self::ChangedByOther,
        Self::Unprotected,
        Self::Due,
        Self::Healthy,
    ];

    /// Whether it is an alarm whatever the time that is left: an alarm that
    /// cannot read must not pass.
    pub fn is_alarm(self) -> bool {
        matches!(
            self,
            Self::Expired | Self::RestartOwed | Self::StalePods | Self::Unknown
        )
    }
}

/// What is to be made of a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessment {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in words.
    pub reason: String,
    /// The command that mends it.
    pub fix: Option<String>,
}

/// Judges one gateway by the API server's clock. Of several things that are
/// wrong the worst is named.
pub fn assess(facts: &GatewayFacts, now: Timestamp) -> Assessment {
    let (verdict, reason) = worst(facts, now);
    Assessment {
        verdict,
        fix: fix(facts, verdict),
        reason,
    }
}

/// Whether a gateway is an alarm: its verdict is one, its token lapses within
/// this time, or whether its pods are behind cannot be seen.
pub fn is_alarm(
    facts: &GatewayFacts,
    assessment: &Assessment,
    within: SignedDuration,
    now: Timestamp,
) -> bool {
    let lapses = facts
        .claims()
        .is_some_and(|claims| claims.expires_at.duration_since(now) <= within);
    let unseen = facts.stored().is_some() && facts.pods.is_err();
    assessment.verdict.is_alarm() || lapses || unseen
}

/// When the verdict can next change though nothing else does; `None` when
/// time changes nothing any more.
pub fn next_change(facts: &GatewayFacts, now: Timestamp) -> Option<Timestamp> {
    let expires_at = facts.claims()?.expires_at;
    let thresholds = [DUE, EXPIRING, SignedDuration::ZERO].map(|left| expires_at.checked_sub(left).ok());
    // Each run that passes may have been the last before the expiry.
    let cron_job = facts.cron_job.as_ref().ok().and_then(Option::as_ref);
    let run = cron_job.and_then(|cron_job| next_run(cron_job, now).time());
    thresholds
        .into_iter()
        .chain([run])
        .flatten()
        .filter(|at| *at > now)
        .min()
}

fn worst(facts: &GatewayFacts, now: Timestamp) -> (Verdict, String) {
    let left = facts.claims().map(|claims| claims.expires_at.duration_since(now));
    if let Some(left) = left.filter(|left| *left <= SignedDuration::ZERO) {
        return (
            Verdict::Expired,
            format!(
                "the token expired {} ago; the next pod that starts is dead",
                in_words(left)
            ),
        );
    }
    if let Some(stored) = facts.stored()
        && let Some(found) = behind(facts, stored)
    {
        return found;
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
        return (
            Verdict::Healthy,
            "a federated identity does not expire".to_owned(),
        );
    }
    if let Some(stored) = facts.stored() {
        if let Some(owner) = &stored.owner {
            let why = format!("{owner} owns the Secret and would restore its own token");
            return (Verdict::WillBeReverted, why);
        }
        if stored.marks.rotation_id.is_some() && !stored.marks_hold() {
            let who = stored.last_writer.as_deref().unwrap_or("something else");
            let why = format!("the token is not the one that the last rotation wrote: {who} has changed it");
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
        format!("the token lives for {} more", in_words(left)),
    )
}

/// Pods that are behind their Secret.
fn behind(facts: &GatewayFacts, stored: &SecretFacts) -> Option<(Verdict, String)> {
    let owed = stored
        .rotation()
        .is_some_and(|id| !stored.marks.restart_by_other && facts.marks.rotation_id.as_deref() != Some(id));
    match &facts.pods {
        Ok(StalePods { stale, .. }) if stale.is_empty() => None,
        Ok(StalePods { stale, .. }) => {
            let pods = count(stale.len(), "pod runs", "pods run");
            Some(if owed {
                (
                    Verdict::RestartOwed,
                    format!("a rotation was cut off before its restart; {pods} with the old token"),
                )
            } else {
                (
                    Verdict::StalePods,
                    format!("{pods} with an older token than the Secret holds"),
                )
            })
        }
        // Without the right to see pods the ids alone decide.
        Err(_) if owed => {
            let why =
                "a rotation was cut off before its restart, by its ids; the pods cannot be seen".to_owned();
            Some((Verdict::RestartOwed, why))
        }
        Err(_) => None,
    }
}

/// Why it cannot be said how the gateway stands.
fn unknown(facts: &GatewayFacts) -> Option<String> {
    match &facts.presented {
        Err(gap) => Some(gap.why().to_owned()),
        Ok(Presented::Stored(stored)) => match stored.credential {
            Credential::Unusable(why) => Some(format!(
                "what the Secret holds under `{}` cannot be read: {why}",
                stored.key
            )),
            Credential::Token { .. } => pods_unknown(&facts.pods),
        },
        Ok(Presented::Inline { .. }) => None,
        Ok(Presented::Entra) => match facts.auth {
            Auth::WorkloadIdentity => None,
            Auth::Certificate => {
                Some("when the certificate of its Entra app expires is known to Entra alone".to_owned())
            }
            _ => Some("when the client secret of its Entra app expires is known to Entra alone".to_owned()),
        },
    }
}

/// A Secret that nobody has rotated for long is not unknown for want of the
/// right to see pods: the cell says so.
fn pods_unknown(pods: &Result<StalePods, Unavailable>) -> Option<String> {
    match pods {
        Ok(StalePods { unsure, .. }) if !unsure.is_empty() => Some(format!(
            "{} started too close to the last write to tell which token it has",
            count(unsure.len(), "pod was", "pods were")
        )),
        _ => None,
    }
}

/// Why nothing will rotate the token before it lapses.
fn unprotected(facts: &GatewayFacts, now: Timestamp) -> Option<String> {
    if let Ok(Presented::Inline { place, .. }) = &facts.presented {
        return Some(format!(
            "the token stands in clear in {place}, where no rotation can replace it; move it to a Secret, and refer to it by \
             secretKeyRef"
        ));
    }
    match &facts.cron_job {
        // What may not be seen may be there.
        Err(_) => None,
        Ok(None) => Some("no CronJob that is seen here rotates it".to_owned()),
        Ok(Some(cron_job)) if cron_job.suspended => Some(format!("cronjob/{} is suspended", cron_job.name)),
        Ok(Some(cron_job)) => {
            let expires = facts.claims().map(|claims| claims.expires_at);
            match (next_run(cron_job, now), expires) {
                (NextRun::Never, _) => Some(format!("cronjob/{} never runs", cron_job.name)),
                (NextRun::At(next), Some(expires)) if next >= expires => Some(format!(
                    "the token expires before cronjob/{} runs again",
                    cron_job.name
                )),
                _ => None,
            }
        }
    }
}

/// The command that mends it.
fn fix(facts: &GatewayFacts, verdict: Verdict) -> Option<String> {
    let GatewayFacts {
        namespace, workload, ..
    } = facts;
    let kind = workload.to_string();
    let owned = facts.stored().is_some_and(|stored| stored.owner.is_some());
    let adopt = if owned { " --adopt" } else { "" };
    let rotate = format!("kubectl apim rotate {kind} -n {namespace}{adopt}");
    match verdict {
        Verdict::Healthy => None,
        // A Secret is to be referred to from there on.
        _ if matches!(facts.presented, Ok(Presented::Inline { .. })) => Some(format!(
            "kubectl create secret generic {}-token -n {namespace} --from-literal=value=",
            workload.name
        )),
        Verdict::Expired
        | Verdict::RestartOwed
        | Verdict::Expiring
        | Verdict::WillBeReverted
        | Verdict::ChangedByOther
        | Verdict::Due => Some(rotate),
        Verdict::Unprotected => Some(format!(
            "kubectl apim install-cronjob {kind} -n {namespace}{adopt} --auth workload-identity --client-id CLIENT-ID"
        )),
        Verdict::StalePods => Some(match (&facts.replacement, &facts.pods) {
            (Replacement::ByHand(_), Ok(pods)) => {
                format!("kubectl delete pod -n {namespace} {}", pods.stale.join(" "))
            }
            _ => format!("kubectl rollout restart {kind} -n {namespace}"),
        }),
        Verdict::Unknown => Some(unreadable(facts, rotate)),
    }
}

/// What to do about a credential that cannot be judged.
fn unreadable(facts: &GatewayFacts, rotate: String) -> String {
    let GatewayFacts { namespace, .. } = facts;
    let secret = facts.secret.as_ref().map(|(name, _)| name);
    match (&facts.presented, secret) {
        (Err(Unavailable::Forbidden(_)), Some(name)) => {
            format!("kubectl auth can-i get secret/{name} -n {namespace}")
        }
        (Ok(Presented::Stored(stored)), Some(_))
            if stored.credential == Credential::Unusable(TokenError::Empty) =>
        {
            rotate
        }
        (Ok(Presented::Stored(_)) | Err(_), Some(name)) => {
            format!("kubectl describe secret {name} -n {namespace}")
        }
        (Ok(Presented::Entra), _) => "az ad app credential list --id CLIENT-ID".to_owned(),
        _ => format!("kubectl describe {} -n {namespace}", facts.workload),
    }
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests;
