//! The order of the effects, in a world that records them and can end the run
//! before or after each of them.

mod world;

use world::{When, World};

use super::*;
use crate::model::annotation::{LAST_USED_KEY, ROTATION_ID};
use crate::model::{KeyChoice, KeySlot};
use crate::plan::fixture::{DAY, now, policy};
use crate::plan::{FollowUp, Policy};

fn code(outcome: &Outcome) -> u8 {
    outcome.error.as_ref().map_or(0, |error| error.kind().exit_code())
}

#[tokio::test]
async fn a_rotation_writes_once_restarts_once_and_is_proved() {
    let mut world = World::new();
    let outcome = world.rotate(&policy(), "r1").await.unwrap();
    assert_eq!((outcome.kind, code(&outcome)), (OutcomeKind::Rotated, 0));
    assert_eq!(outcome.proof.as_deref(), Some("1 new pod is ready"));
    assert_eq!((world.minted, world.effects), (1, 4));
    assert_eq!(world.writes, [Some("r1".to_owned())]);
    assert_eq!(world.restarts, [Some("r1".to_owned())]);
    assert_eq!(
        world.template.restarted_at,
        world.annotations.get("apim-rotate/rotated-at").cloned()
    );
}

#[tokio::test]
async fn a_crash_at_any_effect_and_one_rerun_end_as_an_uninterrupted_run() {
    for start in [World::new(), World::with_two_keys()] {
        crash_at_every_effect(start).await;
    }
}

async fn crash_at_every_effect(start: World) {
    let mut calm = start.clone();
    calm.rotate(&policy(), "r1").await.unwrap();
    assert_eq!(calm.effects, 4);
    for dies_at in 1..=calm.effects {
        for when in [When::Before, When::After] {
            let mut world = World {
                dies: Some((dies_at, when)),
                ..start.clone()
            };
            world.rotate(&policy(), "r1").await.unwrap();
            assert!(world.is_whole(), "died {when:?} effect {dies_at}");
            (world.dies, world.dead) = (None, false);
            // The default policy mints if nothing is unfinished, as a person
            // expects; a schedule only completes.
            let schedule = Policy {
                if_expiring_within: Some(DAY * 15),
                ..policy()
            };
            if let Some(outcome) = world.rotate(&schedule, "r2").await {
                assert_eq!(code(&outcome), 0, "died {when:?} effect {dies_at}");
            }
            assert!(world.is_whole(), "died {when:?} effect {dies_at}");
            assert_eq!(world.slot_of_value(), calm.slot_of_value());
            assert_eq!(
                world.annotations.get(ROTATION_ID),
                world.template.rotation_id.as_ref(),
                "died {when:?} {dies_at}"
            );
            assert_eq!(world.writes.len(), 1, "died {when:?} effect {dies_at}");
            assert_eq!(world.restarts.len(), 1, "died {when:?} effect {dies_at}");
        }
    }
}

#[tokio::test]
async fn a_refused_token_is_put_back_if_the_previous_one_is_of_the_other_key() {
    for start in [World::new(), World::with_two_keys()] {
        let mut world = World {
            refuses: vec![KeySlot::Secondary],
            ..start
        };
        let before = world.clone();
        let policy = Policy {
            key: KeyChoice::Rotate,
            ..policy()
        };
        let outcome = world.rotate(&policy, "r1").await.unwrap();
        assert_eq!((outcome.kind, code(&outcome)), (OutcomeKind::PutBack, 5));
        assert_eq!(world.data, before.data, "every key is put back");
        assert_eq!(world.annotations, before.annotations);
        assert_eq!(world.template, before.template);
        assert_eq!(world.minted, 1);
        let hints = outcome.error.unwrap().hints().join("\n");
        assert!(hints.contains("the previous token of the primary key"), "{hints}");
        assert!(
            hints.contains("refused the token of the secondary key"),
            "{hints}"
        );
    }
}

#[tokio::test]
async fn a_refused_token_of_the_same_key_is_replaced_by_one_of_the_other() {
    let mut world = World {
        refuses: vec![KeySlot::Primary],
        ..World::new()
    };
    let outcome = world.rotate(&policy(), "r1").await.unwrap();
    assert_eq!((outcome.kind, code(&outcome)), (OutcomeKind::Replaced, 5));
    assert_eq!(world.slot_of_value(), KeySlot::Secondary);
    assert_eq!(
        world.writes,
        [Some("r1".to_owned()), Some("r1-replacement".to_owned())]
    );
    assert_eq!(world.restarts, world.writes);
    assert_eq!(world.annotations[LAST_USED_KEY], "secondary");
}

#[tokio::test]
async fn an_expired_previous_token_is_not_put_back() {
    let mut world = World {
        refuses: vec![KeySlot::Secondary],
        ..World::with_token(now() - DAY)
    };
    let policy = Policy {
        key: KeyChoice::Rotate,
        ..policy()
    };
    let outcome = world.rotate(&policy, "r1").await.unwrap();
    assert_eq!(outcome.kind, OutcomeKind::Replaced);
    assert_eq!(world.slot_of_value(), KeySlot::Primary);
    assert_eq!(world.minted, 2);
}

#[tokio::test]
async fn when_both_keys_are_refused_the_proof_stays_owed() {
    let mut world = World {
        refuses: vec![KeySlot::Primary, KeySlot::Secondary],
        ..World::new()
    };
    let outcome = world.rotate(&policy(), "r1").await.unwrap();
    assert_eq!((outcome.kind, code(&outcome)), (OutcomeKind::Owed, 3));
    assert_eq!(world.minted, 2);
}

#[tokio::test]
async fn a_completed_rotation_that_is_refused_is_replaced() {
    let mut world = World {
        dies: Some((3, When::Before)),
        ..World::new()
    };
    world.rotate(&policy(), "r1").await.unwrap();
    (world.dies, world.dead, world.refuses) = (None, false, vec![KeySlot::Primary]);
    let outcome = world.rotate(&policy(), "r2").await.unwrap();
    assert_eq!((outcome.kind, code(&outcome)), (OutcomeKind::Replaced, 5));
    assert_eq!(world.slot_of_value(), KeySlot::Secondary);
}

#[tokio::test]
async fn a_run_without_proof_or_restart_succeeds() {
    let mut world = World::new();
    let outcome = world
        .rotate(
            &Policy {
                follow_up: FollowUp::Restart,
                ..policy()
            },
            "r1",
        )
        .await
        .unwrap();
    assert_eq!((code(&outcome), world.effects), (0, 3));

    let mut world = World::new();
    let outcome = world
        .rotate(
            &Policy {
                follow_up: FollowUp::Nothing,
                ..policy()
            },
            "r1",
        )
        .await
        .unwrap();
    assert_eq!((code(&outcome), world.effects, world.restarts.len()), (0, 2, 0));
    assert!(
        world
            .rotate(
                &Policy {
                    if_expiring_within: Some(DAY),
                    ..policy()
                },
                "r2"
            )
            .await
            .is_none()
    );
}

#[tokio::test]
async fn an_answer_that_was_not_requested_is_never_written() {
    for start in [World::new(), World::with_two_keys()] {
        let mut world = World {
            answers_wrong: true,
            ..start
        };
        let before = world.clone();
        let outcome = world.rotate(&policy(), "r1").await.unwrap();
        assert_eq!((outcome.kind, code(&outcome)), (OutcomeKind::Failed, 1));
        assert_eq!((world.minted, world.effects), (1, 1));
        assert_eq!(world.data, before.data);
        assert_eq!(world.annotations, before.annotations);
    }
}
