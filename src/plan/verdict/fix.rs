//! The command that fixes a gateway.

use jiff::Timestamp;

use super::super::blocked::way_out;
use super::super::protection::better_schedule;
use super::assessment::{Assessment, Verdict};
use super::entra::set_up;
use super::expiry::lost;
use crate::model::{
    Credential, CronJobFacts, GatewayFacts, Presented, Replacement, SecretFacts, Unavailable,
};

pub(super) fn fix(facts: &GatewayFacts, assessment: &Assessment, now: Timestamp) -> Option<String> {
    let GatewayFacts {
        namespace, workload, ..
    } = facts;
    let verdict = assessment.verdict;
    let stale = facts.pods.as_ref().map_or(&[][..], |pods| &pods.stale);
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
        Verdict::Unknown if facts.entra().is_some_and(|sign_in| lost(sign_in).is_some()) => {
            set_up(facts, assessment)
        }
        Verdict::RestartOwed | Verdict::StalePods if facts.entra().is_some() => {
            by_hand(facts).or_else(|| set_up(facts, assessment))
        }
        Verdict::CannotSignIn
        | Verdict::Expired
        | Verdict::Expiring
        | Verdict::Unprotected
        | Verdict::Due
            if facts.entra().is_some() =>
        {
            set_up(facts, assessment)
        }
        Verdict::Expired
        | Verdict::CannotSignIn
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
        // Pods are being replaced already, by new ones that may not get ready: a rotation waits
        // for them, and makes another token if Azure refuses theirs.
        Verdict::StalePods if facts.still_replaces.is_some() => Some(rotate),
        Verdict::StalePods => Some(restart(facts, stale)),
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
    } else if cron_job.last_success.is_none() && cron_job.last_result().is_none() {
        format!("kubectl create job {name}-first --from=cronjob/{name} -n {namespace}")
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
            // It says what to do if the key holds something else.
            (Credential::Unusable(_), _) => rotate,
            (Credential::Token { .. }, Ok(pods)) => restart(facts, &pods.unsure),
            (Credential::Token { .. }, Err(_)) => format!("kubectl describe secret {name} -n {namespace}"),
        },
        (Err(_), Some(name)) => format!("kubectl describe secret {name} -n {namespace}"),
        (Ok(Presented::Entra(sign_in)), _) => super::entra::fix_unknown(facts, sign_in),
        _ => format!("kubectl describe {} -n {namespace}", facts.workload),
    }
}

/// The command that replaces the stale pods, if the restart by a set-up replaces none of them.
fn by_hand(facts: &GatewayFacts) -> Option<String> {
    let pods = facts.pods.as_ref().ok()?;
    let is_by_hand = matches!(facts.replacement, Replacement::ByHand(_)) && !pods.stale.is_empty();
    let id = facts.comparable_secret().and_then(SecretFacts::id_of_pods);
    let is_restarted = id.is_some_and(|id| facts.marks.rotation_ids.contains(&id));
    is_by_hand.then(|| {
        // A pod below the partition would get its template again.
        if facts.partition > 0 && (pods.is_earlier || is_restarted) {
            facts.workload.without_partition(&facts.namespace)
        } else {
            restart(facts, &pods.stale)
        }
    })
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
