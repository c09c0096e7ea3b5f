//! The identity of a service, which takes time to change, and gateways that are created.

use apim_sandbox::azure::{Grant, ManagedIdentity, Operation};
use jiff::SignedDuration;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::fixture::{Answer, Fixture};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

async fn patch(fixture: &Fixture, identity: Value) -> Answer {
    let body = json!({"identity": identity});
    fixture
        .arm(Method::PATCH, &fixture.gateway.service_id(), body)
        .await
}

async fn shown(fixture: &Fixture) -> Value {
    fixture.get(&fixture.gateway.service_id()).await.body
}

#[tokio::test]
async fn an_identity_comes_after_a_while_and_meanwhile_nothing_else_is_changed() {
    let fixture = Fixture::start().await;
    fixture.azure.stop_clock();
    fixture.azure.set_update_time(MINUTE);
    assert_eq!(shown(&fixture).await["identity"], Value::Null);
    let accepted = patch(&fixture, json!({"type": "SystemAssigned"})).await;
    assert_eq!(
        (accepted.status, &accepted.body),
        (StatusCode::ACCEPTED, &Value::Null)
    );
    let location = accepted.header("location").to_owned();
    assert!(location.contains("/operationresults/"), "{location}");
    let ask = async || {
        let request = fixture.client.get(&location).bearer_auth(fixture.sign_in().await);
        Answer::read(request.send().await.unwrap()).await
    };
    assert_eq!(ask().await.status, StatusCode::ACCEPTED);
    let during = shown(&fixture).await;
    assert_eq!(during["properties"]["provisioningState"], "Updating");
    let second = patch(&fixture, json!({"type": "None"})).await;
    assert_eq!(second.status, StatusCode::CONFLICT);

    fixture.azure.advance_clock(MINUTE);
    let done = ask().await;
    assert_eq!(done.status, StatusCode::OK);
    let first = shown(&fixture).await;
    assert_eq!(first["properties"]["provisioningState"], "Succeeded");
    let identity = &first["identity"];
    assert_eq!(
        (&identity["type"], &identity["tenantId"]),
        (&json!("SystemAssigned"), &json!(fixture.principal.tenant))
    );
    let principal = identity["principalId"].as_str().unwrap().to_owned();
    let made = fixture.azure.directory(|directory| {
        let all = directory.service_principals();
        all.into_iter().find(|it| it.id == principal).unwrap().clone()
    });
    assert_eq!(
        (made.kind.as_str(), &made.alternative_names[1]),
        ("ManagedIdentity", &fixture.gateway.service_id())
    );

    fixture.azure.set_update_time(SignedDuration::ZERO);
    patch(&fixture, json!({"type": "SystemAssigned"})).await;
    assert_eq!(
        shown(&fixture).await["identity"]["principalId"],
        principal,
        "it is kept"
    );
    patch(&fixture, json!({"type": "None"})).await;
    assert_eq!(shown(&fixture).await["identity"], Value::Null);
    patch(&fixture, json!({"type": "SystemAssigned"})).await;
    assert_ne!(shown(&fixture).await["identity"]["principalId"], principal);
    assert_eq!(fixture.azure.requests_for(Operation::PatchService).len(), 5);
}

#[tokio::test]
async fn user_assigned_identities_are_kept_only_if_the_type_has_them() {
    let fixture = Fixture::start().await;
    let gateway = &fixture.gateway;
    let identity = ManagedIdentity::new(
        &fixture.principal.tenant,
        &gateway.subscription,
        &gateway.resource_group,
        "one",
    );
    fixture
        .azure
        .directory(|directory| directory.add_managed_identity(identity.clone()));
    let id = identity.arm_id();
    let unknown = json!({"type": "UserAssigned", "userAssignedIdentities": {format!("{id}x"): {}}});
    let refused = patch(&fixture, unknown).await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::BAD_REQUEST, "FailedIdentityOperation")
    );
    let wrong = json!({"type": "UserAssigned", "userAssignedIdentities": {&id: {"clientId": "x"}}});
    assert_eq!(patch(&fixture, wrong).await.code(), "InvalidIdentityValues");
    patch(
        &fixture,
        json!({"type": "UserAssigned", "userAssignedIdentities": {&id: {}}}),
    )
    .await;
    let only = shown(&fixture).await["identity"].clone();
    assert_eq!(
        (
            &only["type"],
            &only["principalId"],
            &only["userAssignedIdentities"][&id]["clientId"]
        ),
        (&json!("UserAssigned"), &Value::Null, &json!(identity.client_id))
    );
    let both = json!({"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {&id: {}}});
    patch(&fixture, both).await;
    assert_eq!(
        shown(&fixture).await["identity"]["type"],
        "SystemAssigned, UserAssigned"
    );
    patch(&fixture, json!({"type": "SystemAssigned"})).await;
    let left = shown(&fixture).await["identity"].clone();
    assert_eq!(
        (&left["type"], &left["userAssignedIdentities"]),
        (&json!("SystemAssigned"), &Value::Null)
    );

    // A PUT that does not mention the identity leaves it alone.
    let body =
        json!({"location": "West Europe", "sku": {"name": "Developer", "capacity": 1}, "properties": {}});
    let put = fixture.arm(Method::PUT, &gateway.service_id(), body).await;
    assert_eq!(
        (put.status, &put.body["identity"]["type"]),
        (StatusCode::OK, &json!("SystemAssigned"))
    );
}

#[tokio::test]
async fn an_identity_is_enabled_and_assigned_only_with_the_right_to() {
    let fixture = Fixture::start_with(Grant::new("/", &["Microsoft.ApiManagement/service/*"])).await;
    let id = ManagedIdentity::new("t", "s", "g", "one").arm_id();
    let refused = patch(
        &fixture,
        json!({"type": "UserAssigned", "userAssignedIdentities": {id: {}}}),
    )
    .await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::FORBIDDEN, "LinkedAuthorizationFailed")
    );
    let reader = Fixture::start_with(Grant::reader("/")).await;
    let refused = patch(&reader, json!({"type": "SystemAssigned"})).await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::FORBIDDEN, "AuthorizationFailed")
    );
}

#[tokio::test]
async fn a_subscription_serves_its_own_tenant() {
    let fixture = Fixture::start().await;
    let subscription = &fixture.gateway.subscription;
    fixture.azure.set_tenant(subscription, "another-tenant");
    let refused = fixture.get(&fixture.gateway.id()).await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::UNAUTHORIZED, "InvalidAuthenticationTokenTenant")
    );
    assert_eq!(fixture.get("/subscriptions").await.body["value"], json!([]));
    fixture.azure.set_tenant(subscription, &fixture.principal.tenant);
    assert_eq!(fixture.get(&fixture.gateway.id()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_gateway_is_created_with_a_location() {
    let fixture = Fixture::start().await;
    let path = fixture.gateway.id().replace("gw-1", "gw-new");
    let body = json!({"properties": {"locationData": {"name": "here"}}});
    let none = fixture.arm(Method::PUT, &path, json!({"properties": {}})).await;
    assert_eq!(
        (none.status, none.code()),
        (StatusCode::BAD_REQUEST, "ValidationError")
    );
    let made = fixture.arm(Method::PUT, &path, body.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert_eq!(made.body["properties"]["locationData"]["name"], "here");
    let again = fixture.arm(Method::PUT, &path, body).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST, "a change needs If-Match");
    let apis = fixture.get(&format!("{path}/apis")).await.body;
    assert_eq!(apis["count"], 0);
}
