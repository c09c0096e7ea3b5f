//! Microsoft Graph: applications, service principals and their credentials.

use apim_sandbox::azure::{Action, Application, Directory, Fault, GraphRights, Operation};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::fixture::{Answer, Fixture};

pub(crate) async fn start() -> Fixture {
    Fixture::start_with_graph(GraphRights::ReadWriteAll).await
}

pub(crate) async fn create(fixture: &Fixture, name: &str) -> Value {
    let answer = fixture
        .graph(Method::POST, "applications", json!({"displayName": name}))
        .await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.body
}

pub(crate) fn path(object: &Value) -> String {
    format!("applications/{}", object["id"].as_str().unwrap())
}

#[tokio::test]
async fn an_application_is_created_found_changed_and_deleted() {
    let fixture = start().await;
    let body = json!({"displayName": "O'Brien's gateway", "keyCredentials": []});
    let created = fixture.graph(Method::POST, "applications", body).await;
    assert_eq!(created.status, StatusCode::CREATED);
    let application = created.body;
    assert_eq!(
        application["signInAudience"],
        "AzureADandPersonalMicrosoftAccount"
    );
    assert_eq!(application["uniqueName"], Value::Null);

    let app_id = application["appId"].as_str().unwrap();
    for filter in [
        "displayName eq 'o''brien''s gateway'".to_owned(),
        format!("appId eq '{app_id}'"),
        "startswith(displayName,'O''Br')".to_owned(),
        format!("id in ('{}')", application["id"].as_str().unwrap()),
    ] {
        let found = fixture
            .graph(
                Method::GET,
                &format!("applications?$filter={filter}&$select=id,appId"),
                Value::Null,
            )
            .await;
        let expected = json!([{"id": application["id"], "appId": app_id}]);
        assert_eq!(found.body["value"], expected, "{filter}");
    }
    let by_key = format!("applications(appId='{app_id}')");
    let rename = fixture
        .graph(
            Method::PATCH,
            &by_key,
            json!({"displayName": "renamed", "tags": ["a"]}),
        )
        .await;
    assert_eq!(
        (rename.status, &rename.body),
        (StatusCode::NO_CONTENT, &Value::Null)
    );
    let shown = fixture
        .graph(Method::GET, &path(&application), Value::Null)
        .await
        .body;
    assert_eq!(
        (&shown["displayName"], &shown["tags"]),
        (&json!("renamed"), &json!(["a"]))
    );

    let gone = fixture.graph(Method::DELETE, &by_key, Value::Null).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(fixture.azure.requests_for(Operation::CreateApplication).len(), 1);
}

#[tokio::test]
async fn a_missing_application_is_named_as_by_graph() {
    let fixture = start().await;
    let missing = fixture
        .graph(Method::GET, "applications(appId='gone')", Value::Null)
        .await;
    assert_eq!(
        (missing.status, missing.code(), missing.message()),
        (
            StatusCode::NOT_FOUND,
            "Request_ResourceNotFound",
            "Resource 'gone' does not exist or one of its queried reference-property objects are not present."
        )
    );
    let date = missing.body["error"]["innerError"]["date"].as_str().unwrap();
    assert!(!date.ends_with('Z') && date.len() == 19, "{date}");
}

#[tokio::test]
async fn a_unique_name_makes_an_application_once() {
    let fixture = start().await;
    let token = fixture.graph_token().await;
    let upsert = async |prefer: &str, name: &str| {
        let url = format!("https://graph.microsoft.com/v1.0/applications(uniqueName='{name}')");
        let request = fixture
            .client
            .patch(url)
            .bearer_auth(&token)
            .header("prefer", prefer);
        let sent = request.json(&json!({"displayName": "gw"})).send().await.unwrap();
        Answer::read(sent).await
    };
    assert_eq!(upsert("", "gw''1").await.status, StatusCode::NOT_FOUND);
    let made = upsert("create-if-missing", "gw''1").await;
    assert_eq!(
        (made.status, &made.body["uniqueName"]),
        (StatusCode::CREATED, &json!("gw'1"))
    );
    let again = upsert("create-if-missing", "gw''1").await;
    assert_eq!((again.status, again.body), (StatusCode::NO_CONTENT, Value::Null));
    assert_eq!(upsert("", "gw''1").await.status, StatusCode::NO_CONTENT);

    let other = fixture
        .graph(
            Method::POST,
            "applications",
            json!({"displayName": "x", "uniqueName": "GW'1"}),
        )
        .await;
    assert_eq!(
        (other.status, other.code()),
        (StatusCode::CONFLICT, "Request_MultipleObjectsWithSameKeyValue")
    );
    let named = fixture.azure.directory(|directory| {
        let named = |it: &&&Application| it.unique_name.is_some();
        directory.applications().iter().filter(named).count()
    });
    assert_eq!(named, 1);
    let fixed = fixture
        .graph(Method::PATCH, &path(&made.body), json!({"uniqueName": "other"}))
        .await;
    assert_eq!(fixed.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn applications_come_in_pages() {
    let fixture = start().await;
    fixture.azure.directory(|directory| {
        for index in 0..250 {
            let application = Application::new(&fixture.principal.tenant, &format!("page {index}"));
            directory.add_application(application);
        }
        directory.add_application(Application::new("another-tenant", "page"));
    });
    let token = fixture.graph_token().await;
    for (query, sizes) in [
        ("", vec![100, 100, 50]),
        ("&$top=200", vec![200, 50]),
        ("&$top=999", vec![250]),
    ] {
        let mut next =
            format!("applications?$filter=startswith(displayName,'page')&$select=displayName{query}");
        let mut names = std::collections::BTreeSet::new();
        let mut pages = Vec::new();
        loop {
            let page = fixture
                .graph_as(&token, Method::GET, &next, &Value::Null)
                .await
                .body;
            let value = page["value"].as_array().unwrap();
            pages.push(value.len());
            names.extend(
                value
                    .iter()
                    .map(|it| it["displayName"].as_str().unwrap().to_owned()),
            );
            let Some(link) = page["@odata.nextLink"].as_str() else {
                break;
            };
            link.clone_into(&mut next);
        }
        assert_eq!((pages, names.len()), (sizes, 250), "{query}");
    }
    let refused = fixture
        .graph(Method::GET, "applications?$top=1000", Value::Null)
        .await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::BAD_REQUEST, "Request_BadRequest")
    );
}

