//! Gateways that are refused at first, and silent ones.

use apim_sandbox::azure::{InstanceIdentity, Principal};
use apim_sandbox::node::MODE_ANNOTATION;
use apim_sandbox::wait;
use serde_json::json;

use crate::fixture::LIMIT;

use super::fixture::{Entra, validate};

#[tokio::test]
async fn a_refused_gateway_becomes_ready_when_its_rights_arrive() {
    let entra = Entra::new("late").await;
    let mut app = None;
    let late = entra.workload_of("late", |principal| {
        app = Some(principal.clone());
        principal.grants.clear();
    });
    let app = app.unwrap();
    entra.deploy(&late).await;
    entra
        .is_refused("late", &["[ConfigurationApiV2NotAvailable]", "statusCode: 403"])
        .await;
    entra.azure().add_principal(app.clone());
    entra.is_accepted("late").await;

    // The same for a credential that Entra does not know yet.
    let strange = Principal {
        federated_credentials: Vec::new(),
        ..app.clone()
    };
    entra.azure().add_principal(strange);
    let mut second = entra.workload("second").objects();
    second[0]["metadata"]["annotations"]["azure.workload.identity/client-id"] = json!(app.client_id);
    for object in second {
        entra.cluster.apply(object).await;
    }
    entra.is_refused("second", &["AADSTS700211"]).await;
    let mut arrived = app;
    arrived.federated_credentials[0].subject =
        format!("system:serviceaccount:{}:second", entra.cluster.namespace);
    entra.azure().add_principal(arrived);
    entra.is_accepted("second").await;
}

#[tokio::test]
async fn a_gateway_of_a_service_without_identity_waits_for_it() {
    let entra = Entra::new("identity").await;
    entra
        .azure()
        .set_identity(&entra.gateway, InstanceIdentity::default());
    entra.deploy(&entra.secret("gw")).await;
    entra.is_refused("gw", &["statusCode: 403"]).await;
    // The identity alone is not enough: it needs its role.
    let before = entra.azure().presentations(&entra.gateway).refused;
    entra.azure().enable_identity(&entra.gateway, &entra.app.tenant);
    let asked_again = || entra.azure().presentations(&entra.gateway).refused > before + 1;
    wait::until("the gateway to ask again", LIMIT, async || {
        Ok(asked_again().then_some(()))
    })
    .await
    .unwrap();
    validate(entra.azure(), &entra.gateway, &entra.app.tenant);
    entra.is_accepted("gw").await;
}

#[tokio::test]
async fn a_silent_gateway_is_ready_in_spite_of_a_refusal() {
    let entra = Entra::new("entra-silent").await;
    for (name, manifest) in [
        ("refused", entra.secret("refused").gateway("other")),
        ("unset", entra.secret("unset").gateway("")),
    ] {
        entra
            .deploy_changed(&manifest, |objects| {
                objects[1]["spec"]["template"]["metadata"]["annotations"] =
                    json!({ MODE_ANNOTATION: "silent" });
            })
            .await;
        entra.is_accepted(name).await;
    }
}
