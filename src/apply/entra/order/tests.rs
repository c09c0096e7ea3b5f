//! The order of the effects, in a world that can end the run before or after each.

mod identity;
mod renewal;
mod unread;
mod world;

use super::*;
use crate::apply::Refusal;
use crate::error::Error;
use crate::model::entra::{Mode, SetupRequest};
use crate::plan::entra::fixture;
use crate::plan::entra::{StepMark, exit_code};
use world::{When, World, dead};

const NOW: &str = "2027-01-01T00:00:00Z";

fn in_mode(mode: Mode) -> SetupRequest {
    SetupRequest {
        mode: Some(mode),
        ..fixture::request()
    }
}

fn code(plan: &SetupPlan, outcome: &SetupOutcome) -> u8 {
    exit_code(&plan.steps, &outcome.outcomes, &outcome.proof)
}

fn outcome_of<'a>(plan: &SetupPlan, outcome: &'a SetupOutcome, part: Part) -> &'a StepOutcome {
    let at = plan.steps.iter().position(|step| step.part == part).unwrap();
    &outcome.outcomes[at]
}

/// Whether the id of what was there or was made is known.
fn has_id(plan: &SetupPlan, outcome: &SetupOutcome, id: &str) -> bool {
    let made = |outcome: &StepOutcome| matches!(outcome, StepOutcome::Done(ids) if ids.contains_key(id));
    plan.steps.iter().any(|step| step.ids.contains_key(id)) || outcome.outcomes.iter().any(made)
}

#[tokio::test]
async fn every_mode_is_set_up_proved_and_then_complete() {
    for mode in Mode::ALL {
        let mut world = World::new();
        let (plan, outcome) = world.run(&in_mode(mode), true).await;
        assert_eq!(
            (code(&plan, &outcome), &outcome.proof),
            (0, &SetupProof::Proved),
            "{mode:?}"
        );
        for id in ["clientId", "servicePrincipalId", "gatewayId"] {
            assert!(has_id(&plan, &outcome, id), "{mode:?} {id}");
        }
        let (effects, made) = (
            world.effects,
            (world.credentials, world.assignments, world.replaced),
        );
        let (plan, outcome) = world.run(&in_mode(mode), true).await;
        assert!(plan.is_complete(), "{mode:?} {:?}", plan.steps);
        assert_eq!(
            (code(&plan, &outcome), &outcome.proof),
            (0, &SetupProof::NotNeeded)
        );
        assert_eq!(made, (world.credentials, world.assignments, world.replaced));
        assert_eq!(world.effects, effects + 1, "{mode:?}: only Azure is asked");
    }
}

/// Azure accepts the credential, and the configuration endpoint answers nothing that counts.
#[tokio::test]
async fn where_no_pod_decides_a_configuration_that_nobody_has_read_is_owed_or_said() {
    let request = in_mode(Mode::AppSecret);
    let mut world = World::new();
    world.run(&request, true).await;
    world.arrived = Arrived::PodsDecide("it answered 503".to_owned());
    let (plan, outcome) = world.run(&request, true).await;
    assert!(plan.is_complete());
    let unseen = SetupProof::Unseen("it answered 503".to_owned());
    assert_eq!((code(&plan, &outcome), outcome.proof), (0, unseen));

    let principal = fixture::PRINCIPAL;
    let assignments = world.facts.reader.assignments.as_mut().unwrap();
    assignments.retain(|it| it.principal != principal);
    let (plan, outcome) = world.run(&request, true).await;
    assert_eq!(world.replaced, 1);
    assert_eq!(code(&plan, &outcome), 3);
    let SetupProof::Owed(why) = outcome.proof else {
        panic!("{:?}", outcome.proof)
    };
    assert!(why.ends_with("since: it answered 503"), "{why}");
}