#[tokio::test]
async fn a_service_principal_is_made_once_and_for_an_application_that_exists() {
    let fixture = start().await;
    let application = create(&fixture, "gw").await;
    let post = async |app_id: &Value| {
        fixture
            .graph(Method::POST, "servicePrincipals", json!({"appId": app_id}))
            .await
    };
    let made = post(&application["appId"]).await;
    assert_eq!(
        (made.status, &made.body["accountEnabled"]),
        (StatusCode::CREATED, &json!(true))
    );
    let again = post(&application["appId"]).await;
    assert_eq!(
        (again.status, again.code()),
        (StatusCode::CONFLICT, "Request_MultipleObjectsWithSameKeyValue")
    );
    let unknown = post(&json!("00000000-0000-4000-8000-000000000000")).await;
    assert_eq!(
        (
            unknown.status,
            unknown.code(),
            &unknown.body["error"]["details"][0]["code"]
        ),
        (
            StatusCode::BAD_REQUEST,
            "Request_BadRequest",
            &json!("NoBackingApplicationObject")
        )
    );
    let app_id = application["appId"].as_str().unwrap();
    for path in [
        format!("servicePrincipals?$filter=appId eq '{app_id}'"),
        format!("servicePrincipals?$filter=servicePrincipalNames/any(c:c eq '{app_id}')"),
    ] {
        let found = fixture.graph(Method::GET, &path, Value::Null).await.body;
        assert_eq!(found["value"][0]["id"], made.body["id"], "{path}");
    }
    let by_ids = json!({"ids": [made.body["id"]], "types": ["user", "servicePrincipal"]});
    let found = fixture
        .graph(Method::POST, "directoryObjects/getByIds", by_ids)
        .await
        .body;
    assert_eq!(
        found["value"][0]["@odata.type"],
        "#microsoft.graph.servicePrincipal"
    );

    let by_key = format!("servicePrincipals(appId='{app_id}')");
    let off = fixture
        .graph(Method::PATCH, &by_key, json!({"accountEnabled": false}))
        .await;
    assert_eq!(off.status, StatusCode::NO_CONTENT);
    let shown = fixture.graph(Method::GET, &by_key, Value::Null).await.body;
    assert_eq!(shown["accountEnabled"], false);
    let roles = format!("{by_key}/appRoleAssignments");
    assert_eq!(
        fixture.graph(Method::GET, &roles, Value::Null).await.body["value"],
        json!([])
    );
}

#[tokio::test]
async fn a_service_principal_can_be_made_under_its_application_id() {
    let fixture = start().await;
    let application = create(&fixture, "gw").await;
    let app_id = application["appId"].as_str().unwrap();
    let token = fixture.graph_token().await;
    let upsert = async |prefer: &str| {
        let url = format!("https://graph.microsoft.com/v1.0/servicePrincipals(appId='{app_id}')");
        let request = fixture
            .client
            .patch(url)
            .bearer_auth(&token)
            .header("prefer", prefer);
        let sent = request.json(&json!({})).send().await.unwrap();
        sent.status()
    };
    assert_eq!(upsert("").await, StatusCode::NOT_FOUND);
    assert_eq!(upsert("create-if-missing").await, StatusCode::CREATED);
    assert_eq!(upsert("create-if-missing").await, StatusCode::NO_CONTENT);
    let made = |directory: &mut Directory| {
        let all = directory.service_principals();
        all.iter().filter(|it| it.app_id == app_id).count()
    };
    assert_eq!(fixture.azure.directory(made), 1);
}

#[tokio::test]
async fn a_secret_whose_answer_is_lost_is_there_all_the_same() {
    let fixture = start().await;
    let application = create(&fixture, "gw").await;
    let fault = Fault::on(Operation::AddPassword, Action::ResetAfter).once();
    fixture.azure.fault(fault);
    let url = format!(
        "https://graph.microsoft.com/v1.0/{}/addPassword",
        path(&application)
    );
    let token = fixture.graph_token().await;
    let sent = fixture
        .client
        .post(url)
        .bearer_auth(token)
        .json(&json!({}))
        .send()
        .await;
    assert!(sent.is_err());
    let app_id = application["appId"].as_str().unwrap();
    let passwords = |directory: &mut Directory| directory.application(app_id).unwrap().passwords.len();
    assert_eq!(fixture.azure.directory(passwords), 1);
}
