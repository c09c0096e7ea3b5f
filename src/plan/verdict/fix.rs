//! The command that fixes a gateway.

use jiff::Timestamp;

use super::super::blocked::way_out;
use super::super::protection::better_schedule;
use super::assessment::{Assessment, Verdict};
use super::entra::set_up;
use super::expiry::lost;
use crate::model::{
    Credential, CronJobFacts, GatewayFacts, Presented, PrintedCommand, Replacement, SecretFacts, Unavailable,
    WorkloadRef,
};

pub(super) fn fix(facts: &GatewayFacts, assessment: &Assessment, now: Timestamp) -> Option<PrintedCommand> {
    let GatewayFacts {
        namespace, workload, ..
    } = facts;
    let verdict = assessment.verdict;
    let stale = facts.pods.as_ref().map_or(&[][..], |pods| &pods.stale);
    let rotate = rotate_command(facts, &[workload]);
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
            None => PrintedCommand::new(&["kubectl", "apim", "install-cronjob", &workload.to_string()])
                .with(&["-n", namespace])
                .with(adopt(facts))
                .with(&["--auth", "workload-identity", "--client-id"])
                .with_placeholder("CLIENT-ID"),
        }),
        // Pods are being replaced already, by new ones that may not get ready: a rotation waits
        // for them, and makes another token if Azure refuses theirs.
        Verdict::StalePods if facts.still_replaces.is_some() => Some(rotate),
        Verdict::StalePods => Some(restart(facts, stale)),
        Verdict::Unknown => Some(fix_unknown(facts, rotate)),
    }
}

/// Whether what fixes a gateway is its rotation.
pub fn rotates(facts: &GatewayFacts, assessment: &Assessment) -> bool {
    assessment.fix.as_ref() == Some(&rotate_command(facts, &[&facts.workload]))
}

/// The rotation of gateways that use the Secret of this one.
pub fn rotate_command(facts: &GatewayFacts, workloads: &[&WorkloadRef]) -> PrintedCommand {
    let names: Vec<String> = workloads.iter().map(ToString::to_string).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    PrintedCommand::new(&["kubectl", "apim", "rotate"])
        .with(&names)
        .with(&["-n", &facts.namespace])
        .with(adopt(facts))
}

/// What lets a command write a Secret that something else owns.
fn adopt(facts: &GatewayFacts) -> &'static [&'static str] {
    match facts.stored().and_then(|stored| stored.owner.as_ref()) {
        Some(_) => &["--adopt"],
        None => &[],
    }
}

fn fix_cron_job(cron_job: &CronJobFacts, now: Timestamp) -> PrintedCommand {
    let CronJobFacts { name, namespace, .. } = cron_job;
    let patch = |change: &str| {
        PrintedCommand::new(&["kubectl", "patch", "cronjob", name, "-n", namespace, "-p", change])
    };
    if cron_job.suspended {
        patch(r#"{"spec":{"suspend":false}}"#)
    } else if let Some(schedule) = better_schedule(cron_job, now) {
        patch(&format!(r#"{{"spec":{{"schedule":"{schedule}"}}}}"#))
    } else if cron_job.last_success.is_none() && cron_job.last_result().is_none() {
        let (job, from) = (format!("{name}-first"), format!("--from=cronjob/{name}"));
        PrintedCommand::new(&["kubectl", "create", "job", &job, &from, "-n", namespace])
    } else {
        PrintedCommand::new(&["kubectl", "describe", "cronjob", name, "-n", namespace])
    }
}

fn fix_unknown(facts: &GatewayFacts, rotate: PrintedCommand) -> PrintedCommand {
    let GatewayFacts { namespace, .. } = facts;
    let secret = facts.secret.as_ref().map(|(name, _)| name);
    let describe = |what: &[&str]| {
        PrintedCommand::new(&["kubectl", "describe"])
            .with(what)
            .with(&["-n", namespace])
    };
    if facts.settings.is_err() {
        return describe(&[&facts.workload.to_string()]);
    }
    match (&facts.presented, secret) {
        (Err(Unavailable::Forbidden(_)), Some(name)) => {
            let secret = format!("secret/{name}");
            PrintedCommand::new(&["kubectl", "auth", "can-i", "get", &secret, "-n", namespace])
        }
        (Ok(Presented::Stored(stored)), Some(name)) => match (&stored.credential, &facts.pods) {
            // It says what to do if the key holds something else.
            (Credential::Unusable(_), _) => rotate,
            (Credential::Token { .. }, Ok(pods)) => restart(facts, &pods.unsure),
            (Credential::Token { .. }, Err(_)) => describe(&["secret", name]),
        },
        (Err(_), Some(name)) => describe(&["secret", name]),
        (Ok(Presented::Entra(sign_in)), _) => super::entra::fix_unknown(facts, sign_in),
        _ => describe(&[&facts.workload.to_string()]),
    }
}

/// The command that replaces the stale pods, if the restart by a set-up replaces none of them.
fn by_hand(facts: &GatewayFacts) -> Option<PrintedCommand> {
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
fn restart(facts: &GatewayFacts, pods: &[String]) -> PrintedCommand {
    let GatewayFacts {
        namespace, workload, ..
    } = facts;
    match facts.replacement {
        Replacement::ByHand(_) if !pods.is_empty() => {
            let pods: Vec<&str> = pods.iter().map(String::as_str).collect();
            PrintedCommand::new(&["kubectl", "delete", "pod", "-n", namespace]).with(&pods)
        }
        _ => {
            let workload = workload.to_string();
            PrintedCommand::new(&["kubectl", "rollout", "restart", &workload, "-n", namespace])
        }
    }
}
