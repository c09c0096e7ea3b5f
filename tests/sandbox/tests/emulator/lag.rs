//! Replication: what was written is seen and takes effect only after a while.

use apim_sandbox::azure::{GraphRights, Lag, Permission, Principal, RoleDefinition};
use jiff::SignedDuration;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::fixture::Fixture;
use super::roles::token_of;

const TEN: SignedDuration = SignedDuration::from_secs(10);

async fn start() -> Fixture {
    let mut fixture = Fixture::start_with_graph(GraphRights::ReadWriteAll).await;
    fixture.principal.grants = vec![apim_sandbox::azure::Grant::new("/", &["*"])];
    fixture.azure.add_principal(fixture.principal.clone());
    fixture.azure.stop_clock();
    fixture
}

#[tokio::test]
async fn an_application_its_principal_and_its_secret_arrive_one_after_the_other() {
    let fixture = start().await;
    fixture.azure.set_lag(Lag::of(TEN));
    let made = fixture
        .graph(Method::POST, "applications", json!({"displayName": "gw"}))
        .await
        .body;
    let path = format!("applications/{}", made["id"].as_str().unwrap());
    let app_id = made["appId"].as_str().unwrap();
    let add = format!("{path}/addPassword");
    for (method, path, body) in [
        (Method::GET, path.as_str(), Value::Null),
        (Method::POST, &add, json!({})),
    ] {
        assert_eq!(
            fixture.graph(method, path, body).await.status,
            StatusCode::NOT_FOUND
        );
    }
    let early = fixture
        .graph(Method::POST, "servicePrincipals", json!({"appId": app_id}))
        .await;
    assert_eq!(
        early.body["error"]["details"][0]["code"],
        "NoBackingApplicationObject"
    );
    let tenant = &fixture.principal.tenant;
    let code = async |secret: &str| {
        let answer = fixture.ask_entra(tenant, app_id, secret).await;
        answer.body["error_codes"][0].as_u64()
    };
    assert_eq!(code("any").await, Some(700_016));

    fixture.azure.advance_clock(TEN);
    let principal = fixture
        .graph(Method::POST, "servicePrincipals", json!({"appId": app_id}))
        .await;
    assert_eq!(principal.status, StatusCode::CREATED);
    let again = fixture
        .graph(Method::POST, "servicePrincipals", json!({"appId": app_id}))
        .await;
    assert_eq!(again.status, StatusCode::CONFLICT, "uniqueness does not lag");
    let password = fixture.graph(Method::POST, &add, json!({})).await.body;
    let secret = password["secretText"].as_str().unwrap();
    assert_eq!(code(secret).await, Some(7_000_215));
    let shown = fixture.graph(Method::GET, &path, Value::Null).await.body;
    assert_eq!(shown["passwordCredentials"], json!([]), "a stale read");
    let remove = format!("{path}/removePassword");
    let early = fixture
        .graph(Method::POST, &remove, json!({"keyId": password["keyId"]}))
        .await;
    assert_eq!(early.status, StatusCode::BAD_REQUEST);

    fixture.azure.advance_clock(TEN);
    assert_eq!(code(secret).await, None);
    assert_eq!(
        fixture
            .azure
            .directory(|it| it.application(app_id).unwrap().passwords.len()),
        1
    );
}

#[tokio::test]
async fn what_is_seen_may_not_be_in_effect_yet() {
    let fixture = start().await;
    let made = fixture
        .graph(Method::POST, "applications", json!({"displayName": "gw"}))
        .await
        .body;
    let app_id = made["appId"].as_str().unwrap();
    fixture
        .graph(Method::POST, "servicePrincipals", json!({"appId": app_id}))
        .await;
    fixture.azure.directory(|it| {
        it.set_application_lag(Lag {
            effect: TEN,
            ..Lag::default()
        });
    });
    let path = format!("applications/{}", made["id"].as_str().unwrap());
    let added = fixture
        .graph(Method::POST, &format!("{path}/addPassword"), json!({}))
        .await
        .body;
    let shown = fixture.graph(Method::GET, &path, Value::Null).await.body;
    assert_eq!(shown["passwordCredentials"][0]["keyId"], added["keyId"]);
    let tenant = &fixture.principal.tenant;
    let sign_in = async || {
        let secret = added["secretText"].as_str().unwrap();
        fixture.ask_entra(tenant, app_id, secret).await.status
    };
    assert_eq!(sign_in().await, StatusCode::UNAUTHORIZED);
    fixture.azure.advance_clock(TEN);
    assert_eq!(sign_in().await, StatusCode::OK);
}

