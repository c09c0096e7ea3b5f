//! User-assigned managed identities and their federated credentials.

use apim_sandbox::azure::{Grant, ManagedIdentity};
use jiff::SignedDuration;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::fixture::Fixture;

fn path(fixture: &Fixture, name: &str) -> String {
    let gateway = &fixture.gateway;
    format!(
        "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}",
        gateway.subscription, gateway.resource_group
    )
}

fn credential(subject: &str) -> Value {
    json!({"properties": {"issuer": "https://issuer.example/", "subject": subject,
        "audiences": ["api://AzureADTokenExchange"]}})
}

#[tokio::test]
async fn an_identity_is_created_with_its_service_principal() {
    let fixture = Fixture::start().await;
    let path = path(&fixture, "one");
    assert_eq!(
        fixture.arm(Method::GET, &path, Value::Null).await.status,
        StatusCode::NOT_FOUND
    );
    let made = fixture
        .arm(Method::PUT, &path, json!({"location": "West Europe"}))
        .await;
    assert_eq!(made.status, StatusCode::CREATED);
    let id = made.body["id"].as_str().unwrap();
    assert!(id.contains("/resourcegroups/"), "{id}");
    assert_eq!(
        fixture
            .arm(Method::PUT, &path, json!({"location": "westeurope"}))
            .await
            .status,
        StatusCode::OK
    );
    let client_id = made.body["properties"]["clientId"].as_str().unwrap();
    let principal = fixture
        .azure
        .directory(|directory| directory.service_principal(client_id).unwrap().clone());
    assert_eq!(made.body["properties"]["principalId"], principal.id);
    assert_eq!(principal.alternative_names, ["isExplicit=True", id]);
    let list = path.rsplit_once('/').unwrap().0;
    assert_eq!(
        fixture.arm(Method::GET, list, Value::Null).await.body["value"][0]["id"],
        id
    );

    let reader = Fixture::start_with(Grant::reader("/")).await;
    let refused = reader.arm(Method::PUT, &path, json!({"location": "x"})).await;
    assert_eq!(refused.code(), "AuthorizationFailed");
}

#[tokio::test]
async fn federated_credentials_are_written_one_after_the_other() {
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
    let all = format!("{}/federatedIdentityCredentials", path(&fixture, "one"));
    let put = async |name: &str, subject: &str| {
        fixture
            .arm(Method::PUT, &format!("{all}/{name}"), credential(subject))
            .await
    };
    assert_eq!(put("one", "s").await.status, StatusCode::CREATED);
    assert_eq!(put("one", "t").await.status, StatusCode::OK);
    let twice = put("two", "t").await;
    assert_eq!((twice.status, twice.code()), (StatusCode::CONFLICT, "Conflict"));
    assert_eq!(put("a.b", "u").await.status, StatusCode::BAD_REQUEST);
    for index in 2..=20 {
        assert_eq!(
            put(&format!("c-{index}"), &format!("s{index}")).await.status,
            StatusCode::CREATED
        );
    }
    assert_eq!(put("c-21", "s21").await.status, StatusCode::BAD_REQUEST);
    let listed = fixture.arm(Method::GET, &all, Value::Null).await.body;
    assert_eq!(listed["value"].as_array().unwrap().len(), 20);
    assert_eq!(
        listed["value"][0]["properties"]["audiences"],
        json!(["api://AzureADTokenExchange"])
    );

    fixture.azure.stop_clock();
    let second = SignedDuration::from_secs(1);
    fixture
        .azure
        .directory(|directory| directory.federation_write_time = second);
    let one = format!("{all}/one");
    assert_eq!(
        fixture.arm(Method::DELETE, &one, Value::Null).await.status,
        StatusCode::OK
    );
    let parallel = put("one", "s").await;
    assert_eq!(
        (parallel.status, parallel.code()),
        (
            StatusCode::CONFLICT,
            "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity"
        )
    );
    fixture.azure.advance_clock(second);
    assert_eq!(put("one", "s").await.status, StatusCode::CREATED);
}
