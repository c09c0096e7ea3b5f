use serde_json::{Value, json};

use super::*;

fn object(kind: ObjectKind, fields: &Value) -> Object {
    let mut document = json!({"metadata": {"name": "a", "uid": "u", "resourceVersion": "7"}});
    for (field, value) in fields.as_object().into_iter().flatten() {
        document[field] = value.clone();
    }
    Object::new(kind, document)
}

fn plain(kind: ObjectKind) -> Object {
    object(kind, &json!({}))
}

fn actions(plan: &ObjectPlan) -> Vec<Action> {
    plan.changes.iter().map(|change| change.action).collect()
}

#[test]
fn a_wanted_object_is_created_updated_or_takes_the_place_of_the_articles() {
    let role = || plain(ObjectKind::Role);
    let account = || plain(ObjectKind::ServiceAccount);
    let wanted = vec![
        (role(), Live::Absent),
        (role(), Live::Absent),
        (role(), Live::Present(role(), Ownership::Ours)),
        (role(), Live::Present(role(), Ownership::Legacy)),
        (account(), Live::Present(account(), Ownership::Legacy)),
    ];
    let plan = object_changes(wanted, Vec::new(), &[]).unwrap();
    assert_eq!(
        actions(&plan),
        [
            Action::Create,
            Action::Create,
            Action::Update,
            Action::Replace,
            Action::Update
        ]
    );
    let taken_over: Vec<String> = plan.taken_over().map(Object::reference).collect();
    assert_eq!(
        taken_over,
        ["role.rbac.authorization.k8s.io/a", "serviceaccount/a"]
    );
}

#[test]
fn an_object_of_somebody_else_is_in_the_way() {
    let secret = plain(ObjectKind::Secret);
    let wanted = vec![(secret.clone(), Live::Present(secret.clone(), Ownership::Other))];
    assert_eq!(*object_changes(wanted, Vec::new(), &[]).unwrap_err(), secret);
}

#[test]
fn what_is_ours_and_no_longer_wanted_goes() {
    let surplus = vec![Surplus::Present(
        plain(ObjectKind::NetworkPolicy),
        Ownership::Ours,
    )];
    let plan = object_changes(Vec::new(), surplus, &[]).unwrap();
    assert_eq!(actions(&plan), [Action::Delete]);
    assert!(plan.kept.is_empty() && plan.changes_kind(ObjectKind::NetworkPolicy));
}

#[test]
fn what_the_wanted_objects_refer_to_stays() {
    for place in [
        json!({"volumes": [{"secret": {"secretName": "a"}}]}),
        json!({"volumes": [{"projected": {"sources": [{"secret": {"name": "a"}}]}}]}),
        json!({"containers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "a", "key": "k"}}}]}]}),
        json!({"containers": [{"envFrom": [{"secretRef": {"name": "a"}}]}]}),
        json!({"imagePullSecrets": [{"name": "b"}, {"name": "a"}]}),
        json!({"resources": ["secrets"], "resourceNames": ["b", "a"]}),
    ] {
        let user = object(ObjectKind::CronJob, &json!({"spec": place}));
        let surplus = Surplus::Present(plain(ObjectKind::Secret), Ownership::Ours);
        let plan = object_changes(vec![(user, Live::Absent)], vec![surplus], &[]).unwrap();
        assert_eq!(actions(&plan), [Action::Create], "{place}");
        let by = "cronjob.batch/a".to_owned();
        assert_eq!(plan.kept[0].why, Reason::ReferredTo { by }, "{place}");
    }
}

#[test]
fn what_is_of_others_or_unknown_stays_and_is_named() {
    let why = "not allowed".to_owned();
    let surplus = vec![
        Surplus::Present(plain(ObjectKind::Secret), Ownership::Other),
        Surplus::Unreadable {
            reference: "secret/b".to_owned(),
            why: why.clone(),
        },
    ];
    let plan = object_changes(Vec::new(), surplus, &[]).unwrap();
    assert!(!plan.any_change());
    let kept: Vec<(&str, &Reason)> = plan
        .kept
        .iter()
        .map(|kept| (kept.reference.as_str(), &kept.why))
        .collect();
    assert_eq!(
        kept,
        [
            ("secret/a", &Reason::NotOurs),
            ("secret/b", &Reason::Unreadable(why))
        ]
    );
}

#[test]
fn a_rehearsal_that_changes_nothing_leaves_nothing_to_do() {
    let live = object(ObjectKind::CronJob, &json!({"spec": 1, "status": {"active": []}}));
    let mut answer = live.clone();
    answer["metadata"]["generation"] = 2.into();
    answer["metadata"]["resourceVersion"] = "8".into();
    answer["status"] = Value::Null;
    let plan = |answer: Object| {
        let wanted = vec![(live.clone(), Live::Present(live.clone(), Ownership::Ours))];
        let mut plan = object_changes(wanted, Vec::new(), &[]).unwrap();
        plan.changes[0].rehearsed(answer);
        plan
    };
    assert!(!plan(answer.clone()).any_change());
    answer["spec"] = 2.into();
    let changed = plan(answer.clone());
    assert_eq!(actions(&changed), [Action::Update]);
    assert_eq!(changed.present(ObjectKind::CronJob), Some(&answer));
}

#[test]
fn what_an_earlier_attempt_wrote_is_shown_with_the_last() {
    let role = plain(ObjectKind::Role);
    let wanted = vec![(role.clone(), Live::Present(role.clone(), Ownership::Ours))];
    let mut plan = object_changes(wanted, Vec::new(), &[]).unwrap();
    plan.changes[0].rehearsed(role.clone());
    plan.include_earlier(&[(role.reference(), Action::Create)]);
    assert_eq!(actions(&plan), [Action::Create]);
}

#[test]
fn an_account_that_something_else_uses_stays_with_its_rights() {
    let surplus = || {
        let ours = |kind| Surplus::Present(plain(kind), Ownership::Ours);
        vec![
            ours(ObjectKind::CronJob),
            ours(ObjectKind::RoleBinding),
            ours(ObjectKind::Role),
            ours(ObjectKind::ServiceAccount),
            ours(ObjectKind::Secret),
        ]
    };
    let used = |kind, name: &str| Use {
        of: (kind, name.to_owned()),
        by: "deployment.apps/theirs".to_owned(),
    };
    for (of, kept) in [
        (
            used(ObjectKind::ServiceAccount, "a"),
            &[
                "rolebinding.rbac.authorization.k8s.io/a",
                "role.rbac.authorization.k8s.io/a",
                "serviceaccount/a",
            ][..],
        ),
        (used(ObjectKind::Role, "a"), &["role.rbac.authorization.k8s.io/a"]),
        (used(ObjectKind::Secret, "a"), &["secret/a"]),
        (used(ObjectKind::Secret, "b"), &[]),
    ] {
        let plan = object_changes(Vec::new(), surplus(), std::slice::from_ref(&of)).unwrap();
        let names: Vec<&str> = plan.kept.iter().map(|kept| kept.reference.as_str()).collect();
        assert_eq!(names, kept);
        let what = of.of.0.reference(&of.of.1);
        let by = vec![of.by.clone()];
        assert!(plan.kept.iter().all(|kept| kept.why
            == Reason::UsedBy {
                what: what.clone(),
                by: by.clone()
            }));
        assert_eq!(plan.changes.len(), 5 - kept.len());
    }
}
