//! A credential that is due.

use super::world::CREATED;
use super::*;
use crate::model::entra::OwnPod;
use crate::model::entra::facts::{AppKind, RunningPod};
use crate::model::{RotationIds, TemplateMarks};
use crate::plan::entra::fixture::newest_credential;

/// A gateway that was set up, whose client secret expires tomorrow.
async fn due() -> World {
    let mut world = World::new();
    world.run(&in_mode(Mode::AppSecret), true).await;
    let Some(AppKind::Application(app)) = app_of(&mut world) else {
        panic!("an app");
    };
    app.secrets[0].expires = Some("2027-01-02T00:00:00Z".parse().unwrap());
    world.facts.cluster.workload.as_mut().unwrap().created = CREATED.parse().ok();
    for pod in world.facts.cluster.own_pods.as_mut().unwrap() {
        pod.created = CREATED.parse().ok();
    }
    World {
        effects: 0,
        credentials: 0,
        replaced: 0,
        ..world
    }
}

fn app_of(world: &mut World) -> Option<&mut AppKind> {
    let app = world.facts.app.as_mut().unwrap().as_mut()?;
    Some(&mut app.kind)
}

#[tokio::test]
async fn a_kill_at_any_effect_of_a_renewal_and_one_rerun_end_as_an_uninterrupted_run() {
    let request = in_mode(Mode::AppSecret);
    let mut calm = due().await;
    let (plan, outcome) = calm.run(&request, true).await;
    assert_eq!(code(&plan, &outcome), 0);
    assert!(matches!(
        outcome_of(&plan, &outcome, Part::PreviousCredential),
        StepOutcome::Done(_)
    ));
    assert_eq!((calm.secrets(), calm.credentials, calm.replaced), (1, 1, 1));
    for dies_at in 1..=calm.effects {
        for when in [When::Before, When::After] {
            let given = format!("died {when:?} effect {dies_at}");
            let mut world = World {
                dies: Some((dies_at, when)),
                ..due().await
            };
            world.run(&request, true).await;
            assert!(world.pods_can_sign_in(), "{given}");
            (world.dies, world.dead) = (None, false);
            let (plan, outcome) = world.run(&request, true).await;
            assert_eq!(code(&plan, &outcome), 0, "{given}: {outcome:?}");
            let (plan, _) = world.run(&request, true).await;
            assert!(plan.is_complete(), "{given}: {:?}", plan.steps);
            assert_eq!((world.secrets(), world.replaced), (1, 1), "{given}");
            assert!(world.pods_can_sign_in(), "{given}");
        }
    }
}

#[tokio::test]
async fn a_renewal_that_is_not_proved_keeps_the_previous_credential() {
    let request = in_mode(Mode::AppSecret);
    for (proof, wait) in [
        (Proof::Undecided("slow".to_owned()), true),
        (
            Proof::Refused(Refusal {
                evidence: "refused".to_owned(),
                pod: None,
            }),
            true,
        ),
        (Proof::Proved("not asked".to_owned()), false),
    ] {
        let mut world = World { proof, ..due().await };
        world.run(&request, wait).await;
        assert_eq!(world.secrets(), 2);
        assert!(world.pods_can_sign_in());
    }
}

/// The pod template is as it was, and the Secret holds the new one.
#[tokio::test]
async fn a_renewal_that_was_refused_ends_with_one_credential_in_the_next_run() {
    let request = in_mode(Mode::AppSecret);
    let refused = Proof::Refused(Refusal {
        evidence: "refused".to_owned(),
        pod: None,
    });
    let mut world = World {
        proof: refused,
        ..due().await
    };
    world.run(&request, true).await;
    world.proof = Proof::Proved("1 new pod is ready".to_owned());
    let (plan, outcome) = world.run(&request, true).await;
    assert_eq!(
        (code(&plan, &outcome), world.secrets()),
        (0, 1),
        "{:?}",
        plan.steps
    );
    assert!(world.pods_can_sign_in());
    assert!(world.run(&request, true).await.0.is_complete());
}

