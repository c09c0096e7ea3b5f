//! A credential that somebody else has made, and put into the Secret.

use super::*;
use crate::model::directory::Fingerprint;
use crate::model::entra::facts::Unrecorded;

const ID: Uuid = Uuid::from_u128(21);

fn written() -> Timestamp {
    "2026-12-31T00:00:00Z".parse().unwrap()
}

/// An app with this credential, of which the Secret holds one with a fingerprint.
fn handed_over(mode: Mode, held: &str, of_app: &[&str]) -> EntraFacts {
    let all = of_app.iter().zip(21..).map(|(text, id)| AppCredential {
        key_id: Uuid::from_u128(id),
        name: Some("by hand".to_owned()),
        begins: None,
        expires: Some("2027-12-31T00:00:00Z".parse().unwrap()),
        fingerprint: Fingerprint::of_secret(text),
    });
    let all: Vec<AppCredential> = all.collect();
    let mut facts = with_app(|app| {
        let AppKind::Application(app) = &mut app.kind else {
            unreachable!()
        };
        match mode {
            Mode::AppSecret => app.secrets.clone_from(&all),
            _ => app.certificates.clone_from(&all),
        }
    });
    let unrecorded = Unrecorded {
        kind: mode,
        fingerprint: Fingerprint::of_secret(held).unwrap(),
        written: written(),
    };
    facts.cluster.secret = Ok(Some(StoredFacts {
        keys: mode.keys().iter().map(|key| (*key).to_owned()).collect(),
        unrecorded: vec![unrecorded],
        ..StoredFacts::default()
    }));
    facts
}

fn existing(mode: Mode) -> SetupRequest {
    SetupRequest {
        app: AppRequest::Existing(APP),
        ..in_mode(mode)
    }
}

#[test]
fn a_credential_of_the_app_is_adopted_and_then_stays() {
    for mode in [Mode::AppSecret, Mode::AppCertificate] {
        // Who may not change the app can do it too.
        let mut facts = handed_over(mode, "abc8Q~", &["abc", "xyz"]);
        facts.rights.change_app = Ok(false);
        let first = plan(&facts, &existing(mode));
        let credential = step(&first, Part::Credential);
        assert_eq!(credential.mark, StepMark::Unknown, "{credential:?}");
        assert!(
            matches!(&credential.action, Some(Action::AdoptCredential { found, .. }) if found.credential == ID)
        );
        assert_eq!(step(&first, Part::Secret).mark, StepMark::Ok);
        assert_eq!(planned_exit_code(&first.steps), 0);

        let mut done = after(facts, &first);
        done.cluster.workload.as_mut().unwrap().signs_in = Ok(SignsIn::By(mode));
        assert!(plan(&done, &existing(mode)).is_complete());
    }
}

#[test]
fn what_is_not_certainly_of_the_app_is_not_touched() {
    type Change = fn(&mut EntraFacts);
    let expired: Change = |facts| {
        let AppKind::Application(app) = &mut app_of(facts).kind else {
            unreachable!()
        };
        app.secrets[0].expires = Some(now());
    };
    let unchanged: Change = |_| {};
    for (of_app, change) in [
        (&["xyz"][..], unchanged),
        (&["abc", "abc"], unchanged),
        (&[], unchanged),
        (&["abc"], expired),
    ] {
        let mut facts = handed_over(Mode::AppSecret, "abc8Q~", of_app);
        change(&mut facts);
        let plan = plan(&facts, &existing(Mode::AppSecret));
        let secret = step(&plan, Part::Secret);
        assert_eq!(secret.mark, StepMark::Missing, "{of_app:?}: {secret:?}");
        assert!(secret.text.contains("was not written here"), "{}", secret.text);
        assert!(step(&plan, Part::Credential).to_apply().is_none());
    }
}