#[tokio::test]
async fn a_kill_at_any_effect_and_one_rerun_end_as_an_uninterrupted_run() {
    for mode in Mode::ALL {
        let request = in_mode(mode);
        let mut calm = World::new();
        calm.run(&request, true).await;
        for dies_at in 1..=calm.effects {
            for when in [When::Before, When::After] {
                let given = format!("{mode:?} died {when:?} effect {dies_at}");
                let mut world = World {
                    dies: Some((dies_at, when)),
                    ..World::new()
                };
                world.run(&request, true).await;
                (world.dies, world.dead) = (None, false);
                let (plan, outcome) = world.run(&request, true).await;
                assert_eq!(code(&plan, &outcome), 0, "{given}: {outcome:?}");
                let (plan, _) = world.run(&request, true).await;
                assert!(plan.is_complete(), "{given}: {:?}", plan.steps);
                assert_eq!(
                    (world.apps, world.assignments),
                    (calm.apps, calm.assignments),
                    "{given}"
                );
                assert_eq!(world.secrets(), calm.secrets(), "{given}");
                assert!(world.credentials <= calm.credentials + 1, "{given}");
                assert_eq!(world.replaced, 1, "{given}");
                assert_eq!(
                    calm.facts.cluster.workload.as_ref().unwrap().template,
                    world.facts.cluster.workload.unwrap().template,
                    "{given}"
                );
            }
        }
    }
}

#[tokio::test]
async fn pods_are_replaced_only_once_azure_is_ready() {
    for (arrived, code_, proof) in [
        (
            Arrived::NotYet("slow".to_owned()),
            3,
            SetupProof::Owed("slow".to_owned()),
        ),
        (
            Arrived::Refused("no".to_owned()),
            5,
            SetupProof::Refused("no; the workload was not changed".to_owned()),
        ),
        (
            Arrived::Forbidden {
                why: "no".to_owned(),
                hint: "ask".to_owned(),
            },
            4,
            SetupProof::Forbidden {
                why: "no; the workload was not changed".to_owned(),
                hint: "ask".to_owned(),
            },
        ),
        (Arrived::PodsDecide("unseen".to_owned()), 0, SetupProof::Proved),
    ] {
        let mut world = World {
            arrived,
            ..World::new()
        };
        let (plan, outcome) = world.run(&in_mode(Mode::AppSecret), true).await;
        assert_eq!((code(&plan, &outcome), &outcome.proof), (code_, &proof));
        assert_eq!(world.replaced == 1, proof == SetupProof::Proved);
        // The same command goes on, and makes nothing a second time.
        world.arrived = Arrived::Yes("served".to_owned());
        let (plan, outcome) = world.run(&in_mode(Mode::AppSecret), true).await;
        assert_eq!(
            (code(&plan, &outcome), world.replaced, world.credentials),
            (0, 1, 1)
        );
    }
}

#[tokio::test]
async fn a_workload_whose_pods_are_refused_is_put_back() {
    let mut world = World::new();
    world.proof = Proof::Refused(Refusal {
        evidence: "pod gw-1 logs ConfigurationApiV2NotAvailable".to_owned(),
        pod: Some("gw-1".to_owned()),
    });
    world.kept = vec!["gateway.name".to_owned()];
    let (plan, outcome) = world.run(&in_mode(Mode::AppSecret), true).await;
    assert_eq!(code(&plan, &outcome), 5);
    let SetupProof::Refused(text) = &outcome.proof else {
        panic!("{:?}", outcome.proof)
    };
    let words = "the workload is as it was before, except what something else has changed: gateway.name";
    assert!(text.contains(words), "{text}");
    let workload = world.facts.cluster.workload.as_ref().unwrap();
    assert_eq!(
        workload.template,
        fixture::facts().cluster.workload.unwrap().template
    );
    assert_eq!((world.apps, world.secrets()), (1, 1), "Azure's half stays");
    assert!(matches!(
        outcome_of(&plan, &outcome, Part::Workload),
        StepOutcome::Failed(_)
    ));
}

