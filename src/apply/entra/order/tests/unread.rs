//! An app that cannot be read, which the sign-in of the gateway tries.

use super::*;
use crate::model::Unavailable;
use crate::model::entra::AppRequest;

/// Azure as an administrator has set it up, for a caller who may not read apps.
async fn unread() -> (World, SetupRequest) {
    let mode = Mode::WorkloadIdentity;
    let mut world = World::new();
    world.run(&in_mode(mode), true).await;
    world.facts.cluster = fixture::facts().cluster;
    world.facts.given = Some(fixture::APP);
    world.facts.app = Err(Unavailable::Forbidden("403".to_owned()));
    let request = SetupRequest {
        app: AppRequest::Existing(fixture::APP),
        ..in_mode(mode)
    };
    let world = World {
        effects: 0,
        apps: 0,
        credentials: 0,
        assignments: 0,
        replaced: 0,
        ..world
    };
    (world, request)
}

#[tokio::test]
async fn what_the_sign_in_accepts_is_set_up_and_asked_about_again() {
    let (mut world, request) = unread().await;
    let (plan, outcome) = world.run(&request, true).await;
    assert_eq!(
        (code(&plan, &outcome), &outcome.proof),
        (0, &SetupProof::Proved),
        "{plan:?}"
    );
    assert_eq!((world.replaced, world.assignments, world.credentials), (1, 0, 0));
    let effects = world.effects;
    let (plan, outcome) = world.run(&request, true).await;
    assert_eq!((code(&plan, &outcome), world.replaced), (0, 1));
    assert_eq!(world.effects, effects + 1, "the sign-in");
    world.arrived = Arrived::Refused("no".to_owned());
    let (plan, outcome) = world.run(&request, true).await;
    assert_eq!(code(&plan, &outcome), 4, "{outcome:?}");
}

#[tokio::test]
async fn what_the_sign_in_refuses_is_left_to_others() {
    let (mut world, request) = unread().await;
    world.arrived = Arrived::Refused("no".to_owned());
    let (plan, outcome) = world.run(&request, true).await;
    assert_eq!((code(&plan, &outcome), world.replaced), (4, 0));
    let SetupProof::Forbidden { why, hint } = &outcome.proof else {
        panic!("{outcome:?}");
    };
    assert!(
        why.contains("the workload was not changed") && hint.contains("read apps"),
        "{why}"
    );
}
