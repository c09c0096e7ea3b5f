//! Microsoft Graph: who may do what, and what a tenant allows.

use apim_sandbox::azure::{Application, Cloud, GraphRights, ServicePrincipal, User};
use jiff::SignedDuration;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::fixture::{Answer, Fixture};

const GRAPH: &str = "https://graph.microsoft.com";

fn denied(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.code(), answer.message()),
        (
            StatusCode::FORBIDDEN,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation."
        )
    );
}

/// An application that nobody owns.
fn foreign(fixture: &Fixture) -> Application {
    let application = Application::new(&fixture.principal.tenant, "foreign");
    fixture
        .azure
        .directory(|directory| directory.add_application(application.clone()));
    application
}

#[tokio::test]
async fn without_rights_nothing_is_read_and_with_read_all_nothing_is_written() {
    let fixture = Fixture::start_with_graph(GraphRights::None).await;
    denied(&fixture.graph(Method::GET, "applications", Value::Null).await);

    let fixture = Fixture::start_with_graph(GraphRights::ReadAll).await;
    let path = format!("applications/{}", foreign(&fixture).id);
    assert_eq!(
        fixture.graph(Method::GET, &path, Value::Null).await.status,
        StatusCode::OK
    );
    denied(
        &fixture
            .graph(Method::POST, "applications", json!({"displayName": "x"}))
            .await,
    );
    denied(
        &fixture
            .graph(Method::PATCH, &path, json!({"displayName": "x"}))
            .await,
    );
    denied(
        &fixture
            .graph(Method::POST, &format!("{path}/addPassword"), json!({}))
            .await,
    );
}

#[tokio::test]
async fn owned_by_manages_what_it_made_and_nothing_else() {
    let fixture = Fixture::start_with_graph(GraphRights::OwnedBy).await;
    let made = fixture
        .graph(Method::POST, "applications", json!({"displayName": "mine"}))
        .await
        .body;
    let mine = format!("applications/{}", made["id"].as_str().unwrap());
    let owners = fixture
        .graph(Method::GET, &format!("{mine}/owners"), Value::Null)
        .await
        .body;
    assert_eq!(owners["value"][0]["id"], fixture.principal.object_id());
    let added = fixture
        .graph(Method::POST, &format!("{mine}/addPassword"), json!({}))
        .await;
    assert_eq!(added.status, StatusCode::OK);
    let principal = fixture
        .graph(Method::POST, "servicePrincipals", json!({"appId": made["appId"]}))
        .await;
    assert_eq!(principal.status, StatusCode::CREATED);

    let foreign = foreign(&fixture);
    let path = format!("applications/{}", foreign.id);
    denied(
        &fixture
            .graph(Method::POST, &format!("{path}/addPassword"), json!({}))
            .await,
    );
    denied(&fixture.graph(Method::DELETE, &path, Value::Null).await);
    denied(&fixture.graph(Method::GET, &path, Value::Null).await);
    let listed = fixture
        .graph(
            Method::GET,
            "applications?$filter=displayName eq 'foreign'",
            Value::Null,
        )
        .await;
    assert_eq!(listed.body["value"][0]["id"], foreign.id);
    denied(
        &fixture
            .graph(
                Method::POST,
                "servicePrincipals",
                json!({"appId": foreign.app_id}),
            )
            .await,
    );
    let missing = fixture
        .graph(Method::POST, "servicePrincipals", json!({"appId": "nothing"}))
        .await;
    assert_eq!(missing.status, StatusCode::FORBIDDEN);
    assert!(
        missing.message().ends_with("must in the local tenant"),
        "{missing:?}"
    );
}

#[tokio::test]
async fn who_is_made_an_owner_manages() {
    let fixture = Fixture::start_with_graph(GraphRights::OwnedBy).await;
    let foreign = foreign(&fixture);
    fixture.azure.directory(|directory| {
        directory.change_application(&foreign.app_id, |it| {
            it.owners.push(fixture.principal.object_id());
        })
    });
    let added = fixture
        .graph(
            Method::POST,
            &format!("applications/{}/addPassword", foreign.id),
            json!({}),
        )
        .await;
    assert_eq!(added.status, StatusCode::OK);
}

