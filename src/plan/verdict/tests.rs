//! One gateway with one change for each verdict.

mod entra;
mod in_cluster;
mod settings;

use super::super::fixture::{DAY, entra_gateway, gateway, now, owned};
use super::*;
use crate::model::{Claims, CronJobFacts, Replacement, TemplateMarks, TokenError};

fn stored(facts: &mut GatewayFacts) -> &mut SecretFacts {
    match &mut facts.presented {
        Ok(Presented::Stored(stored)) => stored,
        other => panic!("{other:?}"),
    }
}

/// The credential of another writer, with this time left.
fn expires_in(facts: &mut GatewayFacts, left: SignedDuration) {
    let stored = stored(facts);
    let expires_at = now() + left;
    stored.credential = Credential::Token {
        claims: Claims {
            gateway: "gw".to_owned(),
            expires_at,
        },
        prefixed: true,
    };
    stored.marks.expires_at = Some(expires_at);
}

fn stale(names: &[&str]) -> StalePods {
    StalePods {
        stale: names.iter().map(|name| (*name).to_owned()).collect(),
        ..StalePods::default()
    }
}

/// The verdict and the fix after a change.
fn after(change: impl Fn(&mut GatewayFacts)) -> (Verdict, String) {
    let mut facts = gateway();
    change(&mut facts);
    let assessment = assess(&facts, now());
    assert!(!assessment.reason.is_empty());
    (assessment.verdict, assessment.fix_text().unwrap_or_default())
}

const ROTATE: &str = "kubectl apim rotate deployment.apps/gw -n shop";

#[test]
fn time_alone_changes_a_verdict() {
    let at = |left: SignedDuration| after(|facts| expires_in(facts, left));
    let rotate = ROTATE.to_owned();
    assert_eq!(at(DAY * 30), (Verdict::Healthy, String::new()));
    assert_eq!(at(DAY * 15), (Verdict::Due, rotate.clone()));
    assert_eq!(at(DAY * 7), (Verdict::Expiring, rotate.clone()));
    assert_eq!(at(SignedDuration::ZERO), (Verdict::Expired, rotate.clone()));
    assert_eq!(at(-DAY), (Verdict::Expired, rotate));
}

#[test]
fn stale_pods_are_restarted() {
    let restart = "kubectl rollout restart deployment.apps/gw -n shop".to_owned();
    let stale_pod = |facts: &mut GatewayFacts| facts.pods = Ok(stale(&["gw-1"]));
    assert_eq!(after(stale_pod), (Verdict::StalePods, restart.clone()));
    let not_restarted = |facts: &mut GatewayFacts| {
        stale_pod(facts);
        facts.marks = TemplateMarks::default();
    };
    assert_eq!(after(not_restarted), (Verdict::RestartOwed, ROTATE.to_owned()));
    let restart_by_other = |facts: &mut GatewayFacts| {
        not_restarted(facts);
        stored(facts).marks.restart_by_other = true;
    };
    assert_eq!(after(restart_by_other), (Verdict::StalePods, restart));
    // The new pods may not get ready with the token that the Secret holds.
    let rolling = |facts: &mut GatewayFacts| {
        stale_pod(facts);
        facts.still_replaces = Some("1 of 2 pods are new".to_owned());
    };
    assert_eq!(after(rolling), (Verdict::StalePods, ROTATE.to_owned()));
    let by_hand = |facts: &mut GatewayFacts| {
        stale_pod(facts);
        facts.replacement = Replacement::ByHand("the strategy OnDelete".to_owned());
    };
    assert_eq!(
        after(by_hand),
        (Verdict::StalePods, "kubectl delete pod -n shop gw-1".to_owned())
    );
}

#[test]
fn a_blocked_rollout_names_the_quota() {
    let blocked = |seconds: i64| Blocked {
        reason: "pods \"gw-x\" is forbidden: exceeded quota: small, requested: pods=1".to_owned(),
        since: Some(now() - SignedDuration::from_secs(seconds)),
    };
    let (verdict, fix) = after(|facts| {
        facts.blocked = Some(blocked(10));
        facts.pods = Ok(stale(&["gw-0"]));
    });
    assert_eq!(verdict, Verdict::Blocked);
    assert_eq!(fix, "kubectl describe resourcequota small -n shop");
    let mut facts = gateway();
    facts.blocked = Some(blocked(9));
    assert_eq!(assess(&facts, now()).verdict, Verdict::Healthy);
    let next = now() + SignedDuration::from_secs(1);
    assert_eq!(next_change(&facts, now()), Some(next));
    assert_eq!(assess(&facts, next).verdict, Verdict::Blocked);
}

