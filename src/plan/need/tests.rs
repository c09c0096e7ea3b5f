use proptest::prelude::*;

use super::super::fixture::{DAY, NOW, now, policy, restarted, rotated, snapshot};
use super::*;
use crate::model::{
    Credential, KeySlot, RotationIds, TemplateBefore, TemplateMarks, TokenError, WorkloadKind,
};
use crate::plan::FollowUp;

/// The restart that a run was interrupted before.
fn owed() -> Snapshot {
    let mut owed = restarted();
    owed.workloads[0].marks.template.rotation_ids = RotationIds::default();
    owed
}

#[test]
fn an_unconditional_run_mints() {
    assert_eq!(need(&snapshot(), &policy(), now()), Need::Mint);
    assert_eq!(need(&rotated(), &policy(), now()), Need::Mint);
}

#[test]
fn expiring_within_goes_by_the_expiry_in_the_token() {
    let mut policy = policy();
    policy.if_expiring_within = Some(DAY * 15);
    let mut snapshot = snapshot();
    let mut at = |left: SignedDuration| {
        if let Credential::Token { claims, .. } = &mut snapshot.secret.credential {
            claims.expires_at = now() + left;
        }
        need(&snapshot, &policy, now())
    };
    assert_eq!(at(DAY * 15), Need::Mint);
    assert_eq!(at(-DAY), Need::Mint);
    let Need::Nothing(reason) = at(DAY * 16) else {
        panic!()
    };
    assert_eq!(reason, "the token expires in 16 days, not within 15 days");
}

#[test]
fn an_unreadable_credential_is_always_due() {
    let mut policy = policy();
    policy.if_expiring_within = Some(DAY);
    let mut snapshot = snapshot();
    snapshot.secret.credential = Credential::Unusable(TokenError::NotAToken);
    assert_eq!(need(&snapshot, &policy, now()), Need::Mint);
}

#[test]
fn age_counts_only_while_our_annotations_describe_the_token() {
    let mut policy = policy();
    policy.if_older_than = Some(DAY);
    assert!(matches!(need(&rotated(), &policy, now()), Need::Nothing(_)));
    let mut by_hand = rotated();
    if let Credential::Token { claims, .. } = &mut by_hand.secret.credential {
        claims.expires_at = now() + DAY * 3;
    }
    assert_eq!(need(&by_hand, &policy, now()), Need::Mint);
}

#[test]
fn a_token_that_was_written_in_the_future_is_due() {
    let mut policy = policy();
    policy.if_older_than = Some(DAY);
    let mut ahead = restarted();
    ahead.workloads[0].marks.proved = ahead.workloads[0].marks.template.rotation_ids.clone();
    for (written, is_due) in [
        (now() + SignedDuration::from_mins(5), false),
        (now() + DAY, true),
        (Timestamp::MAX, true),
    ] {
        ahead.secret.marks.rotated_at = Some(written);
        let need = need(&ahead, &policy, now());
        assert_eq!(need == Need::Mint, is_due, "{written}: {need:?}");
    }
}

#[test]
fn an_owed_restart_is_completed_even_when_not_due() {
    let mut policy = policy();
    policy.if_expiring_within = Some(DAY);
    let mut owed = owed();
    owed.workloads[0].marks.template.rotation_ids = "another".into();
    let Need::Completion(unfinished) = need(&owed, &policy, now()) else {
        panic!()
    };
    assert_eq!(unfinished.restarts.len(), 1);
    assert_eq!(unfinished.rolling, []);
}

#[test]
fn no_restart_is_owed_if_the_pods_are_fresh() {
    let mut fresh = owed();
    fresh.workloads[0].stale_pods = Some(false);
    assert_eq!(need(&fresh, &policy(), now() + DAY), Need::Mint);
    // Soon after the write only their proof is owed.
    let Need::Completion(unfinished) = need(&fresh, &policy(), now()) else {
        panic!()
    };
    assert_eq!((unfinished.restarts.len(), unfinished.rolling.len()), (0, 1));
}

