//! Rollouts that something other than the credential decides.

use super::*;

#[test]
fn a_blocked_rollout_ends_early_with_the_reason_and_a_command() {
    let by = |why: &str| Progress {
        rollout: Rollout::Waiting("0 of 2 pods are new".to_owned()),
        pods: 2,
        updated: 0,
        blocked: Some(why.to_owned()),
        ..progress()
    };
    let quota = "pods \"gw-x\" is forbidden: exceeded quota: small, requested: pods=1";
    waits_then_undecided(by_logs(by(quota), vec![]), quota);
    is_undecided(
        &stuck(by(quota), vec![]),
        "kubectl describe resourcequota small -n shop",
    );
    let security = "pods \"gw-x\" is forbidden: violates PodSecurity \"restricted:latest\"";
    is_undecided(
        &stuck(by(security), vec![]),
        "kubectl get namespace shop --show-labels",
    );
    // An old pod that ends makes room.
    let makes_room = Progress { pods: 1, ..by(quota) };
    assert!(matches!(stuck(makes_room, vec![]), Judgement::Waiting(_)));
    let never = Progress {
        pods: 1,
        ..by(security)
    };
    is_undecided(&stuck(never, vec![]), "violates PodSecurity");
    // The block is to be blamed, not the credential.
    let late = Progress {
        updated: 1,
        ..by(quota)
    };
    waits_then_undecided(by_logs(late, vec![unready()]), quota);
}

#[test]
fn pods_left_by_hand_are_named() {
    let left = Progress {
        rollout: Rollout::LeftByHand(1),
        ..complete()
    };
    let [first, _] = by_logs(left.clone(), vec![ready("gw-1"), old("gw-0")]);
    is_undecided(
        &first,
        "1 pod of deployment.apps/gw keeps the previous token until it is deleted: kubectl -n shop delete pod gw-0",
    );
    let younger = PodFacts {
        is_stale: Some(false),
        ..old("gw-0")
    };
    let [first, _] = by_logs(left.clone(), vec![ready("gw-1"), younger]);
    is_proved(
        first,
        "1 new pod is ready, and no log shows that Azure refused the token",
    );
    let [first, _] = by_status(left);
    is_undecided(&first, "the API server did not list them");
}

#[test]
fn pods_left_by_hand_are_named_although_they_are_not_ready() {
    let left = Progress {
        rollout: Rollout::Waiting("1 of 2 pods are ready".to_owned()),
        by_hand: 1,
        ..complete()
    };
    let broken = PodFacts {
        health: PodHealth::Unready,
        ..old("gw-0")
    };
    let [first, _] = by_logs(left.clone(), vec![ready("gw-1"), broken.clone()]);
    is_undecided(&first, "kubectl -n shop delete pod gw-0");
    let [first, _] = by_logs(left, vec![unready(), broken]);
    assert!(matches!(first, Judgement::Waiting(_)), "{first:?}");
}

#[test]
fn pods_below_a_partition_need_its_removal_if_the_template_has_changed() {
    let left = Progress {
        rollout: Rollout::LeftByHand(1),
        ..complete()
    };
    let pods = || Pods::Listed(vec![ready("gw-1"), old("gw-0")]);
    for pods in [pods(), Pods::Forbidden] {
        let [first, _] = both(left.clone(), pods, |seen| {
            (seen.of_template, seen.partition) = (true, 2);
        });
        is_undecided(
            &first,
            "1 pod of deployment.apps/gw keeps the previous token until it is replaced, which the partition 2 prevents: \
             kubectl -n shop patch deployment/gw -p '{\"spec\":{\"updateStrategy\":{\"rollingUpdate\":{\"partition\":0}}}}'",
        );
    }
    // A pod that starts again has the new token.
    let [first, _] = both(left, pods(), |seen| seen.partition = 2);
    is_undecided(&first, "kubectl -n shop delete pod gw-0");
}

#[test]
fn of_a_template_that_was_put_back_no_pod_is_to_be_deleted() {
    let removed = Progress {
        mark: Mark::Removed,
        ..complete()
    };
    let pods = Pods::Listed(vec![old("gw-0")]);
    let [_, last] = both(removed, pods, |seen| seen.of_template = true);
    let changed = "something else changed deployment.apps/gw during the rollout";
    assert_eq!(last, Judgement::Undecided(changed.to_owned()));
}

#[test]
fn pods_of_another_controller_count_if_the_workload_has_none() {
    let zero = || Progress {
        wanted: 0,
        pods: 0,
        updated: 0,
        ready: 0,
        new_ready: Some(false),
        ..complete()
    };
    let none = "no pod to prove: the workload is scaled to 0";
    let [first, _] = by_logs(zero(), vec![]);
    is_proved(first, none);
    let [first, _] = by_status(zero());
    is_proved(first, none);
    let leaving = PodFacts {
        stays: false,
        ..old("a")
    };
    let [first, _] = by_logs(zero(), vec![leaving]);
    is_proved(first, none);

    let of_rollout = |name: &str| PodFacts {
        argo_rollout: Some("web".to_owned()),
        ..old(name)
    };
    let restart = "2 pods of deployment.apps/gw keep the previous token until they are restarted: kubectl argo rollouts \
                   restart web -n shop";
    let stale = vec![of_rollout("a"), of_rollout("b")];
    waits_then_undecided(by_logs(zero(), stale.clone()), restart);
    is_undecided(&stuck(zero(), stale), restart);
    is_undecided(&stuck(zero(), vec![old("a")]), "kubectl -n shop delete pod a");

    let fresh = PodFacts {
        is_marked: false,
        ..ready("a")
    };
    let [first, _] = by_logs(zero(), vec![fresh.clone()]);
    is_proved(
        first,
        "1 new pod is ready, and no log shows that Azure refused the token",
    );
    let starting = PodFacts {
        health: PodHealth::Unready,
        ..fresh
    };
    waits_then_undecided(by_logs(zero(), vec![starting]), "pod a is not ready");
}

#[test]
fn a_template_without_the_mark_is_judged_by_the_age_of_its_pods() {
    let removed = || Progress {
        mark: Mark::Removed,
        controller: Some("Gateway edge".to_owned()),
        ..complete()
    };
    let fresh = |name: &str| PodFacts {
        is_marked: false,
        ..ready(name)
    };
    let [first, _] = by_logs(removed(), vec![fresh("a"), fresh("b")]);
    is_proved(
        first,
        "2 new pods are ready, and no log shows that Azure refused the token; Gateway edge removed the restart's \
         annotation from its template",
    );
    let refusing = PodFacts {
        log: LogRead::Refusal("ConfigInitialSyncFailed".to_owned()),
        ..fresh("a")
    };
    let [first, _] = by_logs(removed(), vec![refusing]);
    is_refused(&first, "pod a logs ConfigInitialSyncFailed", Some("a"));
    let changed = "something else changed deployment.apps/gw during the rollout; Gateway edge controls it; 1 pod of \
                   deployment.apps/gw keeps the previous token until it is deleted: kubectl -n shop delete pod b";
    let mixed = vec![fresh("a"), old("b")];
    waits_then_undecided(by_logs(removed(), mixed.clone()), changed);
    is_undecided(&stuck(removed(), mixed), changed);
    let [first, _] = both(removed(), Pods::Forbidden, |_| ());
    is_undecided(&first, "something else changed deployment.apps/gw");
    let replaced = Progress {
        mark: Mark::Replaced,
        ..complete()
    };
    let [first, _] = by_logs(replaced, vec![ready("a")]);
    is_undecided(
        &first,
        "something else changed deployment.apps/gw during the rollout",
    );
}