#[tokio::test]
async fn what_an_earlier_run_has_changed_is_put_back_by_a_command() {
    let mut world = World::new();
    world.proof = Proof::Undecided("slow".to_owned());
    world.run(&in_mode(Mode::AppSecret), true).await;
    world.proof = Proof::Refused(Refusal {
        evidence: "pod gw-1 logs ConfigurationApiV2NotAvailable".to_owned(),
        pod: Some("gw-1".to_owned()),
    });
    let (plan, outcome) = world.run(&in_mode(Mode::AppSecret), true).await;
    assert_eq!(code(&plan, &outcome), 5);
    let SetupProof::Refused(text) = &outcome.proof else {
        panic!("{:?}", outcome.proof)
    };
    let words = "which was not put back; put it back: kubectl -n shop rollout undo deployment/gw";
    assert!(text.contains(words), "{text}");
}

#[tokio::test]
async fn a_forbidden_step_ends_only_those_that_need_it() {
    let mut world = World::new();
    world.refuses = |action| match action {
        Action::CreateRole { role, .. } if *role == crate::model::AzureRole::ConfigReader => {
            Some(Failure::Forbidden(Error::failed("no right")))
        }
        _ => None,
    };
    let (plan, outcome) = world.run(&in_mode(Mode::AppSecret), true).await;
    let of = |part| outcome_of(&plan, &outcome, part).clone();
    assert_eq!(code(&plan, &outcome), 4);
    assert_eq!(
        of(Part::ReaderRole),
        StepOutcome::Forbidden("no right".to_owned())
    );
    for part in [Part::ReaderAssignment, Part::Workload] {
        assert_eq!(of(part), StepOutcome::NotReached, "{part:?}");
    }
    for part in [
        Part::ValidatorAssignment,
        Part::App,
        Part::Credential,
        Part::Secret,
    ] {
        assert!(matches!(of(part), StepOutcome::Done(_)), "{part:?}");
    }
}

/// Something else has written what the plan was made of.
#[tokio::test]
async fn a_plan_that_is_no_longer_true_is_not_begun() {
    let request = in_mode(Mode::AppSecret);
    let mut world = World::new();
    world.disturbs = |action| {
        let changed = || Failure::Changed(Error::failed("it has changed"));
        matches!(action, Action::WriteSecret { .. }).then(changed)
    };
    let (plan, outcome) = world.run(&request, true).await;
    assert_eq!((code(&plan, &outcome), world.effects), (3, 0), "{outcome:?}");
    assert!(matches!(outcome.proof, SetupProof::Owed(_)), "{outcome:?}");
    let secret = outcome_of(&plan, &outcome, Part::Secret);
    assert_eq!(secret, &StepOutcome::Failed("it has changed".to_owned()));
    world.disturbs = |_| None;
    let (plan, outcome) = world.run(&request, true).await;
    assert_eq!(code(&plan, &outcome), 0);
}

#[tokio::test]
async fn what_an_interrupted_run_left_goes_only_after_the_secret_holds_another() {
    let request = in_mode(Mode::AppSecret);
    let mut world = World::new();
    world.refuses = |action| matches!(action, Action::WriteSecret { .. }).then(|| Failure::Unknown(dead()));
    let (plan, outcome) = world.run(&request, true).await;
    assert_eq!((code(&plan, &outcome), world.secrets()), (7, 1));
    let (plan, outcome) = world.run(&request, true).await;
    assert_eq!(
        (code(&plan, &outcome), world.secrets()),
        (7, 2),
        "the first one stays until then"
    );
    world.refuses = |_| None;
    let (plan, outcome) = world.run(&request, true).await;
    assert_eq!((code(&plan, &outcome), world.secrets()), (0, 1));
}

