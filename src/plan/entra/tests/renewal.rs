//! A client secret or a certificate that expires.

use jiff::SignedDuration;

use super::*;
use crate::model::RotationIds;
use crate::model::directory::AppCredential;
use crate::model::entra::facts::RunningPod;

pub(super) const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A gateway that was set up, whose credential expires after this time.
pub(super) fn expires_in(mode: Mode, left: SignedDuration) -> EntraFacts {
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

/// What is there after a run that carried out only these parts of its plan.
fn begun(facts: EntraFacts, request: &SetupRequest, is_done: impl Fn(Part) -> bool) -> EntraFacts {
    let mut plan = plan(&facts, request);
    plan.steps.retain(|step| is_done(step.part));
    after(facts, &plan)
}

#[test]
fn a_renewal_without_proof_is_completed_by_the_next_run() {
    let request = in_mode(Mode::AppSecret);
    let mut facts = expires_in(Mode::AppSecret, DAY);
    let old = newest_credential(&mut facts).unwrap();
    let mut unproved = begun(facts, &request, |part| part != Part::PreviousCredential);
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
    facts = begun(facts, &request, |part| {
        matches!(part, Part::Credential | Part::Secret)
    });
    let workload = workload_of(&mut facts);
    workload.marks.rotation_ids = RotationIds::default();
    workload.created = Some(now() - DAY);
    let rest = plan(&facts, &request);
    assert!(removed(&rest, Part::Credential).is_empty());
    assert_eq!(removed(&rest, Part::PreviousCredential), [old]);
}

/// The times are those of two runs, which know the server's clock to the second.
#[test]
fn a_restart_just_before_the_renewal_does_not_hide_that_one_is_owed() {
    let request = in_mode(Mode::AppSecret);
    let mut facts = expires_in(Mode::AppSecret, DAY);
    let old = newest_credential(&mut facts).unwrap();
    facts = begun(facts, &request, |part| {
        matches!(part, Part::Credential | Part::Secret)
    });
    workload_of(&mut facts).created = Some(now() - DAY);
    for (restarted, is_owed) in [("2027-01-01T00:00:00Z", true), ("2027-01-01T00:01:00Z", false)] {
        workload_of(&mut facts).marks.restarted_at = Some(restarted.to_owned());
        let rest = plan(&facts, &request);
        let removed = removed(&rest, Part::PreviousCredential);
        assert_eq!(
            removed,
            if is_owed { vec![old] } else { Vec::new() },
            "{restarted}"
        );
    }
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

fn pod(ids: &str, secret: &str, created: &str) -> RunningPod {
    RunningPod {
        name: "pod/other-1".to_owned(),
        is_own: false,
        rotation_ids: RotationIds::from(ids),
        secrets: vec![secret.to_owned()],
        created: created.parse().ok(),
        ..RunningPod::default()
    }
}

#[test]
fn what_a_pod_of_something_else_has_is_not_removed_and_that_is_shown() {
    let request = in_mode(Mode::AppSecret);
    let mut facts = expires_in(Mode::AppSecret, DAY);
    let old = newest_credential(&mut facts).unwrap();
    // It was started with another credential of the app.
    let elsewhere = Uuid::from_u128(7).to_string();
    let AppKind::Application(app) = &mut app_of(&mut facts).kind else {
        unreachable!()
    };
    app.secrets.push(AppCredential {
        key_id: Uuid::from_u128(7),
        name: Some("of something else".to_owned()),
        ..app.secrets[0].clone()
    });
    let read_again = |pod: RunningPod| RunningPod {
        reads_again: true,
        ..pod
    };
    let (before, later) = ("2026-12-31T00:00:00Z", "2027-01-01T00:00:11Z");
    for (pods, stays) in [
        (Ok(vec![pod(&format!("{old},setup-1"), "other", later)]), true),
        (Ok(vec![pod("", "gw-entra", before)]), true),
        (Ok(vec![pod("", "gw-entra", later)]), true),
        (Ok(vec![pod("setup-1", "gw-entra", later)]), true),
        (Ok(vec![pod(&elsewhere, "gw-entra", before)]), false),
        (Ok(vec![read_again(pod(&elsewhere, "gw-entra", before))]), true),
        (Ok(vec![read_again(pod(&elsewhere, "other", before))]), false),
        (Ok(vec![pod("", "other", before)]), false),
        (Ok(Vec::new()), false),
        (Err(Unavailable::Forbidden("403".to_owned())), true),
    ] {
        facts.cluster.pods = pods.clone();
        let renewal = plan(&facts, &request);
        let removed = removed(&renewal, Part::PreviousCredential);
        assert_eq!(removed.is_empty(), stays, "{pods:?}");
        let notes = &step(&renewal, Part::Credential).notes;
        let named = notes.iter().any(|note| note.contains(&format!("{old} stays")));
        assert_eq!(named, stays, "{pods:?}: {notes:?}");
        // Nothing else of the renewal depends on it.
        assert!(matches!(
            step(&renewal, Part::Workload).action,
            Some(Action::RestartWorkload { .. })
        ));
    }
}

#[test]
fn what_no_pod_has_any_more_is_removed_by_a_step_of_its_own() {
    let request = in_mode(Mode::AppSecret);
    let mut facts = expires_in(Mode::AppSecret, DAY);
    let old = newest_credential(&mut facts).unwrap();
    let mut done = begun(facts, &request, |part| part != Part::PreviousCredential);
    let new = newest_credential(&mut done).unwrap();
    workload_of(&mut done).marks.rotation_ids = RotationIds::from(new.to_string().as_str());
    let (before, later) = ("2026-12-31T00:00:00Z", "2027-01-01T00:00:11Z");
    for (pod, stays) in [
        (pod(&new.to_string(), "gw-entra", before), false),
        (pod("", "gw-entra", later), false),
        (pod("", "gw-entra", before), true),
        (pod(&old.to_string(), "gw-entra", before), true),
    ] {
        done.cluster.pods = Ok(vec![pod.clone()]);
        let plan = plan(&done, &request);
        let credential = step(&plan, Part::Credential);
        assert_eq!(credential.mark, StepMark::Ok, "{pod:?}");
        assert_eq!(
            credential.notes.len(),
            usize::from(stays),
            "{pod:?}: {credential:?}"
        );
        let removed = removed(&plan, Part::UnusedCredential);
        assert_eq!(removed, if stays { Vec::new() } else { vec![old] }, "{pod:?}");
    }
    done.cluster.pods = Ok(Vec::new());
    done.rights.change_app = Ok(false);
    let found = plan(&done, &request);
    assert!(found.is_settled() && planned_exit_code(&found.steps) == 0);
    assert!(step(&found, Part::Credential).notes[0].contains("you may not remove it"));
}

/// Another run adds a credential before it writes that into the Secret.
#[test]
fn a_new_credential_is_not_removed_by_a_run_that_writes_no_secret() {
    let request = in_mode(Mode::AppSecret);
    for (begins, stays) in [
        (Some("2026-12-31T23:31:00Z"), true),
        (Some("2026-12-31T23:29:00Z"), false),
        (None, false),
    ] {
        let mut facts = expires_in(Mode::AppSecret, DAY * 100);
        let AppKind::Application(app) = &mut app_of(&mut facts).kind else {
            unreachable!()
        };
        app.secrets.push(AppCredential {
            key_id: Uuid::from_u128(7),
            begins: begins.and_then(|at| at.parse().ok()),
            ..app.secrets[0].clone()
        });
        let found = plan(&facts, &request);
        let unused = removed(&found, Part::UnusedCredential);
        assert_eq!(unused.is_empty(), stays, "{begins:?}: {:?}", found.steps);
        let notes = &step(&found, Part::Credential).notes;
        assert_eq!(
            notes
                .iter()
                .any(|it| it.contains("2027-01-01T00:01:00Z removes it")),
            stays,
            "{notes:?}"
        );
        // A run that renews the Secret sees whether another one does.
        facts.cluster.pods = Ok(Vec::new());
        let AppKind::Application(app) = &mut app_of(&mut facts).kind else {
            unreachable!()
        };
        app.secrets[0].expires = "2027-01-02T00:00:00Z".parse().ok();
        let renewal = plan(&facts, &request);
        let previous = removed(&renewal, Part::PreviousCredential);
        assert!(previous.contains(&Uuid::from_u128(7)), "{:?}", renewal.steps);
    }
}

#[test]
fn a_renewal_whose_pods_were_not_replaced_removes_what_they_have_after_the_proof() {
    let request = in_mode(Mode::AppSecret);
    let mut facts = expires_in(Mode::AppSecret, DAY);
    let old = newest_credential(&mut facts).unwrap();
    facts = begun(facts, &request, |part| {
        matches!(part, Part::Credential | Part::Secret)
    });
    workload_of(&mut facts).created = Some(now() - DAY);
    let rest = plan(&facts, &request);
    assert!(matches!(
        step(&rest, Part::Workload).action,
        Some(Action::RestartWorkload { .. })
    ));
    assert_eq!(removed(&rest, Part::PreviousCredential), [old]);
}