#[test]
fn without_the_right_to_list_pods_the_ids_decide() {
    let forbidden = |facts: &mut GatewayFacts| facts.pods = Err(Unavailable::Forbidden("pods".to_owned()));
    assert_eq!(after(forbidden).0, Verdict::Healthy);
    let not_restarted = |facts: &mut GatewayFacts| {
        forbidden(facts);
        facts.marks.rotation_ids = "another".into();
    };
    assert_eq!(after(not_restarted).0, Verdict::RestartOwed);
    let unsure = |facts: &mut GatewayFacts| {
        facts.pods = Ok(StalePods {
            unsure: vec!["gw-1".to_owned()],
            ..StalePods::default()
        });
    };
    let restart = "kubectl rollout restart deployment.apps/gw -n shop".to_owned();
    assert_eq!(after(unsure), (Verdict::Unknown, restart));
}

#[test]
fn an_unreadable_credential_is_unknown_and_an_alarm() {
    let forbidden =
        |facts: &mut GatewayFacts| facts.presented = Err(Unavailable::Forbidden("secrets".to_owned()));
    let (verdict, fix) = after(forbidden);
    assert_eq!(
        (verdict, fix.as_str()),
        (Verdict::Unknown, "kubectl auth can-i get secret/gw-token -n shop")
    );
    let empty = |facts: &mut GatewayFacts| stored(facts).credential = Credential::Unusable(TokenError::Empty);
    assert_eq!(after(empty), (Verdict::Unknown, ROTATE.to_owned()));
    // A restart would end pods that still work, or never started.
    for unusable in [TokenError::Empty, TokenError::NotAToken] {
        for marks in [TemplateMarks::default(), gateway().marks] {
            let stale = |facts: &mut GatewayFacts| {
                stored(facts).credential = Credential::Unusable(unusable);
                facts.pods = Ok(stale(&["gw-1"]));
                facts.marks = marks.clone();
            };
            assert_eq!(after(stale), (Verdict::Unknown, ROTATE.to_owned()));
        }
    }
    assert!(Verdict::Unknown.is_alarm() && !Verdict::Due.is_alarm());
}

#[test]
fn another_writer_of_the_secret() {
    let helm = |facts: &mut GatewayFacts| stored(facts).owner = Some(owned());
    assert_eq!(
        after(helm),
        (Verdict::WillBeReverted, format!("{ROTATE} --adopt"))
    );
    let by_hand = |facts: &mut GatewayFacts| stored(facts).marks.expires_at = Some(now() + DAY);
    assert_eq!(after(by_hand), (Verdict::ChangedByOther, ROTATE.to_owned()));
}

#[test]
fn without_a_cron_job_that_runs_in_time_it_is_unprotected() {
    let verdict = |change: &dyn Fn(&mut CronJobFacts)| {
        after(|facts| {
            if let Ok(cron_jobs) = &mut facts.cron_jobs {
                change(&mut cron_jobs[0]);
            }
        })
    };
    let (without, install) = after(|facts| facts.cron_jobs = Ok(Vec::new()));
    assert_eq!(without, Verdict::Unprotected);
    assert!(install.starts_with("kubectl apim install-cronjob deployment.apps/gw -n shop --auth"));
    assert_eq!(
        verdict(&|cron_job| cron_job.suspended = true),
        (
            Verdict::Unprotected,
            "kubectl patch cronjob apim-rotate -n shop -p '{\"spec\":{\"suspend\":false}}'".to_owned()
        )
    );
    let never = |cron_job: &mut CronJobFacts| cron_job.schedule = "0 0 31 2 *".to_owned();
    assert_eq!(verdict(&never).0, Verdict::Unprotected);
    // The token expires after 30 days, before the next run.
    assert_eq!(
        verdict(&|cron_job| cron_job.schedule = "0 0 1 */6 *".to_owned()).0,
        Verdict::Unprotected
    );
    let failed = |cron_job: &mut CronJobFacts| cron_job.last_run = Some(now());
    assert_eq!(
        verdict(&failed),
        (
            Verdict::Unprotected,
            "kubectl describe cronjob apim-rotate -n shop".to_owned()
        )
    );
    let rare = verdict(&|cron_job| cron_job.schedule = "0 3 1 * *".to_owned());
    assert_eq!(rare.0, Verdict::Unprotected);
    assert!(
        rare.1
            .starts_with("kubectl patch cronjob apim-rotate -n shop -p '{\"spec\":{\"schedule\":\""),
        "{}",
        rare.1
    );
    // There may be one that this user cannot see.
    let unseen = after(|facts| facts.cron_jobs = Err(Unavailable::Forbidden("cronjobs".to_owned())));
    assert_eq!(unseen.0, Verdict::Healthy);
    let plain_text = after(|facts| {
        let claims = facts.claims().cloned().unwrap();
        facts.presented = Ok(Presented::Inline {
            claims,
            location: "configmap/env".to_owned(),
        });
    });
    assert_eq!(plain_text.0, Verdict::Unprotected);
    // No one command moves a token into a Secret and refers to it.
    assert_eq!(plain_text.1, "");
}

