//! Role assignments, locks, and what they allow.

use apim_sandbox::azure::{Grant, LockLevel, Permission, RoleAssignment, RoleDefinition};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::fixture::{Answer, Fixture};
use super::roles::{READER, definition, new_guid, other, refused, role as role_body, token_of};

/// A role for the configuration, and the path of a new assignment at the service.
fn assignable(fixture: &Fixture) -> (RoleDefinition, String) {
    let role = RoleDefinition::new(
        "reader",
        Permission::new(&[], &[READER]),
        &Fixture::subscription_id(),
    );
    fixture
        .azure
        .authorization(|it| it.add_role_definition(role.clone()));
    (role, fixture.gateway.service_id())
}

fn assignment(scope: &str) -> String {
    format!(
        "{scope}/providers/Microsoft.Authorization/roleAssignments/{}",
        new_guid()
    )
}

#[tokio::test]
async fn an_assignment_is_made_once_and_never_changed() {
    let fixture = Fixture::start().await;
    let (role, scope) = assignable(&fixture);
    let principal = other(&fixture).object_id();
    let body = |principal: &str| {
        json!({"properties": {"roleDefinitionId": role.arm_id(Some("s")), "principalId": principal,
            "principalType": "ServicePrincipal"}})
    };
    let first = assignment(&scope);
    let made = fixture.arm(Method::PUT, &first, body(&principal)).await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert_eq!(
        fixture.arm(Method::PUT, &first, body(&principal)).await.status,
        StatusCode::OK
    );
    let twice = fixture
        .arm(Method::PUT, &assignment(&scope), body(&principal))
        .await;
    refused(&twice, StatusCode::CONFLICT, "RoleAssignmentExists");
    let id = made.body["name"].as_str().unwrap().replace('-', "");
    assert_eq!(
        twice.message(),
        format!("The role assignment already exists. The ID of the existing role assignment is {id}.")
    );
    let changed = fixture
        .arm(Method::PUT, &first, body(&fixture.principal.object_id()))
        .await;
    refused(
        &changed,
        StatusCode::BAD_REQUEST,
        "RoleAssignmentUpdateNotPermitted",
    );

    let used = fixture
        .arm(Method::DELETE, &definition(&role.name), Value::Null)
        .await;
    refused(&used, StatusCode::BAD_REQUEST, "RoleDefinitionHasAssignments");
    fixture.azure.authorization(|it| it.most_assignments = 1);
    let full = fixture
        .arm(Method::PUT, &assignment(&scope), body(&new_guid()))
        .await;
    refused(&full, StatusCode::BAD_REQUEST, "RoleAssignmentLimitExceeded");
    assert_eq!(
        fixture.arm(Method::DELETE, &first, Value::Null).await.status,
        StatusCode::OK
    );
    assert_eq!(
        fixture.arm(Method::DELETE, &first, Value::Null).await.status,
        StatusCode::NO_CONTENT
    );
    let gone = fixture.arm(Method::GET, &first, Value::Null).await;
    refused(&gone, StatusCode::NOT_FOUND, "RoleAssignmentNotFound");
}

#[tokio::test]
async fn a_principal_is_looked_up_only_if_its_type_is_not_given() {
    let fixture = Fixture::start().await;
    let (role, scope) = assignable(&fixture);
    let principal = other(&fixture);
    let put = async |role: &str, principal: &str, kind: Option<&str>| {
        let mut body = json!({"properties": {"roleDefinitionId": role, "principalId": principal}});
        if let Some(kind) = kind {
            body["properties"]["principalType"] = kind.into();
        }
        fixture.arm(Method::PUT, &assignment(&scope), body).await
    };
    let id = role.arm_id(None);
    let unknown = put(&id, &principal.client_id, None).await;
    refused(&unknown, StatusCode::BAD_REQUEST, "PrincipalNotFound");
    let application = put(&id, &principal.application_id(), None).await;
    refused(&application, StatusCode::BAD_REQUEST, "PrincipalTypeNotSupported");
    let user = put(&id, &principal.object_id(), Some("User")).await;
    refused(&user, StatusCode::BAD_REQUEST, "UnmatchedPrincipalType");
    let absent = assignment(&scope).replace("contoso", "absent");
    let absent = fixture.arm(Method::PUT, &absent, json!({"properties": {}})).await;
    refused(&absent, StatusCode::NOT_FOUND, "ResourceNotFound");
    let no_role = put(&definition(&new_guid()), &principal.object_id(), None).await;
    refused(&no_role, StatusCode::BAD_REQUEST, "RoleDefinitionDoesNotExist");

    // The client id in the place of the object id is accepted and grants nothing.
    let useless = put(&id, &principal.client_id, Some("ServicePrincipal")).await;
    assert_eq!(useless.status, StatusCode::CREATED);
    let permissions = async || {
        let path = format!("{scope}/providers/Microsoft.Authorization/permissions");
        let token = token_of(&fixture, &principal).await;
        fixture.arm_as(&token, Method::GET, &path, Value::Null).await.body["value"].clone()
    };
    assert_eq!(permissions().await, json!([]));
    let made = put(&id, &principal.object_id(), None).await;
    assert_eq!(made.body["properties"]["principalType"], "ServicePrincipal");
    assert_eq!(permissions().await[0]["dataActions"], json!([READER]));
}

