//! Pods that still run with what they had before, and whose restart is owed.

use super::*;
use crate::model::entra::facts::ServiceAccountFacts;
use crate::model::entra::{OwnPod, OwnVariables, TENANT_ID_ANNOTATION};
use crate::model::{Replacement, RotationIds, TemplateMarks};

const WRITTEN: &str = "2026-12-31T00:00:00Z";

fn at(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// A gateway that was set up in a mode by others, so that no mark is on its pods.
fn set_up(mode: Mode) -> EntraFacts {
    let mut done = after(facts(), &plan(&facts(), &in_mode(mode)));
    let workload = workload_of(&mut done);
    workload.signs_in = Ok(SignsIn::By(mode));
    workload.created = at("2026-12-01T00:00:00Z");
    if mode.is_stored() {
        stored_of(&mut done).written = at(WRITTEN);
    }
    done
}

fn stored_of(facts: &mut EntraFacts) -> &mut StoredFacts {
    facts.cluster.secret.as_mut().unwrap().as_mut().unwrap()
}

fn account_of(facts: &mut EntraFacts) -> &mut ServiceAccountFacts {
    facts.cluster.service_account.as_mut().unwrap().as_mut().unwrap()
}

/// A pod that was started once everything was there.
fn new_pod() -> OwnPod {
    OwnPod {
        marks: TemplateMarks::default(),
        created: at("2026-12-31T01:00:00Z"),
        asks_for: Some("gw".to_owned()),
        client_id: Some(APP.to_string()),
        tenant: Some(TENANT.to_string()),
    }
}

/// A pod that was started before.
fn old_pod() -> OwnPod {
    OwnPod {
        created: at("2026-12-30T00:00:00Z"),
        client_id: None,
        ..new_pod()
    }
}

fn restarts(facts: &EntraFacts, mode: Mode) -> bool {
    let plan = plan(facts, &in_mode(mode));
    let action = step(&plan, Part::Workload).to_apply();
    let restarts = matches!(action, Some(Action::RestartWorkload { .. }));
    assert!(restarts || plan.is_complete(), "{:?}", plan.steps);
    restarts
}

#[test]
fn pods_without_the_identity_are_restarted() {
    let mode = Mode::WorkloadIdentity;
    let other = |change: fn(&mut OwnPod)| {
        let mut pod = new_pod();
        change(&mut pod);
        pod
    };
    let restarted = TemplateMarks {
        restarted_at: Some(WRITTEN.to_owned()),
        ..TemplateMarks::default()
    };
    for (pod, is_owed) in [
        (new_pod(), false),
        (other(|pod| pod.client_id = None), true),
        (
            other(|pod| pod.client_id = Some(Uuid::from_u128(99).to_string())),
            true,
        ),
        (
            other(|pod| pod.tenant = Some(Uuid::from_u128(99).to_string())),
            true,
        ),
        (
            other(|pod| pod.client_id = Some(APP.to_string().to_uppercase())),
            false,
        ),
        // Those of an earlier template are being replaced.
        (
            OwnPod {
                marks: restarted,
                ..old_pod()
            },
            false,
        ),
        (other(|pod| (pod.asks_for, pod.client_id) = (None, None)), false),
        (
            other(|pod| (pod.asks_for, pod.client_id) = (Some("x".to_owned()), None)),
            false,
        ),
    ] {
        let mut facts = set_up(mode);
        facts.cluster.own_pods = Ok(vec![new_pod(), pod.clone()]);
        assert_eq!(restarts(&facts, mode), is_owed, "{pod:?}");
    }
    // What the container sets itself is not of the webhook.
    let mut own = set_up(mode);
    let variables = [(OwnVariables::CLIENT_ID, Some(APP.to_string()))];
    workload_of(&mut own).own_variables = OwnVariables::new(variables.into());
    own.cluster.own_pods = Ok(vec![old_pod()]);
    assert!(!restarts(&own, mode));
}

#[test]
fn where_pods_cannot_be_seen_the_time_of_our_annotation_decides() {
    let mode = Mode::WorkloadIdentity;
    for (restarted, is_owed) in [
        (None, true),
        // kubectl's clock may be ahead.
        (Some("2026-12-31T00:00:09Z"), true),
        (Some("2026-12-31T00:00:10Z"), false),
    ] {
        let mut facts = set_up(mode);
        account_of(&mut facts).written = at(WRITTEN);
        workload_of(&mut facts).marks.restarted_at = restarted.map(str::to_owned);
        assert_eq!(restarts(&facts, mode), is_owed, "{restarted:?}");
        // Somebody else's annotation.
        account_of(&mut facts).written = None;
        assert!(!restarts(&facts, mode));
    }
    let mut younger = set_up(mode);
    account_of(&mut younger).written = at(WRITTEN);
    workload_of(&mut younger).created = at("2026-12-31T00:00:01Z");
    assert!(!restarts(&younger, mode));
}

#[test]
fn pods_that_are_older_than_the_secret_are_restarted() {
    for mode in [Mode::AppSecret, Mode::AppCertificate] {
        let mut marked = set_up(mode);
        let id = newest_credential(&mut marked).unwrap().to_string();
        let with_id = TemplateMarks {
            rotation_ids: RotationIds::from(id.as_str()),
            restarted_at: None,
        };
        let created = |time: &str| OwnPod {
            created: at(time),
            ..old_pod()
        };
        for (pods, is_owed) in [
            (vec![], false),
            (vec![new_pod()], false),
            (vec![new_pod(), old_pod()], true),
            // Of the same second as the change of the Secret.
            (vec![created(WRITTEN)], true),
            (vec![created("2026-12-31T00:00:01Z")], false),
        ] {
            let mut facts = set_up(mode);
            facts.cluster.own_pods = Ok(pods.clone());
            assert_eq!(restarts(&facts, mode), is_owed, "{mode:?} {pods:?}");
        }
        let mut first = set_up(mode);
        first.cluster.own_pods = Ok(vec![created(WRITTEN)]);
        stored_of(&mut first).created = at(WRITTEN);
        assert!(!restarts(&first, mode), "the Secret held nothing before");
        marked.cluster.own_pods = Ok(vec![OwnPod {
            marks: with_id.clone(),
            ..old_pod()
        }]);
        workload_of(&mut marked).marks = with_id;
        assert!(!restarts(&marked, mode));
    }
}

/// The clock of the one who restarted it may be ahead, so the time of a restart shows less than
/// a pod.
#[test]
fn a_restart_that_was_too_early_is_no_evidence() {
    let mode = Mode::AppSecret;
    let mut facts = set_up(mode);
    let marks = TemplateMarks {
        restarted_at: Some("2026-12-31T06:00:00Z".to_owned()),
        ..TemplateMarks::default()
    };
    workload_of(&mut facts).marks = marks.clone();
    facts.cluster.own_pods = Ok(vec![OwnPod { marks, ..old_pod() }]);
    assert!(restarts(&facts, mode));
}

/// Nothing replaces a pod of an `OnDelete` `StatefulSet`, also after a restart by hand.
#[test]
fn pods_that_are_deleted_by_hand_count_whatever_their_template_was() {
    for mode in Mode::ALL {
        for (replacement, is_owed) in [
            (Replacement::Rolling, false),
            (Replacement::ByHand("OnDelete".to_owned()), true),
        ] {
            let mut facts = set_up(mode);
            workload_of(&mut facts).replacement = replacement;
            workload_of(&mut facts).marks.restarted_at = Some("2026-12-31T06:00:00Z".to_owned());
            facts.cluster.own_pods = Ok(vec![old_pod()]);
            assert_eq!(restarts(&facts, mode), is_owed, "{mode:?}");
        }
    }
}

/// Another restart would make old pods of those that somebody has deleted already.
#[test]
fn pods_that_are_deleted_one_by_one_are_replaced_once() {
    for mode in [Mode::AppSecret, Mode::AppCertificate] {
        let mut facts = set_up(mode);
        let id = stored_of(&mut facts).credential.unwrap().to_string();
        let workload = workload_of(&mut facts);
        workload.replacement = Replacement::ByHand("OnDelete".to_owned());
        workload.marks.rotation_ids = RotationIds::from(id.as_str());
        workload.unproved = Some(id);
        facts.cluster.own_pods = Ok(vec![new_pod(), old_pod()]);
        let again = plan(&facts, &in_mode(mode));
        assert_eq!(step(&again, Part::Workload).to_apply(), None, "{mode:?}");
        let proof = step(&again, Part::Proof);
        assert!(matches!(proof.to_apply(), Some(Action::Prove { .. })), "{mode:?}");
        assert!(proof.notes[0].contains("OnDelete"), "{:?}", proof.notes);
    }
}

#[test]
fn what_an_owner_has_to_restart_is_said_until_every_pod_is_new() {
    for mode in Mode::ALL {
        let mut facts = set_up(mode);
        workload_of(&mut facts).owner = Some("Helm release gw".to_owned());
        facts.cluster.own_pods = Ok(vec![new_pod(), old_pod()]);
        let owed = plan(&facts, &in_mode(mode));
        let workload = step(&owed, Part::Workload);
        assert_eq!(workload.mark, StepMark::Missing, "{workload:?}");
        assert!(
            workload
                .text
                .starts_with("restart deployment/gw in namespace shop: its pods")
        );
        assert!(workload.text.ends_with("it belongs to Helm release gw"));
        let command = "kubectl -n shop rollout restart deployment/gw";
        assert!(workload.hints[0].ends_with(command), "{workload:?}");
        assert_eq!(planned_exit_code(&owed.steps), 4);
        assert!(owed.is_settled(), "{:?}", owed.steps);

        // It was restarted, and not every pod is replaced yet.
        workload_of(&mut facts).marks.restarted_at = Some("2026-12-31T01:00:00Z".to_owned());
        let again = plan(&facts, &in_mode(mode));
        assert_eq!(step(&again, Part::Workload), workload);
        workload_of(&mut facts).replacement = Replacement::ByHand("OnDelete".to_owned());
        let by_hand = plan(&facts, &in_mode(mode));
        assert!(step(&by_hand, Part::Workload).notes[0].contains("OnDelete"));

        facts.cluster.own_pods = Ok(vec![new_pod()]);
        assert!(plan(&facts, &in_mode(mode)).is_complete(), "{mode:?}");
    }
}

/// The previous credential waits for the same restart.
#[test]
fn nothing_is_to_be_done_for_ever_where_an_owner_has_to_restart() {
    let mode = Mode::AppSecret;
    let mut facts = set_up(mode);
    workload_of(&mut facts).owner = Some("Helm release gw".to_owned());
    let AppKind::Application(app) = &mut app_of(&mut facts).kind else {
        unreachable!()
    };
    let mut previous = app.secrets[0].clone();
    previous.key_id = Uuid::from_u128(7);
    app.secrets.push(previous);
    for pods in [vec![old_pod()], vec![new_pod()]] {
        facts.cluster.own_pods = Ok(pods);
        let found = plan(&facts, &in_mode(mode));
        let is_previous = |it: &&Step| it.part == Part::PreviousCredential;
        let previous = found.steps.iter().find(is_previous);
        assert!(previous.is_none_or(|it| it.to_apply().is_none()), "{previous:?}");
    }
}

#[test]
fn who_may_not_restart_it_gets_the_command() {
    let mut facts = set_up(Mode::AppSecret);
    facts.rights.change_workload = Ok(false);
    facts.cluster.own_pods = Ok(vec![old_pod()]);
    let plan = plan(&facts, &in_mode(Mode::AppSecret));
    let workload = step(&plan, Part::Workload);
    assert!(
        workload.text.ends_with("you may not change the workload"),
        "{workload:?}"
    );
    assert!(workload.hints[0].contains("rollout restart deployment/gw"));
}

#[test]
fn a_tenant_of_the_service_account_beats_that_of_the_webhook() {
    let mode = Mode::WorkloadIdentity;
    let mut facts = set_up(mode);
    let tenant = |facts: &mut EntraFacts, value: Uuid| {
        let annotations = &mut account_of(facts).annotations;
        annotations.insert(TENANT_ID_ANNOTATION.to_owned(), value.to_string());
    };
    tenant(&mut facts, Uuid::from_u128(99));
    let found = plan(&facts, &in_mode(mode));
    let account = step(&found, Part::ServiceAccount);
    assert!(account.text.ends_with(TENANT_ID_ANNOTATION), "{account:?}");
    tenant(&mut facts, TENANT);
    assert!(plan(&facts, &in_mode(mode)).is_complete());
}
