//! What holds for every test: that it fails as soon as the program breaks a rule of
//! `apim_sandbox::observer`.

use std::panic::AssertUnwindSafe;

use apim_sandbox::wait;
use futures::FutureExt as _;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::case::{Case, LIMIT};

/// Writes to the Secret under the program's name.
async fn forged_write(case: &Case, change: &Value) {
    let params = PatchParams {
        field_manager: Some("apim-rotate".to_owned()),
        ..PatchParams::default()
    };
    let patch = Patch::Merge(change);
    case.secrets().patch("gw-token", &params, &patch).await.unwrap();
}

/// A credential that Azure refuses, written as a rotation writes it.
async fn broken(name: &str) -> Case {
    let case = Case::new(name).await;
    case.deploy(&case.idle_portal()).await;
    let change = json!({
        "stringData": {"value": "GatewayKey gw&203001010000&YmFk"},
        "metadata": {"annotations": {"apim-rotate/rotation-id": "one"}},
    });
    forged_write(&case, &change).await;
    case
}

/// How a test fails.
async fn failure(test: impl Future<Output = ()>) -> String {
    let failed = AssertUnwindSafe(test).catch_unwind().await;
    *failed.unwrap_err().downcast::<String>().unwrap()
}

#[tokio::test]
async fn the_next_run_of_a_test_fails() {
    let failed = failure(async {
        let case = broken("rules-run").await;
        case.apim(&["status"]).exits(0).await;
    })
    .await;
    let rule = "secret/gw-token at version ";
    assert!(failed.contains(rule), "{failed}");
    assert!(
        failed.contains("value was accepted by Azure and is refused now"),
        "{failed}"
    );
}

#[tokio::test]
async fn a_test_without_a_further_run_fails_at_its_end() {
    let failed = failure(async {
        let case = broken("rules-end").await;
        let seen = wait::until("the observer", LIMIT, async || {
            let violations = case.observer().violations_so_far(&case.namespace);
            Ok((!violations.is_empty()).then_some(()))
        });
        seen.await.unwrap();
    })
    .await;
    assert!(failed.contains("is refused now"), "{failed}");
}

#[tokio::test]
async fn a_restless_status_changes_the_version_and_nothing_else() {
    let case = Case::new("restless").await;
    case.deploy(&case.idle_portal()).await;
    let before = case.deployments().get("gw").await.unwrap().metadata;
    let restless = case.restless("gw").await;
    let written = wait::until("three writes", LIMIT, async || {
        Ok((restless.writes() >= 3).then_some(()))
    });
    written.await.unwrap();
    let after = case.deployments().get("gw").await.unwrap().metadata;
    assert_ne!(after.resource_version, before.resource_version);
    assert_eq!(after.generation, before.generation);
}