#[tokio::test]
async fn assignments_are_listed_at_above_and_below_a_scope() {
    let fixture = Fixture::start().await;
    let (role, service) = assignable(&fixture);
    let principal = new_guid();
    let group = service.split("/providers/").next().unwrap().to_owned();
    fixture.azure.authorization(|it| {
        for scope in [&Fixture::subscription_id(), &group, &service] {
            it.add_role_assignment(RoleAssignment::new(scope, &role, &principal));
            it.add_role_assignment(RoleAssignment::new(scope, &role, &new_guid()));
        }
    });
    let list = async |filter: &str| {
        let path = format!("{group}/providers/Microsoft.Authorization/roleAssignments{filter}");
        fixture.arm(Method::GET, &path, Value::Null).await
    };
    for (filter, count) in [
        ("", 6),
        ("?$filter=atScope()", 4),
        (&format!("?$filter=principalId eq '{principal}'"), 3),
        (&format!("?$filter=assignedTo('{principal}')"), 3),
        (&format!("?$filter=atScope() and assignedTo('{principal}')"), 2),
    ] {
        let found = list(filter).await.body;
        assert_eq!(found["value"].as_array().unwrap().len(), count, "{filter}");
    }
    // Every page but the last links to the next.
    fixture.azure.authorization(|it| it.page_size = 4);
    let first = list("?$filter=principalId eq 'x' ").await.body;
    assert_eq!(first["nextLink"], Value::Null);
    let first = list("").await.body;
    assert_eq!(first["value"].as_array().unwrap().len(), 4);
    let next = first["nextLink"].as_str().unwrap().to_owned();
    let request = fixture.client.get(next).bearer_auth(fixture.sign_in().await);
    let second = Answer::read(request.send().await.unwrap()).await.body;
    assert_eq!(
        (second["value"].as_array().unwrap().len(), &second["nextLink"]),
        (2, &Value::Null)
    );
    let mixed = list(&format!("?$filter=atScope() and principalId eq '{principal}'")).await;
    refused(&mixed, StatusCode::BAD_REQUEST, "UnsupportedQuery");
}

#[tokio::test]
async fn only_who_may_assign_assigns_and_a_new_role_needs_a_new_token() {
    let fixture = Fixture::start().await;
    let (role, scope) = assignable(&fixture);
    let principal = other(&fixture);
    let old = token_of(&fixture, &principal).await;
    let body = json!({"properties": {"roleDefinitionId": role.arm_id(None), "principalId": new_guid(),
        "principalType": "ServicePrincipal"}});
    let try_as = async |token: &str| {
        fixture
            .arm_as(token, Method::PUT, &assignment(&scope), body.clone())
            .await
    };
    let denied = try_as(&old).await;
    refused(&denied, StatusCode::FORBIDDEN, "AuthorizationFailed");
    assert!(
        denied
            .message()
            .contains("'Microsoft.Authorization/roleAssignments/write'")
    );

    // User Access Administrator, given by the fixture's principal.
    let administrator = definition("18d7d88d-d35e-4fb5-a5c3-7773c20a72d9");
    let give = json!({"properties": {"roleDefinitionId": administrator, "principalId": principal.object_id(),
        "principalType": "ServicePrincipal"}});
    let given = fixture
        .arm(Method::PUT, &assignment(&Fixture::subscription_id()), give)
        .await;
    assert_eq!(given.status, StatusCode::CREATED);
    refused(&try_as(&old).await, StatusCode::FORBIDDEN, "AuthorizationFailed");
    let new = token_of(&fixture, &principal).await;
    assert_eq!(try_as(&new).await.status, StatusCode::CREATED);

    // A role that may be assigned at a scope where the caller has no right to write it.
    let writer = Fixture::start_with(Grant::new(&Fixture::subscription_id(), &["*"])).await;
    let mut wide = role_body("wide", &json!([]), &Fixture::subscription_id());
    wide["properties"]["assignableScopes"] = json!([
        Fixture::subscription_id(),
        "/subscriptions/5ab50002-0000-4000-8000-000000000001"
    ]);
    let denied = writer.arm(Method::PUT, &definition(&new_guid()), wide).await;
    refused(&denied, StatusCode::FORBIDDEN, "AuthorizationFailed");
    assert!(denied.message().contains("5ab50002"), "{denied:?}");
}

#[tokio::test]
async fn a_lock_forbids_writes_below_it() {
    let fixture = Fixture::start().await;
    let (role, scope) = assignable(&fixture);
    let group = scope.split("/providers/").next().unwrap().to_owned();
    let body = json!({"properties": {"roleDefinitionId": role.arm_id(None), "principalId": new_guid(),
        "principalType": "ServicePrincipal"}});
    let token = async || {
        let life = jiff::SignedDuration::from_hours(1);
        fixture.generate_token("primary", life).await.status
    };
    fixture
        .azure
        .authorization(|it| it.lock(&group, LockLevel::CanNotDelete));
    let made = assignment(&scope);
    assert_eq!(
        fixture.arm(Method::PUT, &made, body.clone()).await.status,
        StatusCode::CREATED
    );
    assert_eq!(token().await, StatusCode::OK);
    let kept = fixture.arm(Method::DELETE, &made, Value::Null).await;
    refused(&kept, StatusCode::CONFLICT, "ScopeLocked");

    fixture
        .azure
        .authorization(|it| it.lock(&group, LockLevel::ReadOnly));
    let locked = fixture.arm(Method::PUT, &assignment(&scope), body).await;
    refused(&locked, StatusCode::CONFLICT, "ScopeLocked");
    assert_eq!(
        locked.message(),
        format!(
            "The scope '{scope}' cannot perform write operation because following scope(s) are locked: '{group}'. \
             Please remove the lock and try again."
        )
    );
    assert_eq!(token().await, StatusCode::CONFLICT);
    assert_eq!(fixture.get(&fixture.gateway.id()).await.status, StatusCode::OK);
}
