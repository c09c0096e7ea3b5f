//! A client secret or a certificate that expires.

use jiff::SignedDuration;

use super::*;
use crate::model::RotationIds;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A gateway that was set up, whose credential expires after this time.
fn expires_in(mode: Mode, left: SignedDuration) -> EntraFacts {
    let mut done = after(facts(), &plan(&facts(), &in_mode(mode)));
    let held = newest_credential(&mut done).unwrap();
    let workload = done.cluster.workload.as_mut().unwrap();
    workload.signs_in = Ok(SignsIn::By(mode));
    workload.marks.rotation_ids = RotationIds::from(held.to_string().as_str());
    let AppKind::Application(app) = &mut app_of(&mut done).kind else {
        unreachable!()
    };
    for credential in app.secrets.iter_mut().chain(&mut app.certificates) {
        credential.expires = Some(now() + left);
    }
    done
}

fn removed(plan: &SetupPlan, part: Part) -> Vec<Uuid> {
    let found = plan.steps.iter().find(|step| step.part == part);
    match found.and_then(|step| step.action.clone()) {
        Some(
            Action::AddSecret { remove, .. }
            | Action::AddCertificate { remove, .. }
            | Action::RemoveCredentials { remove },
        ) => remove,
        _ => Vec::new(),
    }
}

#[test]
fn what_is_due_is_renewed_and_removed_after_the_proof() {
    for mode in [Mode::AppSecret, Mode::AppCertificate] {
        let request = in_mode(mode);
        assert!(plan(&expires_in(mode, DAY * 61), &request).is_complete());
        for left in [DAY * 60, DAY, -DAY] {
            let mut facts = expires_in(mode, left);
            let old = newest_credential(&mut facts).unwrap();
            let renewal = plan(&facts, &request);
            assert_eq!(step(&renewal, Part::Credential).mark, StepMark::Create);
            assert!(removed(&renewal, Part::Credential).is_empty(), "the pods have it");
            assert_eq!(removed(&renewal, Part::PreviousCredential), [old]);
            assert!(matches!(
                step(&renewal, Part::Workload).action,
                Some(Action::RestartWorkload { .. })
            ));
            assert_eq!(renewal.steps.last().unwrap().part, Part::PreviousCredential);
            assert!(
                plan(&after(facts, &renewal), &request).is_complete(),
                "{mode:?} {left:?}"
            );
        }
    }
}

#[test]
fn a_renewal_without_proof_is_completed_by_the_next_run() {
    let request = in_mode(Mode::AppSecret);
    let mut facts = expires_in(Mode::AppSecret, DAY);
    let old = newest_credential(&mut facts).unwrap();
    let mut begun = plan(&facts, &request);
    begun.steps.retain(|step| step.part != Part::PreviousCredential);
    let mut unproved = after(facts, &begun);
    let new = newest_credential(&mut unproved).unwrap();
    let workload = workload_of(&mut unproved);
    workload.marks.rotation_ids = RotationIds::from(new.to_string().as_str());
    workload.unproved = Some(new.to_string());
    let rest = plan(&unproved, &request);
    assert_eq!(step(&rest, Part::Proof).mark, StepMark::Unknown);
    assert_eq!(step(&rest, Part::Credential).mark, StepMark::Ok);
    assert_eq!(removed(&rest, Part::PreviousCredential), [old]);
}

/// No id on the pods shows what they have.
#[test]
fn what_older_pods_may_have_is_removed_after_their_restart() {
    let request = in_mode(Mode::AppSecret);
    let mut facts = expires_in(Mode::AppSecret, DAY);
    let old = newest_credential(&mut facts).unwrap();
    let mut begun = plan(&facts, &request);
    begun
        .steps
        .retain(|step| matches!(step.part, Part::Credential | Part::Secret));
    facts = after(facts, &begun);
    let workload = workload_of(&mut facts);
    workload.marks.rotation_ids = RotationIds::default();
    workload.created = Some(now() - DAY);
    let rest = plan(&facts, &request);
    assert!(removed(&rest, Part::Credential).is_empty());
    assert_eq!(removed(&rest, Part::PreviousCredential), [old]);
}

#[test]
fn what_other_pods_may_use_is_not_renewed_in_place() {
    let cases: [fn(&mut EntraFacts); 2] = [
        |facts| facts.cluster.workload = None,
        |facts| workload_of(facts).owner = Some("Helm".to_owned()),
    ];
    for change in cases {
        let mut facts = expires_in(Mode::AppSecret, DAY * 10);
        change(&mut facts);
        let request = SetupRequest {
            secret: Some("gw-entra".to_owned()),
            ..in_mode(Mode::AppSecret)
        };
        let plan = plan(&facts, &request);
        let credential = step(&plan, Part::Credential);
        assert_eq!(credential.mark, StepMark::Ok, "{credential:?}");
        assert!(credential.notes[0].contains("--secret NAME"), "{credential:?}");
        assert!(plan.is_settled());
    }
}

#[test]
fn a_new_credential_is_not_due() {
    for days in [1, 3, 7, 21, 180, 720] {
        let request = SetupRequest {
            secret_lifetime: DAY * days,
            ..in_mode(Mode::AppSecret)
        };
        let facts = expires_in(Mode::AppSecret, DAY / 2);
        let renewed = after(facts.clone(), &plan(&facts, &request));
        let again = plan(&renewed, &request);
        assert!(again.is_complete(), "{days}: {:?}", again.steps);
    }
}