#[test]
fn why_nothing_protects_it_is_kept_whatever_the_verdict_is() {
    // Why one that may be meant for it does not count is said where none does.
    let mut odd = gateway();
    odd.not_counted = Some("cronjob/x does not count: it is a dry run".to_owned());
    assert_eq!(assess(&odd, now()).verdict, Verdict::Healthy);
    odd.cron_jobs = Ok(Vec::new());
    assert_eq!(
        assess(&odd, now()).reason,
        "no CronJob was found that rotates the token; cronjob/x does not count: it is a dry run"
    );
    // A worse verdict does not hide it.
    expires_in(&mut odd, DAY);
    let assessment = assess(&odd, now());
    assert_eq!(assessment.verdict, Verdict::Expiring);
    assert!(assessment.unprotected.unwrap().contains("dry run"));
}

#[test]
fn the_worst_of_several_problems_decides() {
    let all = |left: SignedDuration| {
        after(|facts| {
            stored(facts).owner = Some(owned());
            facts.pods = Ok(stale(&["gw-1"]));
            expires_in(facts, left);
        })
        .0
    };
    assert_eq!(all(-DAY), Verdict::Expired);
    assert_eq!(all(DAY), Verdict::StalePods);
    assert!(Verdict::ALL.is_sorted());
}

#[test]
fn an_alarm_counts_days_and_verdicts() {
    let alarm = |change: &dyn Fn(&mut GatewayFacts), within: SignedDuration| {
        let mut facts = gateway();
        change(&mut facts);
        is_alarm(&facts, &assess(&facts, now()), within, now())
    };
    let lives = |left: SignedDuration| move |facts: &mut GatewayFacts| expires_in(facts, left);
    assert!(alarm(&lives(DAY * 10), DAY * 10));
    assert!(!alarm(&lives(DAY * 11), DAY * 10));
    assert!(alarm(
        &|facts| facts.pods = Ok(stale(&["gw-1"])),
        SignedDuration::ZERO
    ));
    assert!(alarm(
        &|facts| facts.presented = Err(Unavailable::Unknown("x".to_owned())),
        SignedDuration::ZERO
    ));
    // A check must not pass when it cannot list the pods.
    assert!(alarm(
        &|facts| facts.pods = Err(Unavailable::Forbidden("pods".to_owned())),
        DAY
    ));
    // A missing CronJob alone is not urgent.
    assert!(!alarm(&|facts| facts.cron_jobs = Ok(Vec::new()), DAY));
}

#[test]
fn the_verdict_does_not_change_before_the_next_change() {
    let left = |left: SignedDuration| {
        let mut facts = gateway();
        expires_in(&mut facts, left);
        facts
    };
    let verdict = |facts: &GatewayFacts, at: Timestamp| assess(facts, at).verdict;
    let weekly = |mut facts: GatewayFacts| {
        if let Ok(cron_jobs) = &mut facts.cron_jobs {
            cron_jobs[0].schedule = "0 0 * * 0".to_owned();
        }
        facts
    };
    let mut unprotected = left(DAY * 30);
    unprotected.cron_jobs = Ok(Vec::new());
    let mut new = left(DAY * 30);
    if let Ok(cron_jobs) = &mut new.cron_jobs {
        cron_jobs[0].created = Some(now());
    }
    for facts in [left(DAY * 30), weekly(left(DAY * 20)), unprotected, new] {
        let (mut at, mut verdicts) = (now(), vec![verdict(&facts, now())]);
        while let Some(next) = next_change(&facts, at) {
            let just_before = next - SignedDuration::from_secs(1);
            assert_eq!(verdict(&facts, just_before), *verdicts.last().unwrap());
            verdicts.push(verdict(&facts, next));
            if verdicts.last() == Some(&Verdict::Expired) {
                break;
            }
            at = next;
        }
        verdicts.dedup();
        assert!(verdicts.len() > 2, "{verdicts:?}");
    }
    let federated = entra_gateway(Auth::WorkloadIdentity);
    assert_eq!(next_change(&federated, now()), None);
}