#[test]
fn without_pods_only_the_annotations_are_owed() {
    let mut owed = owed();
    owed.workloads[0].stale_pods = Some(false);
    owed.workloads[0].wanted = 0;
    let Need::Completion(unfinished) = need(&owed, &policy(), now()) else {
        panic!()
    };
    assert_eq!(unfinished.restarts.len(), 1);
}

#[test]
fn a_running_rollout_is_completed_by_waiting() {
    let mut running = restarted();
    running.workloads[0].rollout = Rollout::Waiting("1 of 2".to_owned());
    for given_up in [RotationIds::default(), "r1".into()] {
        running.workloads[0].marks.given_up = given_up;
        let Need::Completion(unfinished) = need(&running, &policy(), now()) else {
            panic!()
        };
        assert_eq!((unfinished.restarts.len(), unfinished.rolling.len()), (0, 1));
    }
}

#[test]
fn a_rollout_that_ended_without_its_proof_is_proved_unless_nobody_waits() {
    let mut ended = restarted();
    assert!(matches!(need(&ended, &policy(), now()), Need::Completion(_)));
    ended.workloads[0].marks.given_up = "other,r1".into();
    assert_eq!(need(&ended, &policy(), now()), Need::Mint);
}

#[test]
fn a_pod_that_is_unready_later_is_nobodys_unfinished_rotation() {
    let mut conditional = policy();
    conditional.if_expiring_within = Some(DAY * 10);
    let mut unready = restarted();
    unready.workloads[0].rollout = Rollout::Waiting("1 of 2 pods are ready".to_owned());
    for (proved, later, is_unfinished) in [
        (None, SignedDuration::ZERO, true),
        (None, SOON, true),
        (None, SOON + SignedDuration::from_secs(1), false),
        (None, DAY * 14, false),
        (Some("other,r1"), SignedDuration::ZERO, false),
    ] {
        unready.workloads[0].marks.proved = proved.map(str::to_owned).into();
        let given = format!("{proved:?} {later}");
        for (policy, otherwise) in [(policy(), "Mint"), (conditional.clone(), "Nothing")] {
            let need = format!("{:?}", need(&unready, &policy, now() + later));
            let expected = if is_unfinished { "Completion" } else { otherwise };
            assert!(need.starts_with(expected), "{given}: {need}");
        }
    }
}

#[test]
fn an_owed_restart_never_grows_too_old() {
    let mut owed = owed();
    for stale in [Some(true), None] {
        owed.workloads[0].stale_pods = stale;
        let need = need(&owed, &policy(), now() + DAY * 10);
        assert!(matches!(need, Need::Completion(_)), "{need:?}");
    }
}

#[test]
fn a_workload_of_two_secrets_owes_nothing_for_either() {
    let mut both = rotated();
    both.workloads[0].marks.template.rotation_ids = "other,r1".into();
    both.workloads[0].marks.proved = RotationIds::default();
    both.workloads[0].marks.given_up = "r1,other".into();
    assert_eq!(need(&both, &policy(), now()), Need::Mint);
}

#[test]
fn no_restart_restarts_nothing() {
    let mut policy = policy();
    policy.follow_up = FollowUp::Nothing;
    assert_eq!(need(&owed(), &policy, now()), Need::Mint);
    policy.if_expiring_within = Some(DAY);
    let Need::Nothing(reason) = need(&owed(), &policy, now()) else {
        panic!()
    };
    assert!(
        reason.ends_with("; the restart of deployment.apps/gw is still owed"),
        "{reason}"
    );
}

#[test]
fn an_expiry_that_azure_cannot_grant_is_due() {
    let mut policy = policy();
    policy.if_expiring_within = Some(DAY * 15);
    let mut forged = rotated();
    let at = "2999-01-01T00:00:00Z".parse().unwrap();
    if let Credential::Token { claims, .. } = &mut forged.secret.credential {
        claims.expires_at = at;
    }
    forged.secret.marks.expires_at = Some(at);
    assert_eq!(need(&forged, &policy, now()), Need::Mint);
    forged.workloads[0].marks = owed().workloads[0].marks.clone();
    assert_eq!(need(&forged, &policy, now()), Need::Mint);
}

