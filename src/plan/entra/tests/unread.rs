//! An app that is named by its client id, for a caller who may not read apps.

use super::*;
use crate::model::directory::Fingerprint;
use crate::model::entra::facts::{ServiceAccountFacts, Unrecorded};
use crate::model::entra::{CLIENT_ID_ANNOTATION, Id};

const PARTS: [Part; 4] = [
    Part::App,
    Part::ServicePrincipal,
    Part::ReaderAssignment,
    Part::Credential,
];

/// Azure as an administrator has set it up, before anything is done in the cluster.
fn set_up_by_others(mode: Mode) -> EntraFacts {
    let mut done = after(facts(), &plan(&facts(), &in_mode(mode)));
    done.cluster = facts().cluster;
    done.given = Some(APP);
    done.app = Err(Unavailable::Forbidden("403".to_owned()));
    done
}

fn existing(mode: Mode) -> SetupRequest {
    SetupRequest {
        app: AppRequest::Existing(APP),
        ..in_mode(mode)
    }
}

fn holds(facts: &mut EntraFacts, mode: Mode, change: impl FnOnce(&mut StoredFacts)) {
    let mut secret = StoredFacts {
        keys: mode.keys().iter().map(|key| (*key).to_owned()).collect(),
        ..StoredFacts::default()
    };
    change(&mut secret);
    facts.cluster.secret = Ok(Some(secret));
}

fn put_there(mode: Mode) -> Vec<Unrecorded> {
    vec![Unrecorded {
        kind: mode,
        fingerprint: Fingerprint::of_secret("abc").unwrap(),
        written: "2026-12-31T00:00:00Z".parse().unwrap(),
    }]
}

#[test]
fn what_cannot_be_read_is_tried_by_the_sign_in_and_the_cluster_is_set_up() {
    let mode = Mode::WorkloadIdentity;
    let facts = set_up_by_others(mode);
    let first = plan(&facts, &existing(mode));
    for part in PARTS {
        let found = step(&first, part);
        assert_eq!(
            (found.mark, found.to_apply()),
            (StepMark::Unknown, None),
            "{found:?}"
        );
    }
    assert_eq!(planned_exit_code(&first.steps), 0, "{:?}", first.steps);
    let Some(Action::WriteServiceAccount { annotations, .. }) = step(&first, Part::ServiceAccount).to_apply()
    else {
        panic!("{:?}", first.steps);
    };
    assert_eq!(
        annotations.get(CLIENT_ID_ANNOTATION),
        Some(&SettingValue::Id(Id::Known(APP)))
    );
    assert!(step(&first, Part::Workload).to_apply().is_some());
    assert_eq!(
        step(&first, Part::App).ids.get("clientId"),
        Some(&APP.to_string())
    );

    let mut done = after(facts, &first);
    done.cluster.workload.as_mut().unwrap().signs_in = Ok(SignsIn::By(mode));
    let second = plan(&done, &existing(mode));
    assert!(second.is_settled() && second.asks_sign_in(), "{:?}", second.steps);
}

#[test]
fn a_service_account_that_names_the_given_client_id_is_right() {
    let mode = Mode::WorkloadIdentity;
    let mut facts = set_up_by_others(mode);
    let mut names = |id: Uuid| {
        facts.cluster.service_account = Ok(Some(ServiceAccountFacts {
            annotations: [(CLIENT_ID_ANNOTATION.to_owned(), id.to_string())].into(),
            ..ServiceAccountFacts::default()
        }));
        step(&plan(&facts, &existing(mode)), Part::ServiceAccount).clone()
    };
    assert_eq!(names(APP).mark, StepMark::Ok);
    assert_eq!(names(Uuid::from_u128(99)).stops, Some(Kind::Refused));
}