#[test]
fn a_secret_that_may_not_be_annotated_is_used_and_tried_by_each_run() {
    type Change = fn(&mut EntraFacts);
    let request = existing(Mode::AppSecret);
    let cases: [(Change, &str); 2] = [
        (
            |facts| stored_of(facts).owner = Some("Flux".to_owned()),
            "belongs to Flux",
        ),
        (
            |facts| facts.rights.write_secret = Ok(false),
            "you may not write Secrets",
        ),
    ];
    for (change, why) in cases {
        let mut facts = handed_over(Mode::AppSecret, "abc8Q~", &["abc"]);
        change(&mut facts);
        let first = plan(&facts, &request);
        let credential = step(&first, Part::Credential);
        assert!(
            credential.by_sign_in && credential.action.is_none(),
            "{credential:?}"
        );
        assert!(credential.text.contains(why), "{credential:?}");
        assert_eq!(credential.ids.get("credentialId"), Some(&ID.to_string()));
        assert_eq!(step(&first, Part::Secret).mark, StepMark::Ok);
        assert!(step(&first, Part::Workload).to_apply().is_some());
        assert_eq!(planned_exit_code(&first.steps), 0, "{:?}", first.steps);
        let hint = first.hint_of_sign_in();
        assert!(hint.contains("put into secret/gw-entra"), "{hint}");

        let mut done = after(facts, &first);
        let workload = workload_of(&mut done);
        workload.signs_in = Ok(SignsIn::By(Mode::AppSecret));
        // Both were made in the same second.
        workload.created = Some(written());
        stored_of(&mut done).created = Some(written());
        let again = plan(&done, &request);
        assert!(again.is_settled() && again.asks_sign_in(), "{:?}", again.steps);
        // What keeps the Secret writes another one.
        stored_of(&mut done).unrecorded[0].written = now();
        assert!(matches!(
            step(&plan(&done, &request), Part::Workload).action,
            Some(Action::RestartWorkload { .. })
        ));
    }
}

fn stored_of(facts: &mut EntraFacts) -> &mut StoredFacts {
    facts.cluster.secret.as_mut().unwrap().as_mut().unwrap()
}

/// Pods that were started before have what the Secret held then.
#[test]
fn older_pods_are_restarted_in_the_same_run() {
    let facts = handed_over(Mode::AppSecret, "abc8Q~", &["abc"]);
    let mut done = after(facts.clone(), &plan(&facts, &existing(Mode::AppSecret)));
    done.cluster.secret = facts.cluster.secret;
    let workload = done.cluster.workload.as_mut().unwrap();
    workload.signs_in = Ok(SignsIn::By(Mode::AppSecret));
    workload.created = Some("2026-12-01T00:00:00Z".parse().unwrap());
    let restarts = |facts: &EntraFacts| {
        let plan = plan(facts, &existing(Mode::AppSecret));
        matches!(
            step(&plan, Part::Workload).action,
            Some(Action::RestartWorkload { .. })
        )
    };
    assert!(restarts(&done));
    workload_of(&mut done).created = Some(now());
    assert!(!restarts(&done));
}

#[test]
fn the_credential_of_another_gateway_stays_in_its_secret() {
    let mut done = after(facts(), &plan(&facts(), &in_mode(Mode::AppSecret)));
    done.cluster.workload.as_mut().unwrap().signs_in = Ok(SignsIn::By(Mode::AppSecret));
    let secret = done.cluster.secret.as_mut().unwrap().as_mut().unwrap();
    secret.gateway = Some(gateway().service.gateway("other"));
    // Both gateways can use it, but only one may replace it.
    assert!(plan(&done, &in_mode(Mode::AppSecret)).is_complete());
    let AppKind::Application(app) = &mut app_of(&mut done).kind else {
        unreachable!()
    };
    app.secrets.clear();
    let found = plan(&done, &in_mode(Mode::AppSecret));
    let secret = step(&found, Part::Secret);
    assert_eq!(secret.mark, StepMark::Missing);
    assert!(secret.text.contains("the gateway other"), "{}", secret.text);
}

#[test]
fn an_app_that_is_not_known_is_not_called_another_one() {
    let unknown = || Err(Unavailable::Unknown("500".to_owned()));
    let mut stored = after(facts(), &plan(&facts(), &in_mode(Mode::AppSecret)));
    stored.app = unknown();
    let found = plan(&stored, &in_mode(Mode::AppSecret));
    assert_eq!(step(&found, Part::Secret).mark, StepMark::Missing);
    let mut federated = after(facts(), &plan(&facts(), &in_mode(Mode::WorkloadIdentity)));
    federated.app = unknown();
    let found = plan(&federated, &in_mode(Mode::WorkloadIdentity));
    let account = step(&found, Part::ServiceAccount);
    assert_eq!((account.mark, account.stops), (StepMark::Missing, None));
    assert!(account.text.contains("is not known: 500"), "{}", account.text);
}
