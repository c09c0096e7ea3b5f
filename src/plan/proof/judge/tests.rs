//! Every case of the judgement.

mod others;

use super::super::words::evidence_text;
use super::*;
use crate::model::{PodFacts, WorkloadKind, WorkloadRef};

const OLD_IS_READY: &str = "although the previous pods were ready";

fn workload() -> WorkloadRef {
    WorkloadRef {
        kind: WorkloadKind::Deployment,
        name: "gw".to_owned(),
    }
}

/// A Deployment of two pods whose first new pod is there and not ready.
fn progress() -> Progress {
    Progress {
        rollout: Rollout::Waiting("1 of 2 pods are new".to_owned()),
        by_hand: 0,
        wanted: 2,
        pods: 3,
        updated: 1,
        ready: 2,
        new_ready: Some(false),
        mark: Mark::Present,
        blocked: None,
        is_overdue: false,
        controller: None,
    }
}

fn complete() -> Progress {
    Progress {
        rollout: Rollout::Complete,
        pods: 2,
        updated: 2,
        new_ready: Some(true),
        ..progress()
    }
}

fn pod(name: &str, health: PodHealth) -> PodFacts {
    PodFacts {
        name: name.to_owned(),
        is_marked: true,
        is_younger: true,
        stays: true,
        is_stale: Some(false),
        health,
        log: LogRead::Clean,
        argo_rollout: None,
    }
}

fn old(name: &str) -> PodFacts {
    PodFacts {
        is_marked: false,
        is_younger: false,
        is_stale: Some(true),
        ..pod(name, PodHealth::Ready)
    }
}

fn ready(name: &str) -> PodFacts {
    pod(name, PodHealth::Ready)
}

fn unready() -> PodFacts {
    pod("new", PodHealth::Unready)
}

fn crashing() -> PodFacts {
    pod(
        "new",
        PodHealth::Crashing("container gw keeps exiting with code 1".to_owned()),
    )
}

fn hindered() -> PodFacts {
    pod(
        "other",
        PodHealth::Hindered("container gw is in ImagePullBackOff".to_owned()),
    )
}

fn with_log(log: LogRead) -> PodFacts {
    PodFacts { log, ..ready("new") }
}

/// A gateway that was ready before, judged by its logs.
fn seen(workload: &WorkloadRef, progress: Progress, pods: Pods) -> Seen<'_> {
    Seen {
        namespace: "shop",
        workload,
        mode: ProveMode::Logs,
        noun: "token",
        was_ready: true,
        runs_gateway: true,
        of_template: false,
        partition: 0,
        progress,
        pods,
    }
}

