//! A `ServiceAccount` that lost what names the app, while the pod template is complete.

use super::*;
use crate::model::entra::CLIENT_ID_ANNOTATION;

/// A gateway that was set up, and whose pods were started without an identity since.
async fn lost() -> World {
    let mut world = World::new();
    world.run(&in_mode(Mode::WorkloadIdentity), true).await;
    let account = world.facts.cluster.service_account.as_mut().unwrap();
    account.as_mut().unwrap().annotations.clear();
    world.facts.cluster.own_pods = Ok(vec![world.new_pod()]);
    World {
        effects: 0,
        replaced: 0,
        ..world
    }
}

/// The client id that the pods have.
fn identity(world: &World) -> Option<String> {
    let pods = world.facts.cluster.own_pods.as_ref().unwrap();
    pods[0].client_id.clone()
}

#[tokio::test]
async fn a_kill_at_any_effect_leaves_no_pod_without_the_identity_after_a_rerun() {
    let request = in_mode(Mode::WorkloadIdentity);
    let mut calm = lost().await;
    assert_eq!(identity(&calm), None);
    let (plan, outcome) = calm.run(&request, true).await;
    assert_eq!((code(&plan, &outcome), calm.replaced), (0, 1));
    assert_eq!(identity(&calm), Some(fixture::APP.to_string()));
    for dies_at in 1..=calm.effects {
        for when in [When::Before, When::After] {
            let given = format!("died {when:?} effect {dies_at}");
            let mut world = World {
                dies: Some((dies_at, when)),
                ..lost().await
            };
            world.run(&request, true).await;
            (world.dies, world.dead) = (None, false);
            let (plan, outcome) = world.run(&request, true).await;
            assert_eq!(code(&plan, &outcome), 0, "{given}: {outcome:?}");
            let account = world.facts.cluster.service_account.as_ref().unwrap();
            let named = account.as_ref().unwrap().annotations.get(CLIENT_ID_ANNOTATION);
            assert_eq!(named, Some(&fixture::APP.to_string()), "{given}");
            assert_eq!(identity(&world).as_ref(), named, "{given}");
            assert_eq!(world.replaced, 1, "{given}");
            let (plan, _) = world.run(&request, true).await;
            assert!(plan.is_complete(), "{given}: {:?}", plan.steps);
        }
    }
}