#[tokio::test]
async fn owners_are_added_and_removed() {
    let fixture = Fixture::start_with_graph(GraphRights::ReadWriteAll).await;
    let path = format!("applications/{}/owners", foreign(&fixture).id);
    let owner = fixture.principal.object_id();
    let reference = json!({"@odata.id": format!("{GRAPH}/v1.0/directoryObjects/{owner}")});
    let add = async |body: Value| fixture.graph(Method::POST, &format!("{path}/$ref"), body).await;
    assert_eq!(add(reference.clone()).await.status, StatusCode::NO_CONTENT);
    let again = add(reference).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST);
    assert!(again.message().contains("already exist"), "{again:?}");
    let nobody = add(json!({"@odata.id": format!("{GRAPH}/v1.0/directoryObjects/nobody")})).await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
    let one = format!("{path}/{owner}/$ref");
    assert_eq!(
        fixture.graph(Method::DELETE, &one, Value::Null).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        fixture.graph(Method::DELETE, &one, Value::Null).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_user_manages_what_is_theirs_and_registers_where_the_tenant_allows_it() {
    let fixture = Fixture::start_with_graph(GraphRights::None).await;
    let tenant = &fixture.principal.tenant;
    let user = User::new(tenant, "Ada");
    let administrator = User {
        administrator: true,
        ..User::new(tenant, "Root")
    };
    fixture.azure.directory(|directory| {
        directory.add_user(user.clone());
        directory.add_user(administrator.clone());
    });
    let token = fixture.azure.token_of_user(&user, GRAPH);
    let register = async |token: &str| {
        let body = json!({"displayName": "by a user"});
        fixture.graph_as(token, Method::POST, "applications", &body).await
    };
    let made = register(&token).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let own = format!("applications/{}", made.body["id"].as_str().unwrap());
    let owners = fixture
        .graph_as(&token, Method::GET, &format!("{own}/owners"), &Value::Null)
        .await;
    assert_eq!(owners.body["value"][0]["@odata.type"], "#microsoft.graph.user");
    let foreign = format!("applications/{}", foreign(&fixture).id);
    denied(
        &fixture
            .graph_as(&token, Method::DELETE, &foreign, &Value::Null)
            .await,
    );

    fixture
        .azure
        .directory(|directory| directory.tenant_mut(tenant).users_may_register_apps = false);
    denied(&register(&token).await);
    let root = fixture.azure.token_of_user(&administrator, GRAPH);
    assert_eq!(register(&root).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_tenant_can_forbid_secrets_and_cap_lives() {
    let fixture = Fixture::start_with_graph(GraphRights::ReadWriteAll).await;
    let path = format!("applications/{}", foreign(&fixture).id);
    let tenant = fixture.principal.tenant.clone();
    let month = SignedDuration::from_hours(30 * 24);
    fixture.azure.directory(|directory| {
        let tenant = directory.tenant_mut(&tenant);
        tenant.longest_password = Some(month);
        tenant.longest_certificate = Some(month);
    });
    let add = format!("{path}/addPassword");
    let too_long = fixture.graph(Method::POST, &add, json!({})).await;
    assert_eq!(
        (too_long.status, too_long.code()),
        (StatusCode::BAD_REQUEST, "CredentialInvalidLifetimeAsPerAppPolicy")
    );
    let end = (fixture.azure.now() + month - SignedDuration::from_mins(1)).to_string();
    let allowed = json!({"passwordCredential": {"endDateTime": end}});
    assert_eq!(
        fixture.graph(Method::POST, &add, allowed.clone()).await.status,
        StatusCode::OK
    );
    let key = super::graph_credentials::certificate();
    let keys = json!({"keyCredentials": [{"type": "AsymmetricX509Cert", "usage": "Verify", "key": key}]});
    let too_long = fixture.graph(Method::PATCH, &path, keys).await;
    assert_eq!(too_long.code(), "CredentialInvalidLifetimeAsPerAppPolicy");

    fixture
        .azure
        .directory(|directory| directory.tenant_mut(&tenant).passwords_allowed = false);
    let forbidden = fixture.graph(Method::POST, &add, allowed).await;
    assert_eq!(
        (forbidden.status, forbidden.code()),
        (StatusCode::BAD_REQUEST, "CredentialTypeNotAllowedAsPerAppPolicy")
    );
}

#[tokio::test]
async fn each_cloud_has_a_graph_of_its_own() {
    let fixture = Fixture::start_with_graph(GraphRights::ReadAll).await;
    let (tenant, id) = (&fixture.principal.tenant, &fixture.principal.client_id);
    for cloud in Cloud::ALL {
        let form = format!(
            "client_id={id}&grant_type=client_credentials&client_secret={}&scope=https://{}/.default",
            fixture.principal.client_secret.replace('~', "%7E"),
            cloud.graph()
        );
        let url = format!("https://{}/{tenant}/oauth2/v2.0/token", cloud.authority());
        let token = fixture.post_form(&url, form.clone()).await.body["access_token"].clone();
        for other in Cloud::ALL {
            let url = format!("https://{}/v1.0/applications", other.graph());
            let answer = fixture
                .graph_as(token.as_str().unwrap(), Method::GET, &url, &Value::Null)
                .await;
            if other == cloud {
                assert_eq!(answer.status, StatusCode::OK);
            } else {
                assert_eq!(
                    (answer.status, answer.code()),
                    (StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken")
                );
                let elsewhere = format!("https://{}/{tenant}/oauth2/v2.0/token", other.authority());
                let refused = fixture.post_form(&elsewhere, form.clone()).await;
                assert_eq!(refused.body["error_codes"], json!([500_011]));
            }
        }
    }
    let arm = fixture.sign_in().await;
    let answer = fixture
        .graph_as(&arm, Method::GET, "applications", &Value::Null)
        .await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_disabled_or_blocked_application_gets_no_token() {
    let fixture = Fixture::start_with_graph(GraphRights::None).await;
    let (tenant, id) = (&fixture.principal.tenant, &fixture.principal.client_id);
    let code = async || {
        let answer = fixture
            .ask_entra(tenant, id, &fixture.principal.client_secret)
            .await;
        answer.body["error_codes"][0].as_u64()
    };
    assert_eq!(code().await, None);
    let enable = |is_enabled: bool| {
        let set = |it: &mut ServicePrincipal| it.account_enabled = is_enabled;
        fixture
            .azure
            .directory(|directory| directory.change_service_principal(id, set));
    };
    enable(false);
    assert_eq!(code().await, Some(7_000_112));
    enable(true);
    fixture.azure.directory(|directory| {
        let blocked = &mut directory.tenant_mut(tenant).blocked_by_conditional_access;
        blocked.insert(id.clone());
    });
    assert_eq!(code().await, Some(53003));
}