#[tokio::test]
async fn a_unique_name_makes_no_second_application_while_the_first_is_on_its_way() {
    let fixture = start().await;
    fixture.azure.set_lag(Lag::of(TEN));
    let token = fixture.graph_token().await;
    let upsert = async || {
        let url = "https://graph.microsoft.com/v1.0/applications(uniqueName='gw')";
        let request = fixture
            .client
            .patch(url)
            .bearer_auth(&token)
            .header("prefer", "create-if-missing");
        request
            .json(&json!({"displayName": "gw"}))
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!(upsert().await, StatusCode::CREATED);
    assert_eq!(upsert().await, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_role_counts_for_tokens_that_are_issued_after_it_arrived() {
    let fixture = start().await;
    fixture.azure.set_lag(Lag::of(TEN));
    let action = "Microsoft.ApiManagement/service/read";
    let subscription = Fixture::subscription_id();
    let role = RoleDefinition::new("service reader", Permission::new(&[action], &[]), &subscription);
    let guid = uuid::Uuid::new_v4();
    let definition = format!("{subscription}/providers/Microsoft.Authorization/roleDefinitions/{guid}");
    let body = json!({"properties": {"roleName": role.role_name, "assignableScopes": [subscription],
        "permissions": [{"actions": [action]}]}});
    assert_eq!(
        fixture.arm(Method::PUT, &definition, body).await.status,
        StatusCode::CREATED
    );
    let principal = Principal {
        tenant: fixture.principal.tenant.clone(),
        ..Principal::random()
    };
    fixture.azure.add_principal(principal.clone());
    let assignment = format!("{subscription}/providers/Microsoft.Authorization/roleAssignments/{guid}");
    let body = json!({"properties": {"roleDefinitionId": definition, "principalId": principal.object_id(),
        "principalType": "ServicePrincipal"}});
    let early = fixture.arm(Method::PUT, &assignment, body.clone()).await;
    assert_eq!(early.code(), "RoleDefinitionDoesNotExist");
    fixture.azure.advance_clock(TEN);
    assert_eq!(
        fixture.arm(Method::PUT, &assignment, body.clone()).await.status,
        StatusCode::CREATED
    );
    let twice = assignment.replace(&guid.to_string(), &uuid::Uuid::new_v4().to_string());
    let twice = fixture.arm(Method::PUT, &twice, body).await;
    assert_eq!(twice.code(), "RoleAssignmentExists", "uniqueness does not lag");
    assert_eq!(
        fixture.arm(Method::GET, &assignment, Value::Null).await.status,
        StatusCode::NOT_FOUND
    );

    let token = async || token_of(&fixture, &principal).await;
    let read = async |token: &str| {
        let path = fixture.gateway.service_id();
        fixture
            .arm_as(token, Method::GET, &path, Value::Null)
            .await
            .status
    };
    let early = token().await;
    fixture.azure.advance_clock(TEN);
    assert_eq!(read(&early).await, StatusCode::FORBIDDEN);
    let late = token().await;
    assert_eq!(read(&late).await, StatusCode::OK);
    assert_eq!(
        fixture.arm(Method::DELETE, &assignment, Value::Null).await.status,
        StatusCode::OK
    );
    assert_eq!(read(&late).await, StatusCode::OK);
    fixture.azure.advance_clock(TEN);
    assert_eq!(read(&late).await, StatusCode::FORBIDDEN);
}