#[tokio::test]
async fn a_credential_of_other_pods_stays_until_they_are_gone() {
    let request = in_mode(Mode::AppSecret);
    let mut world = due().await;
    world.facts.cluster.pods = Ok(vec![RunningPod {
        name: "pod/other-1".to_owned(),
        secrets: vec!["gw-entra".to_owned()],
        ..RunningPod::default()
    }]);
    let (plan, outcome) = world.run(&request, true).await;
    assert_eq!((code(&plan, &outcome), world.secrets()), (0, 2));
    let (plan, outcome) = world.run(&request, true).await;
    assert_eq!((code(&plan, &outcome), world.secrets()), (0, 2));
    assert!(plan.is_complete(), "{:?}", plan.steps);
    world.facts.cluster.pods = Ok(Vec::new());
    let (plan, outcome) = world.run(&request, true).await;
    assert_eq!(
        (code(&plan, &outcome), world.secrets(), world.replaced),
        (0, 1, 1)
    );
    assert!(world.run(&request, true).await.0.is_complete());
}

/// A gateway whose pods somebody else has deployed, so they carry no mark, and whose Secret
/// somebody has deleted.
async fn without_secret() -> World {
    let mut world = due().await;
    world.facts.cluster.secret = Ok(None);
    let workload = world.facts.cluster.workload.as_mut().unwrap();
    workload.marks = TemplateMarks::default();
    for (pod, _) in &mut world.pods {
        pod.rotation_ids = RotationIds::default();
    }
    world.facts.cluster.own_pods = Ok(vec![OwnPod {
        created: CREATED.parse().ok(),
        ..OwnPod::default()
    }]);
    world
}

#[tokio::test]
async fn what_unmarked_pods_run_with_goes_only_after_the_proof() {
    let request = in_mode(Mode::AppSecret);
    for (proof, wait) in [
        (Proof::Undecided("slow".to_owned()), true),
        (Proof::Proved("not asked".to_owned()), false),
    ] {
        let mut world = World {
            proof,
            ..without_secret().await
        };
        world.run(&request, wait).await;
        assert_eq!((world.secrets(), world.pods.len()), (2, 2));
        assert!(world.pods_can_sign_in());
        // The earlier pod is gone by the time of the next run, or is still there.
        world.proof = Proof::Proved("1 new pod is ready".to_owned());
        let (plan, outcome) = world.run(&request, true).await;
        assert_eq!(code(&plan, &outcome), 0, "{outcome:?}");
        assert_eq!(world.secrets(), world.pods.len());
        assert!(world.pods_can_sign_in());
        world.pods.drain(..world.pods.len() - 1);
        world.run(&request, true).await;
        assert_eq!(world.secrets(), 1);
    }
}

#[tokio::test]
async fn a_kill_at_any_effect_leaves_unmarked_pods_what_they_run_with() {
    let request = in_mode(Mode::AppSecret);
    let mut calm = without_secret().await;
    let (plan, outcome) = calm.run(&request, true).await;
    assert_eq!((code(&plan, &outcome), calm.secrets()), (0, 1));
    for dies_at in 1..=calm.effects {
        for when in [When::Before, When::After] {
            let given = format!("died {when:?} effect {dies_at}");
            let mut world = World {
                dies: Some((dies_at, when)),
                ..without_secret().await
            };
            world.run(&request, true).await;
            assert!(world.pods_can_sign_in(), "{given}");
            (world.dies, world.dead) = (None, false);
            let (plan, outcome) = world.run(&request, true).await;
            assert_eq!(code(&plan, &outcome), 0, "{given}: {outcome:?}");
            assert!(world.pods_can_sign_in(), "{given}");
            assert!(world.run(&request, true).await.0.is_complete(), "{given}");
            assert_eq!((world.secrets(), world.pods.len()), (1, 1), "{given}");
        }
    }
}

/// Nothing replaces them, so nothing proves the new credential.
#[tokio::test]
async fn what_the_pods_of_an_owned_workload_run_with_stays_until_they_are_replaced() {
    let request = in_mode(Mode::AppSecret);
    let mut world = without_secret().await;
    world.facts.cluster.workload.as_mut().unwrap().owner = Some("Helm release gw".to_owned());
    for _ in 0..2 {
        let (plan, _) = world.run(&request, true).await;
        let credential = plan.steps.iter().find(|step| step.part == Part::Credential);
        let notes = &credential.unwrap().notes;
        assert!(
            notes
                .iter()
                .any(|note| note.contains("because pod/gw-1 may have it")),
            "{notes:?}"
        );
        assert_eq!((world.secrets(), world.credentials), (2, 1));
    }
    // The Helm release has restarted them.
    let newest = newest_credential(&mut world.facts);
    for (pod, id) in &mut world.pods {
        (pod.created, *id) = ("2027-01-01T00:01:00Z".parse().ok(), newest);
    }
    world.run(&request, true).await;
    assert_eq!(world.secrets(), 1);
    assert!(world.pods_can_sign_in());
}