#[test]
fn the_rest_of_putting_back_comes_first() {
    let mut conditional = policy();
    conditional.if_expiring_within = Some(DAY);
    let put_back = |workload: &str| PutBack {
        refused: "r2".to_owned(),
        restarted_at: now().to_string(),
        replaced: "r1".into(),
        workloads: vec![TemplateBefore {
            kind: WorkloadKind::Deployment,
            name: workload.to_owned(),
            marks: TemplateMarks::default(),
        }],
    };
    let mut owed = rotated();
    owed.secret.marks.put_back = Some(put_back("gw"));
    for policy in [policy(), conditional.clone()] {
        assert_eq!(need(&owed, &policy, now()), Need::PutBack(put_back("gw")));
    }
    conditional.follow_up = FollowUp::Nothing;
    let Need::Nothing(reason) = need(&owed, &conditional, now()) else {
        panic!()
    };
    assert!(reason.contains("still to be restored"), "{reason}");
    owed.secret.marks.put_back = Some(put_back("another"));
    assert_eq!(need(&owed, &policy(), now()), Need::Mint);
    owed.secret.marks.put_back = Some(put_back("gw"));
    owed.secret.marks.rotation_id = Some("r2".to_owned());
    assert!(!matches!(need(&owed, &policy(), now()), Need::PutBack(_)));
}

#[test]
fn pods_that_stay_stale_are_owed_until_none_is() {
    let mut left = restarted();
    left.workloads[0].rollout = Rollout::LeftByHand(1);
    left.workloads[0].stale_pods = Some(true);
    let week = now() + DAY * 7;
    assert!(matches!(need(&left, &policy(), week), Need::Completion(_)));
    // They belong to another controller, and the workload wants none.
    left.workloads[0].rollout = Rollout::Complete;
    left.workloads[0].wanted = 0;
    assert!(matches!(need(&left, &policy(), week), Need::Completion(_)));
    for stale in [Some(false), None] {
        left.workloads[0].stale_pods = stale;
        left.workloads[0].rollout = Rollout::LeftByHand(1);
        assert_eq!(need(&left, &policy(), week), Need::Mint);
    }
}

#[test]
fn an_unfinished_rotation_of_the_wrong_slot_is_superseded() {
    let owed = owed();
    let ask = |change: &dyn Fn(&mut Policy)| {
        let mut policy = policy();
        change(&mut policy);
        need(&owed, &policy, now())
    };
    assert!(matches!(ask(&|_| ()), Need::Completion(_)));
    assert!(matches!(
        ask(&|policy| policy.key = KeyChoice::Primary),
        Need::Completion(_)
    ));
    assert_eq!(ask(&|policy| policy.key = KeyChoice::Secondary), Need::Mint);
    assert_eq!(ask(&|policy| policy.force = true), Need::Mint);
}

#[test]
fn an_unfinished_switch_of_the_slot_is_not_switched_back() {
    let mut owed = owed();
    owed.secret.marks.previous_key = Some(KeySlot::Secondary);
    let mut policy = policy();
    policy.key = KeyChoice::Rotate;
    assert!(matches!(need(&owed, &policy, now()), Need::Completion(_)));
}

#[test]
fn an_expired_unfinished_rotation_is_not_completed() {
    let owed = owed();
    assert_eq!(need(&owed, &policy(), now() + DAY * 31), Need::Mint);
}

#[test]
fn a_restart_left_to_something_else_is_not_owed() {
    let mut left = owed();
    left.secret.marks.restart_by_other = true;
    assert_eq!(need(&left, &policy(), now()), Need::Mint);
}

proptest! {
    #[test]
    fn a_token_that_was_just_rotated_is_not_due(hours in 1_i64..700, older in 0_i64..700) {
        let mut policy = policy();
        policy.if_expiring_within = Some(SignedDuration::from_hours(hours.min(719)));
        policy.if_older_than = Some(SignedDuration::from_hours(older));
        let just_rotated = rotated();
        let at = Timestamp::from_second(NOW).unwrap();
        prop_assert!(matches!(need(&just_rotated, &policy, at), Need::Nothing(_)));
    }
}