#[test]
fn a_credential_in_the_secret_is_used_and_never_written() {
    for mode in [Mode::AppSecret, Mode::AppCertificate] {
        let recorded = |secret: &mut StoredFacts| {
            (secret.credential, secret.client_id) = (Some(Uuid::from_u128(21)), Some(APP));
            secret.expires = "2027-12-31T00:00:00Z".parse().ok();
        };
        let unrecorded = |secret: &mut StoredFacts| secret.unrecorded = put_there(mode);
        for change in [&recorded as &dyn Fn(&mut StoredFacts), &unrecorded] {
            let mut facts = set_up_by_others(mode);
            holds(&mut facts, mode, change);
            let found = plan(&facts, &existing(mode));
            let credential = step(&found, Part::Credential);
            assert!(
                credential.by_sign_in && credential.action.is_none(),
                "{credential:?}"
            );
            assert_eq!(step(&found, Part::Secret).mark, StepMark::Ok);
            assert!(step(&found, Part::Workload).to_apply().is_some());
            assert_eq!(planned_exit_code(&found.steps), 0);
        }
    }
}

#[test]
fn a_credential_that_is_missing_or_due_is_left_to_others() {
    let mode = Mode::AppSecret;
    let mut due = set_up_by_others(mode);
    holds(&mut due, mode, |secret| {
        (secret.credential, secret.client_id) = (Some(Uuid::from_u128(21)), Some(APP));
        secret.expires = "2027-01-02T00:00:00Z".parse().ok();
    });
    let mut of_another = set_up_by_others(mode);
    holds(&mut of_another, mode, |secret| {
        secret.client_id = Some(Uuid::from_u128(99));
    });
    for (facts, is_left) in [(set_up_by_others(mode), true), (due, true), (of_another, false)] {
        let found = plan(&facts, &existing(mode));
        let credential = step(&found, Part::Credential);
        assert_eq!(credential.mark, StepMark::Missing, "{credential:?}");
        assert!(!is_left || credential.left_to_others().is_some());
        assert!(step(&found, Part::Workload).to_apply().is_none());
        assert_eq!(planned_exit_code(&found.steps), 4);
    }
}

/// Pods that were started before have what the Secret held then.
#[test]
fn pods_that_are_older_than_what_others_put_there_are_restarted() {
    let mode = Mode::AppSecret;
    let mut facts = set_up_by_others(mode);
    holds(&mut facts, mode, |secret| secret.unrecorded = put_there(mode));
    let secret = facts.cluster.secret.clone();
    let mut done = after(facts.clone(), &plan(&facts, &existing(mode)));
    done.cluster.secret = secret;
    let workload = done.cluster.workload.as_mut().unwrap();
    workload.signs_in = Ok(SignsIn::By(mode));
    workload.created = "2026-12-01T00:00:00Z".parse().ok();
    let found = plan(&done, &existing(mode));
    let action = &step(&found, Part::Workload).action;
    assert!(
        matches!(action, Some(Action::RestartWorkload { .. })),
        "{action:?}"
    );
    done.cluster.workload.as_mut().unwrap().marks.restarted_at = Some("2026-12-31T00:00:10Z".to_owned());
    assert!(plan(&done, &existing(mode)).is_settled());
}

#[test]
fn a_role_that_nobody_has_is_missing() {
    let mut facts = set_up_by_others(Mode::WorkloadIdentity);
    facts.reader.assignments = Ok(Vec::new());
    let found = plan(&facts, &existing(Mode::WorkloadIdentity));
    let reader = step(&found, Part::ReaderAssignment);
    assert!(reader.left_to_others().is_some(), "{reader:?}");
    facts.reader.assignments = Err(Unavailable::Forbidden("403".to_owned()));
    let found = plan(&facts, &existing(Mode::WorkloadIdentity));
    assert!(step(&found, Part::ReaderAssignment).by_sign_in);
}

/// Such as those of a managed identity, which Graph shows and Azure does not.
#[test]
fn a_part_that_may_not_be_read_is_not_made_again() {
    let forbidden = || Unavailable::Forbidden("403".to_owned());
    let mode = Mode::WorkloadIdentity;
    let mut facts = set_up_by_others(mode);
    let mut app = application();
    app.federated = Err(forbidden());
    facts.app = Ok(Some(app));
    facts.reader.assignments = Err(forbidden());
    facts.rights.assign_at_instance = Ok(false);
    let found = plan(&facts, &existing(mode));
    for part in [Part::Credential, Part::ReaderAssignment] {
        let found = step(&found, part);
        assert!(found.by_sign_in && found.to_apply().is_none(), "{found:?}");
    }
    assert_eq!(planned_exit_code(&found.steps), 0);
}
