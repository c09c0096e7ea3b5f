//! An app that cannot be read, which the sign-in of the gateway tries.

use super::*;
use crate::model::Unavailable;
use crate::model::directory::Fingerprint;
use crate::model::entra::AppRequest;
use crate::model::entra::facts::{StoredFacts, Unrecorded};

/// Azure as an administrator has set it up, for a caller who may not read apps.
async fn unread(mode: Mode) -> (World, SetupRequest) {
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
    let (mut world, request) = unread(Mode::WorkloadIdentity).await;
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
    let (mut world, request) = unread(Mode::WorkloadIdentity).await;
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

/// Nothing of the cluster shows which one of the app it is.
#[tokio::test]
async fn a_credential_without_a_record_is_used_and_asked_about_again() {
    let (mut world, request) = unread(Mode::AppSecret).await;
    let unrecorded = Unrecorded {
        kind: Mode::AppSecret,
        fingerprint: Fingerprint::of_secret("abc").unwrap(),
        written: NOW.parse().unwrap(),
    };
    let stored = StoredFacts {
        keys: Mode::AppSecret
            .keys()
            .iter()
            .map(|key| (*key).to_owned())
            .collect(),
        unrecorded: vec![unrecorded],
        ..StoredFacts::default()
    };
    world.facts.cluster.secret = Ok(Some(stored));
    for run in 1..=3 {
        let (plan, outcome) = world.run(&request, true).await;
        assert_eq!((code(&plan, &outcome), world.replaced), (0, 1), "{run}: {plan:?}");
        assert!(plan.asks_sign_in() && plan.is_settled() == (run > 1), "{plan:?}");
    }
    world.arrived = Arrived::Refused("no".to_owned());
    let (plan, outcome) = world.run(&request, true).await;
    assert_eq!(code(&plan, &outcome), 4, "{outcome:?}");
}
