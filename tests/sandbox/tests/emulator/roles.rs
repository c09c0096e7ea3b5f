//! Role definitions.

use apim_sandbox::azure::{Operation, Principal};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::fixture::{Answer, Fixture};

pub(crate) const READER: &str = "Microsoft.ApiManagement/service/gateways/getConfiguration/action";

pub(crate) fn new_guid() -> String {
    Uuid::new_v4().to_string()
}

/// A role as its REST body.
pub(crate) fn role(name: &str, permissions: &Value, scope: &str) -> Value {
    json!({"properties": {"roleName": name, "type": "CustomRole", "description": "d",
        "permissions": permissions, "assignableScopes": [scope]}})
}

pub(crate) fn definition(guid: &str) -> String {
    format!(
        "{}/providers/Microsoft.Authorization/roleDefinitions/{guid}",
        Fixture::subscription_id()
    )
}

pub(crate) fn refused(answer: &Answer, status: StatusCode, code: &str) {
    assert_eq!((answer.status, answer.code()), (status, code), "{answer:?}");
}

/// A principal without rights in the tenant of the fixture.
pub(crate) fn other(fixture: &Fixture) -> Principal {
    let principal = Principal {
        tenant: fixture.principal.tenant.clone(),
        ..Principal::random()
    };
    fixture.azure.add_principal(principal.clone());
    principal
}

pub(crate) async fn token_of(fixture: &Fixture, principal: &Principal) -> String {
    let Principal {
        tenant,
        client_id,
        client_secret,
        ..
    } = principal;
    let answer = fixture.ask_entra(tenant, client_id, client_secret).await;
    answer.body["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_role_is_created_changed_found_and_deleted() {
    let fixture = Fixture::start().await;
    let scope = Fixture::subscription_id();
    let guid = new_guid();
    let body = role("Gateway's Reader", &json!([{"dataActions": [READER]}]), &scope);
    let made = fixture.arm(Method::PUT, &definition(&guid), body.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let properties = &made.body["properties"];
    assert_eq!(
        (&properties["createdBy"], &properties["type"]),
        (&Value::Null, &json!("CustomRole"))
    );
    assert_eq!(properties["permissions"][0]["actions"], json!([]));
    let again = fixture.arm(Method::PUT, &definition(&guid), body.clone()).await;
    assert_eq!(again.status, StatusCode::CREATED, "a change answers 201 too");

    let list = format!(
        "{}/providers/Microsoft.Authorization/roleDefinitions",
        fixture.gateway.service_id()
    );
    for (filter, names) in [
        ("roleName eq 'GATEWAY''S reader'", vec!["Gateway's Reader"]),
        ("type eq 'CustomRole'", vec!["Gateway's Reader"]),
        ("roleName eq 'nothing'", vec![]),
        ("roleName eq 'Reader'", vec!["Reader"]),
    ] {
        let found = fixture
            .arm(Method::GET, &format!("{list}?$filter={filter}"), Value::Null)
            .await
            .body;
        let found = found["value"].as_array().unwrap().iter();
        let found: Vec<&str> = found
            .map(|it| it["properties"]["roleName"].as_str().unwrap())
            .collect();
        assert_eq!(found, names, "{filter}");
    }
    let same = fixture.arm(Method::PUT, &definition(&new_guid()), body).await;
    refused(&same, StatusCode::CONFLICT, "RoleDefinitionWithSameNameExists");

    // What the Azure CLI makes of keys in the wrong case is a role that allows nothing.
    let empty = role("Empty", &json!([{}]), &scope);
    let empty = fixture.arm(Method::PUT, &definition(&new_guid()), empty).await;
    assert_eq!(empty.status, StatusCode::CREATED);
    assert_eq!(
        empty.body["properties"]["permissions"],
        json!([{"actions": [], "notActions": [], "dataActions": [], "notDataActions": []}])
    );

    let gone = fixture.arm(Method::DELETE, &definition(&guid), Value::Null).await;
    assert_eq!(gone.status, StatusCode::OK);
    let gone = fixture.arm(Method::DELETE, &definition(&guid), Value::Null).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    let gone = fixture.arm(Method::GET, &definition(&guid), Value::Null).await;
    refused(&gone, StatusCode::NOT_FOUND, "RoleDefinitionDoesNotExist");
    assert_eq!(fixture.azure.requests_for(Operation::PutRoleDefinition).len(), 4);
}

#[tokio::test]
async fn a_bad_role_is_refused() {
    let fixture = Fixture::start().await;
    let scope = Fixture::subscription_id();
    let none = json!([]);
    for (body, code) in [
        (role("", &none, &scope), "RoleDefinitionNameNullOrEmpty"),
        (
            json!({"properties": {"roleName": "x", "assignableScopes": []}}),
            "MissingAssignableScopes",
        ),
        (
            role("x", &none, "/subscriptions/{subscriptionID}"),
            "LinkedInvalidPropertyId",
        ),
        (
            role("x", &json!([{"actions": [READER]}]), &scope),
            "InvalidActionOrNotAction",
        ),
        (
            role(
                "x",
                &json!([{"actions": ["Microsoft.ApiManagement/service/gateways/x/action"]}]),
                &scope,
            ),
            "InvalidActionOrNotAction",
        ),
        (
            role(
                "x",
                &json!([{"dataActions": ["Microsoft.ApiManagement/service/read"]}]),
                &scope,
            ),
            "InvalidDataActionOrNotDataAction",
        ),
    ] {
        let answer = fixture.arm(Method::PUT, &definition(&new_guid()), body).await;
        refused(&answer, StatusCode::BAD_REQUEST, code);
    }
    fixture.azure.authorization(|it| it.most_definitions = 0);
    let wildcard = json!([{"actions": ["Microsoft.Authorization/*/read"]}]);
    let full = fixture
        .arm(
            Method::PUT,
            &definition(&new_guid()),
            role("x", &wildcard, &scope),
        )
        .await;
    refused(&full, StatusCode::BAD_REQUEST, "RoleDefinitionLimitExceeded");
    let old = format!("{}?api-version=2024-05-01", definition(&new_guid()));
    let url = format!("{}{old}", super::fixture::ARM);
    let sent = fixture
        .client
        .get(url)
        .bearer_auth(fixture.sign_in().await)
        .send()
        .await
        .unwrap();
    refused(
        &Answer::read(sent).await,
        StatusCode::BAD_REQUEST,
        "NoRegisteredProviderFound",
    );
}