/// The judgement of one look, and of the same look at the deadline.
fn both(progress: Progress, pods: Pods, change: impl Fn(&mut Seen<'_>)) -> [Judgement; 2] {
    let workload = workload();
    let mut seen = seen(&workload, progress, pods);
    change(&mut seen);
    let mut history = History::default();
    [(Duration::ZERO, false), (START, true)].map(|(at, at_deadline)| {
        history.add(&seen, at);
        judge(&seen, &history, at_deadline)
    })
}

fn by_logs(progress: Progress, pods: Vec<PodFacts>) -> [Judgement; 2] {
    both(progress, Pods::Listed(pods), |_| ())
}

fn by_status(progress: Progress) -> [Judgement; 2] {
    both(progress, Pods::Forbidden, |seen| seen.mode = ProveMode::Rollout)
}

/// The judgement after nothing has changed for a while.
fn stuck(progress: Progress, pods: Vec<PodFacts>) -> Judgement {
    let workload = workload();
    let seen = seen(&workload, progress, Pods::Listed(pods));
    let mut history = History::default();
    history.add(&seen, Duration::ZERO);
    history.add(&seen, GRACE);
    judge(&seen, &history, false)
}

#[test]
fn a_pod_that_was_there_only_briefly_is_not_refused_by_time() {
    let workload = workload();
    for (mode, pods) in [
        (ProveMode::Logs, Pods::Listed(vec![old("a"), unready()])),
        (ProveMode::Rollout, Pods::Forbidden),
    ] {
        let mut seen = seen(&workload, progress(), pods);
        seen.mode = mode;
        let mut history = History::default();
        let first = Duration::from_secs(20);
        for brief in [Duration::ZERO, START / 2] {
            history.add(&seen, first + brief);
            is_undecided(&judge(&seen, &history, true), "at the deadline");
        }
        history.add(&seen, first + START);
        let judgement = judge(&seen, &history, true);
        assert!(matches!(judgement, Judgement::Refused { .. }), "{judgement:?}");
    }
}

#[test]
fn a_new_pod_of_another_workload_speaks_for_the_credential() {
    let workload = workload();
    let stuck = seen(&workload, progress(), Pods::Listed(vec![old("a"), unready()]));
    let mut healthy = seen(&workload, complete(), Pods::Listed(vec![ready("new")]));
    for (runs_gateway, was_proved, speaks) in
        [(true, false, true), (false, false, false), (false, true, true)]
    {
        healthy.runs_gateway = runs_gateway;
        let (mut one, mut other) = (History::default(), History::default());
        for at in [Duration::ZERO, START] {
            one.add(&stuck, at);
            other.add(&healthy, at);
        }
        History::share([&mut one, &mut other], was_proved);
        let judgement = judge(&stuck, &one, true);
        let is_refused = matches!(judgement, Judgement::Refused { .. });
        assert_eq!(is_refused, !speaks, "{judgement:?}");
    }
}

#[track_caller]
fn waits_then_undecided([first, last]: [Judgement; 2], text: &str) {
    assert!(matches!(first, Judgement::Waiting(_)), "{first:?}");
    is_undecided(&last, text);
}

#[track_caller]
fn is_undecided(judgement: &Judgement, text: &str) {
    match judgement {
        Judgement::Undecided(why) => assert!(why.contains(text), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn waits_then_refused([first, last]: [Judgement; 2]) {
    assert!(matches!(first, Judgement::Waiting(_)), "{first:?}");
    is_refused(&last, OLD_IS_READY, None);
}

#[track_caller]
fn is_refused(judgement: &Judgement, text: &str, by: Option<&str>) {
    match judgement {
        Judgement::Refused { evidence, pod } => {
            assert!(evidence.contains(text), "{evidence}");
            assert_eq!(pod.as_deref(), by);
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn is_proved(judgement: Judgement, text: &str) {
    match judgement {
        Judgement::Proved(evidence) => assert_eq!(evidence_text(&[evidence], "token"), text),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_event_in_the_log_of_a_pod_that_stays_is_a_refusal() {
    let refusing = || with_log(LogRead::Refusal("ConfigInitialSyncFailed".to_owned()));
    for progress in [progress(), complete()] {
        let [first, _] = by_logs(progress, vec![refusing()]);
        is_refused(&first, "pod new logs ConfigInitialSyncFailed", Some("new"));
    }
    let leaving = PodFacts {
        stays: false,
        ..refusing()
    };
    waits_then_undecided(by_logs(progress(), vec![leaving]), "1 of 2 pods are new");
    let of_before = PodFacts {
        is_marked: false,
        ..refusing()
    };
    waits_then_undecided(by_logs(progress(), vec![of_before]), "1 of 2 pods are new");
}

#[test]
fn a_gateway_that_keeps_crashing_is_a_refusal_if_the_previous_one_was_ready() {
    let [first, _] = by_logs(progress(), vec![crashing()]);
    is_refused(&first, "keeps exiting with code 1", Some("new"));
    let before = both(progress(), Pods::Listed(vec![crashing()]), |seen| {
        seen.was_ready = false;
    });
    waits_then_undecided(before, "1 of 2 pods are new");
    let leaving = PodFacts {
        stays: false,
        ..crashing()
    };
    waits_then_undecided(by_logs(progress(), vec![leaving]), "1 of 2 pods are new");
}

#[test]
fn time_alone_refuses_only_if_no_new_pod_was_ever_ready_and_nothing_else_hinders() {
    waits_then_refused(by_logs(progress(), vec![unready(), old("old")]));
    waits_then_undecided(
        by_logs(progress(), vec![unready(), ready("first")]),
        "1 of 2 pods are new at the deadline",
    );
    waits_then_undecided(
        by_logs(progress(), vec![unready(), hindered()]),
        "pod other: container gw is in ImagePullBackOff",
    );
    waits_then_undecided(by_logs(progress(), vec![]), "1 of 2 pods are new");
    let was_not_ready = both(progress(), Pods::Listed(vec![unready()]), |seen| {
        seen.was_ready = false;
    });
    waits_then_undecided(was_not_ready, "at the deadline");
    let is_no_gateway = both(progress(), Pods::Listed(vec![unready()]), |seen| {
        seen.runs_gateway = false;
    });
    waits_then_undecided(is_no_gateway, "at the deadline");
}

#[test]
fn a_new_pod_that_was_ready_once_excludes_a_refusal_by_time() {
    let workload = workload();
    let mut history = History::default();
    history.add(
        &seen(&workload, progress(), Pods::Listed(vec![ready("new")])),
        Duration::ZERO,
    );
    let seen = seen(&workload, progress(), Pods::Listed(vec![unready()]));
    history.add(&seen, Duration::from_secs(5));
    is_undecided(&judge(&seen, &history, true), "at the deadline");
}

#[test]
fn without_the_right_to_see_pods_the_status_decides() {
    waits_then_refused(by_status(progress()));
    let logs = both(progress(), Pods::Forbidden, |_| ());
    waits_then_refused(logs);
    for (change, why) in [
        (
            Progress {
                new_ready: Some(true),
                ..progress()
            },
            "a new pod was ready",
        ),
        (
            Progress {
                new_ready: None,
                ..progress()
            },
            "a new pod may have been ready",
        ),
        (
            Progress {
                updated: 0,
                ..progress()
            },
            "no new pod was created",
        ),
    ] {
        let [first, last] = by_status(change);
        assert!(matches!(first, Judgement::Waiting(_)), "{why}");
        assert!(matches!(last, Judgement::Undecided(_)), "{why}");
    }
}

#[test]
fn a_rollout_past_its_own_deadline_is_judged_early() {
    let overdue = Progress {
        is_overdue: true,
        ..progress()
    };
    let [first, _] = by_status(overdue.clone());
    is_refused(&first, "after its progressDeadlineSeconds", None);
    let [first, _] = by_logs(overdue.clone(), vec![unready()]);
    is_refused(&first, OLD_IS_READY, None);
    waits_then_undecided(by_logs(overdue, vec![hindered()]), "ImagePullBackOff");
}

#[test]
fn ready_pods_are_proved_by_what_was_read_of_their_logs() {
    let [first, _] = by_logs(complete(), vec![ready("a"), ready("b"), old("ending")]);
    is_proved(
        first,
        "2 new pods are ready, and no log shows that Azure refused the token",
    );
    let denied = "2 new pods are ready; this user has no right to read the logs";
    let [first, _] = by_logs(complete(), vec![with_log(LogRead::Forbidden), ready("b")]);
    is_proved(first, denied);
    let [first, _] = both(complete(), Pods::Forbidden, |_| ());
    is_proved(first, denied);
    let [first, _] = by_status(complete());
    is_proved(first, "2 new pods are ready; their logs were not read");
    let failed = LogRead::Failed("reading the log of pod new: 500".to_owned());
    waits_then_undecided(
        by_logs(complete(), vec![ready("a"), with_log(failed)]),
        "the pods are ready, but reading the log of pod new: 500 at the deadline",
    );
    waits_then_undecided(by_logs(complete(), vec![with_log(LogRead::No)]), "was not read");
    waits_then_undecided(by_logs(complete(), vec![]), "no new pod is listed");
}

#[test]
fn pods_are_read_only_if_the_judgement_depends_on_them() {
    assert!(depends_on_pods(ProveMode::Logs, &progress(), false));
    assert!(!depends_on_pods(ProveMode::Rollout, &progress(), false));
    assert!(!depends_on_pods(ProveMode::Rollout, &complete(), false));
    assert!(depends_on_pods(ProveMode::Rollout, &progress(), true));
}
