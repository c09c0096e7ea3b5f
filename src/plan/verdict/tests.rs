//! One gateway, varied until each verdict is reached.

use super::super::fixture::{DAY, gateway, now};
use super::*;
use crate::model::{Claims, CronJobFacts, TemplateMarks};

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
        unsure: Vec::new(),
    }
}

/// The verdict and the fix after a change.
fn after(change: impl Fn(&mut GatewayFacts)) -> (Verdict, String) {
    let mut facts = gateway();
    change(&mut facts);
    let assessment = assess(&facts, now());
    assert!(!assessment.reason.is_empty());
    (assessment.verdict, assessment.fix.unwrap_or_default())
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
fn pods_behind_their_secret() {
    let restart = "kubectl rollout restart deployment.apps/gw -n shop".to_owned();
    let left_behind = |facts: &mut GatewayFacts| facts.pods = Ok(stale(&["gw-1"]));
    assert_eq!(after(left_behind), (Verdict::StalePods, restart.clone()));
    let cut_off = |facts: &mut GatewayFacts| {
        left_behind(facts);
        facts.marks = TemplateMarks::default();
    };
    assert_eq!(after(cut_off), (Verdict::RestartOwed, ROTATE.to_owned()));
    // Something else was to restart it.
    let left_to_other = |facts: &mut GatewayFacts| {
        cut_off(facts);
        stored(facts).marks.restart_by_other = true;
    };
    assert_eq!(after(left_to_other), (Verdict::StalePods, restart));
    let by_hand = |facts: &mut GatewayFacts| {
        left_behind(facts);
        facts.replacement = Replacement::ByHand("the strategy OnDelete".to_owned());
    };
    assert_eq!(
        after(by_hand),
        (Verdict::StalePods, "kubectl delete pod -n shop gw-1".to_owned())
    );
}

#[test]
fn without_the_right_to_see_pods_the_ids_decide() {
    let unseen = |facts: &mut GatewayFacts| facts.pods = Err(Unavailable::Forbidden("pods".to_owned()));
    assert_eq!(after(unseen).0, Verdict::Healthy);
    let cut_off = |facts: &mut GatewayFacts| {
        unseen(facts);
        facts.marks.rotation_id = Some("another".to_owned());
    };
    assert_eq!(after(cut_off).0, Verdict::RestartOwed);
    let unsure = |facts: &mut GatewayFacts| {
        facts.pods = Ok(StalePods {
            stale: Vec::new(),
            unsure: vec!["gw-1".to_owned()],
        });
    };
    assert_eq!(after(unsure).0, Verdict::Unknown);
}

#[test]
fn what_cannot_be_read_is_unknown_and_never_passes() {
    let forbidden =
        |facts: &mut GatewayFacts| facts.presented = Err(Unavailable::Forbidden("secrets".to_owned()));
    let (verdict, fix) = after(forbidden);
    assert_eq!(
        (verdict, fix.as_str()),
        (Verdict::Unknown, "kubectl auth can-i get secret/gw-token -n shop")
    );
    let empty = |facts: &mut GatewayFacts| stored(facts).credential = Credential::Unusable(TokenError::Empty);
    assert_eq!(after(empty), (Verdict::Unknown, ROTATE.to_owned()));
    for (auth, verdict) in [
        (Auth::AppSecret, Verdict::Unknown),
        (Auth::Certificate, Verdict::Unknown),
        (Auth::WorkloadIdentity, Verdict::Healthy),
    ] {
        let entra = |facts: &mut GatewayFacts| {
            facts.auth = auth;
            facts.presented = Ok(Presented::Entra);
            facts.cron_job = Ok(None);
        };
        assert_eq!(after(entra).0, verdict, "{auth:?}");
    }
    assert!(Verdict::Unknown.is_alarm() && !Verdict::Due.is_alarm());
}

#[test]
fn who_else_writes_the_secret() {
    let helm = |facts: &mut GatewayFacts| stored(facts).owner = Some("Helm release gw".to_owned());
    assert_eq!(
        after(helm),
        (Verdict::WillBeReverted, format!("{ROTATE} --adopt"))
    );
    let by_hand = |facts: &mut GatewayFacts| stored(facts).marks.expires_at = Some(now() + DAY);
    assert_eq!(after(by_hand), (Verdict::ChangedByOther, ROTATE.to_owned()));
}

#[test]
fn what_nothing_rotates_is_unprotected() {
    let verdict = |change: &dyn Fn(&mut CronJobFacts)| {
        after(|facts| {
            if let Ok(Some(cron_job)) = &mut facts.cron_job {
                change(cron_job);
            }
        })
        .0
    };
    assert_eq!(after(|facts| facts.cron_job = Ok(None)).0, Verdict::Unprotected);
    assert_eq!(
        verdict(&|cron_job| cron_job.suspended = true),
        Verdict::Unprotected
    );
    let never = |cron_job: &mut CronJobFacts| cron_job.schedule = "0 0 31 2 *".to_owned();
    assert_eq!(verdict(&never), Verdict::Unprotected);
    // The token of 30 days is dead before the next quarter.
    assert_eq!(
        verdict(&|cron_job| cron_job.schedule = "0 0 1 */6 *".to_owned()),
        Verdict::Unprotected
    );
    // What may not be seen may be there.
    let unseen = after(|facts| facts.cron_job = Err(Unavailable::Forbidden("cronjobs".to_owned())));
    assert_eq!(unseen.0, Verdict::Healthy);
    let in_clear = after(|facts| {
        let claims = facts.claims().cloned().unwrap();
        facts.presented = Ok(Presented::Inline {
            claims,
            place: "configmap/env".to_owned(),
        });
    });
    assert_eq!(in_clear.0, Verdict::Unprotected);
    assert!(
        in_clear
            .1
            .starts_with("kubectl create secret generic gw-token -n shop")
    );
}

#[test]
fn the_worst_of_several_things_is_named() {
    let all = |left: SignedDuration| {
        after(|facts| {
            stored(facts).owner = Some("Helm".to_owned());
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
    // What cannot be seen must not pass.
    assert!(alarm(
        &|facts| facts.pods = Err(Unavailable::Forbidden("pods".to_owned())),
        DAY
    ));
    // A CronJob that is missing is no reason to wake anybody.
    assert!(!alarm(&|facts| facts.cron_job = Ok(None), DAY));
}

#[test]
fn until_the_next_change_the_verdict_stands() {
    let left = |left: SignedDuration| {
        let mut facts = gateway();
        expires_in(&mut facts, left);
        facts
    };
    let verdict = |facts: &GatewayFacts, at: Timestamp| assess(facts, at).verdict;
    let weekly = |mut facts: GatewayFacts| {
        if let Ok(Some(cron_job)) = &mut facts.cron_job {
            cron_job.schedule = "0 0 * * 0".to_owned();
        }
        facts
    };
    let mut unprotected = left(DAY * 30);
    unprotected.cron_job = Ok(None);
    for facts in [left(DAY * 30), weekly(left(DAY * 20)), unprotected] {
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
    let mut eternal = gateway();
    eternal.presented = Ok(Presented::Entra);
    assert_eq!(next_change(&eternal, now()), None);
}