#[tokio::test]
async fn without_waiting_the_pods_are_replaced_and_azure_is_asked_all_the_same() {
    let mut world = World::new();
    let (plan, outcome) = world.run(&in_mode(Mode::WorkloadIdentity), false).await;
    assert_eq!(
        (code(&plan, &outcome), &outcome.proof),
        (0, &SetupProof::NotNeeded)
    );
    assert_eq!(world.replaced, 1);
    let mut world = World {
        arrived: Arrived::NotYet("slow".to_owned()),
        ..World::new()
    };
    let (plan, outcome) = world.run(&in_mode(Mode::WorkloadIdentity), false).await;
    assert_eq!((code(&plan, &outcome), world.replaced), (3, 0));
}

#[tokio::test]
async fn a_new_credential_restarts_pods_whose_template_is_complete() {
    let request = in_mode(Mode::AppSecret);
    let mut world = World::new();
    world.run(&request, true).await;
    world.facts.cluster.secret = Ok(None);
    let (plan, outcome) = world.run(&request, true).await;
    let restart = plan
        .steps
        .iter()
        .find(|step| step.part == Part::Workload)
        .unwrap();
    assert_eq!(restart.mark, StepMark::Change);
    assert!(matches!(restart.action, Some(Action::RestartWorkload { .. })));
    // The one of the pods that run is removed once they are replaced.
    assert_eq!(
        (code(&plan, &outcome), world.secrets(), world.replaced),
        (0, 1, 2)
    );
    let (plan, outcome) = world.run(&request, true).await;
    assert_eq!(
        (code(&plan, &outcome), world.secrets(), world.replaced),
        (0, 1, 2)
    );
    let held = world.id();
    let marks = world.facts.cluster.workload.unwrap().marks;
    assert!(marks.rotation_ids.contains(&held), "{marks:?}");
}

/// Although nothing else was left to write.
#[tokio::test]
async fn what_needs_a_new_plan_or_more_time_is_owed() {
    let request = in_mode(Mode::AppSecret);
    for (refuses, text) in [
        (
            (|action| {
                action
                    .replaces_pods()
                    .then(|| Failure::Changed(Error::failed("it has changed")))
            }) as fn(&Action) -> Option<Failure>,
            "a new plan",
        ),
        (
            |action| {
                let slow = || Failure::OutOfTime(Error::failed("slow").hint("look at it"));
                action.replaces_pods().then(slow)
            },
            "slow; look at it",
        ),
    ] {
        let mut world = World::new();
        world.run(&request, true).await;
        let workload = world.facts.cluster.workload.as_mut().unwrap();
        workload.template.settings.clear();
        world.refuses = refuses;
        let (plan, outcome) = world.run(&request, true).await;
        assert_eq!(code(&plan, &outcome), 3, "{outcome:?}");
        let SetupProof::Owed(owed) = &outcome.proof else {
            panic!("{outcome:?}");
        };
        assert!(owed.contains(text), "{owed}");
    }
}

/// No pod is replaced, so only Azure shows whether the gateway is let in, in each run.
#[tokio::test]
async fn a_workload_that_lacked_an_assignment_only_ends_alike_in_each_run() {
    let request = in_mode(Mode::AppSecret);
    let mut world = World::new();
    world.run(&request, true).await;
    world.facts.reader.assignments = Ok(Vec::new());
    let secrets = world.secrets();
    let (owed, refused) = (
        Arrived::NotYet("slow".to_owned()),
        Arrived::Refused("no".to_owned()),
    );
    for (arrived, expected) in [(&owed, 3), (&owed, 3), (&refused, 5), (&refused, 5)] {
        world.arrived = arrived.clone();
        let (plan, outcome) = world.run(&request, true).await;
        assert_eq!(code(&plan, &outcome), expected, "{outcome:?}");
        if let SetupProof::Refused(why) = &outcome.proof {
            assert_eq!(why, "no; the workload was not changed");
        }
    }
    world.arrived = Arrived::Yes("served".to_owned());
    let (plan, outcome) = world.run(&request, true).await;
    assert!(plan.is_complete(), "{:?}", plan.steps);
    assert_eq!(code(&plan, &outcome), 0);
    assert_eq!(
        (world.secrets(), world.replaced, world.assignments),
        (secrets, 1, 3)
    );
}
