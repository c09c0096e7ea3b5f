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
    assert_eq!((world.minted, world.effects), (1, 5));
    assert_eq!(world.writes, [Some("r1".to_owned())]);
    assert_eq!(world.restarts, [Some("r1".to_owned())]);
    assert_eq!(
        world.marks.template.restarted_at,
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
    assert_eq!(calm.effects, 5);
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
            let id = world.annotations[ROTATION_ID].as_str();
            assert_eq!(
                world.marks.template.rotation_ids.annotation(),
                Some(id),
                "died {when:?} {dies_at}"
            );
            assert!(world.marks.proved.contains(id), "died {when:?} effect {dies_at}");
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
        assert_eq!(world.marks, before.marks);
        assert_eq!(world.minted, 1);
        let hints = outcome.error.unwrap().hints().join("\n");
        assert!(hints.contains("the previous token of the primary key"), "{hints}");
        assert!(
            hints.contains("refused the token of the secondary key"),
            "{hints}"
        );
    }
}

/// Whether the pod template or the Secret shows anything of a rotation that was
/// put back.
fn is_as_before(world: &World, before: &World) {
    assert_eq!(world.data, before.data);
    assert_eq!(world.annotations, before.annotations);
    assert_eq!(world.marks.template, before.marks.template);
}

#[tokio::test]
async fn after_a_crash_while_putting_back_one_rerun_restores_all() {
    let rotate = Policy {
        key: KeyChoice::Rotate,
        ..policy()
    };
    let not_due = Policy {
        if_expiring_within: Some(DAY),
        ..rotate.clone()
    };
    let fresh = World {
        refuses: vec![KeySlot::Secondary],
        ..World::new()
    };
    let mut rotated = World::new();
    rotated.rotate(&policy(), "r0").await.unwrap();
    (rotated.effects, rotated.minted) = (0, 0);
    rotated.refuses = vec![KeySlot::Secondary];
    for start in [fresh, rotated] {
        let mut calm = start.clone();
        calm.rotate(&rotate, "r1").await.unwrap();
        is_as_before(&calm, &start);
        // Mint, write, restart, prove, and then write, restart and forget.
        assert_eq!(calm.effects, 7);
        for (dies_at, when) in [
            (5, When::After),
            (6, When::Before),
            (6, When::After),
            (7, When::Before),
        ] {
            for policy in [&rotate, &not_due] {
                let mut world = World {
                    dies: Some((dies_at, when)),
                    ..start.clone()
                };
                let outcome = world.rotate(&rotate, "r1").await.unwrap();
                assert_ne!(code(&outcome), 0);
                if when == When::Before || dies_at > 5 {
                    assert_eq!(outcome.record, None, "nothing that is not stored is reported");
                }
                (world.dies, world.dead) = (None, false);
                let outcome = world.rotate(policy, "r2").await.unwrap();
                let given = format!("died {when:?} effect {dies_at}");
                assert_eq!(
                    (outcome.kind, code(&outcome)),
                    (OutcomeKind::PutBack, 5),
                    "{given}"
                );
                assert_eq!(world.minted, 1, "{given}");
                is_as_before(&world, &start);
                assert_eq!(world.restarts, calm.restarts, "{given}");
            }
        }
        // After the last effect nothing is left to do.
        let mut world = World {
            dies: Some((7, When::After)),
            ..start.clone()
        };
        world.rotate(&rotate, "r1").await.unwrap();
        (world.dies, world.dead) = (None, false);
        assert!(world.rotate(&not_due, "r2").await.is_none());
        is_as_before(&world, &start);
    }
}

#[tokio::test]
async fn another_rotation_that_is_faster_while_a_token_is_put_back_wins() {
    let mut other = World::new();
    other.rotate(&policy(), "other").await.unwrap();
    for (key, previous) in [(KeyChoice::Rotate, DAY * 2), (KeyChoice::Rotate, -DAY)] {
        let mut world = World {
            refuses: vec![KeySlot::Secondary],
            overtaken: Some((1, Box::new(other.clone()))),
            ..World::with_token(now() + previous)
        };
        let outcome = world.rotate(&Policy { key, ..policy() }, "r1").await.unwrap();
        assert_eq!((outcome.kind, code(&outcome)), (OutcomeKind::Yielded, 0));
        assert_eq!(outcome.record, None);
        is_as_before(&world, &other);
    }
}

#[tokio::test]
async fn a_token_that_was_replaced_while_it_was_proved_is_not_reported() {
    let mut other = World::new();
    other.rotate(&policy(), "other").await.unwrap();
    let mut world = World {
        replaced_in_proof: Some(Box::new(other.clone())),
        ..World::new()
    };
    let outcome = world.rotate(&policy(), "r1").await.unwrap();
    assert_eq!((outcome.kind, code(&outcome)), (OutcomeKind::Yielded, 0));
    assert_eq!((outcome.record, outcome.proof), (None, None));
    assert!(!world.marks.proved.contains("r1"));
    is_as_before(&world, &other);
}

#[tokio::test]
async fn nobody_waits_for_a_rotation_without_proof() {
    let mut world = World::new();
    let no_wait = Policy {
        follow_up: FollowUp::Restart,
        ..policy()
    };
    world.rotate(&no_wait, "r1").await.unwrap();
    assert_eq!(world.marks.given_up, "r1".into());
    world.rotate(&policy(), "r2").await.unwrap();
    assert_eq!(
        (&world.marks.proved, &world.marks.given_up),
        (&"r2".into(), &None.into())
    );
    world.rotate(&no_wait, "r3").await.unwrap();
    assert_eq!(
        (&world.marks.proved, &world.marks.given_up),
        (&None.into(), &"r3".into())
    );
    assert_eq!(world.marks.template.rotation_ids, "r3".into());
    assert_eq!(world.minted, 3);
}

#[tokio::test]
async fn without_restarts_an_owed_one_is_left() {
    let mut world = World {
        dies: Some((3, When::Before)),
        ..World::new()
    };
    world.rotate(&policy(), "r1").await.unwrap();
    (world.dies, world.dead) = (None, false);
    let nothing = Policy {
        follow_up: FollowUp::Nothing,
        if_expiring_within: Some(DAY),
        ..policy()
    };
    assert!(world.rotate(&nothing, "r2").await.is_none());
    assert_eq!(world.restarts.len(), 0);
}

#[tokio::test]
async fn a_replacement_lives_as_long_as_a_new_token() {
    let mut world = World {
        dies: Some((3, When::Before)),
        ..World::new()
    };
    let short = Policy {
        life: DAY * 3,
        ..policy()
    };
    world.rotate(&short, "r1").await.unwrap();
    (world.dies, world.dead, world.refuses) = (None, false, vec![KeySlot::Primary]);
    let longer = Policy {
        life: DAY * 5,
        ..policy()
    };
    let outcome = world.rotate(&longer, "r2").await.unwrap();
    assert_eq!(outcome.kind, OutcomeKind::Replaced);
    let expected = (now() + DAY * 5).to_string();
    assert_eq!(world.annotations["apim-rotate/expires-at"], expected);
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
async fn when_both_keys_are_refused_another_run_would_not_help() {
    let mut world = World {
        refuses: vec![KeySlot::Primary, KeySlot::Secondary],
        ..World::new()
    };
    let outcome = world.rotate(&policy(), "r1").await.unwrap();
    assert_eq!((outcome.kind, code(&outcome)), (OutcomeKind::Replaced, 5));
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
