//! A credential that is due.

use super::*;
use crate::model::entra::facts::{AppKind, OtherPod};

/// A gateway that was set up, whose client secret expires tomorrow.
async fn due() -> World {
    let mut world = World::new();
    world.run(&in_mode(Mode::AppSecret), true).await;
    let Some(AppKind::Application(app)) = app_of(&mut world) else {
        panic!("an app");
    };
    app.secrets[0].expires = Some("2027-01-02T00:00:00Z".parse().unwrap());
    world.facts.cluster.workload.as_mut().unwrap().created = "2026-12-01T00:00:00Z".parse().ok();
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

/// Whether the app still has what the pods sign in with.
fn pods_can_sign_in(world: &mut World) -> bool {
    let workload = world.facts.cluster.workload.as_ref().unwrap();
    let ids = workload.marks.rotation_ids.clone();
    let Some(AppKind::Application(app)) = app_of(world) else {
        return false;
    };
    app.secrets.iter().any(|it| ids.contains(&it.key_id.to_string()))
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
            assert!(pods_can_sign_in(&mut world), "{given}");
            (world.dies, world.dead) = (None, false);
            let (plan, outcome) = world.run(&request, true).await;
            assert_eq!(code(&plan, &outcome), 0, "{given}: {outcome:?}");
            let (plan, _) = world.run(&request, true).await;
            assert!(plan.is_complete(), "{given}: {:?}", plan.steps);
            assert_eq!((world.secrets(), world.replaced), (1, 1), "{given}");
            assert!(pods_can_sign_in(&mut world), "{given}");
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
        assert!(pods_can_sign_in(&mut world));
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
    assert!(pods_can_sign_in(&mut world));
    assert!(world.run(&request, true).await.0.is_complete());
}

#[tokio::test]
async fn a_credential_of_other_pods_stays_until_they_are_gone() {
    let request = in_mode(Mode::AppSecret);
    let mut world = due().await;
    world.facts.cluster.other_pods = Ok(vec![OtherPod {
        name: "other-1".to_owned(),
        secrets: vec!["gw-entra".to_owned()],
        ..OtherPod::default()
    }]);
    let (plan, outcome) = world.run(&request, true).await;
    assert_eq!((code(&plan, &outcome), world.secrets()), (0, 2));
    let (plan, outcome) = world.run(&request, true).await;
    assert_eq!((code(&plan, &outcome), world.secrets()), (0, 2));
    assert!(plan.is_complete(), "{:?}", plan.steps);
    world.facts.cluster.other_pods = Ok(Vec::new());
    let (plan, outcome) = world.run(&request, true).await;
    assert_eq!(
        (code(&plan, &outcome), world.secrets(), world.replaced),
        (0, 1, 1)
    );
    assert!(world.run(&request, true).await.0.is_complete());
}
