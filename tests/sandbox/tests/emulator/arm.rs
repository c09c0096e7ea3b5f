//! Azure Resource Manager: reading, rights and errors.

use apim_sandbox::azure::{Gateway, Grant, Operation};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::fixture::{ARM, Answer, Fixture};

async fn raw(fixture: &Fixture, url: &str, authorization: Option<&str>) -> Answer {
    let request = fixture.client.get(url);
    let request = match authorization {
        Some(value) => request.header("authorization", value),
        None => request,
    };
    Answer::read(request.send().await.unwrap()).await
}

#[tokio::test]
async fn a_caller_without_a_valid_token_is_challenged() {
    let fixture = Fixture::start().await;
    let url = format!("{ARM}{}?api-version=2024-05-01", fixture.gateway.id());
    let missing = raw(&fixture, &url, None).await;
    assert_eq!(
        (missing.status, missing.code()),
        (StatusCode::UNAUTHORIZED, "AuthenticationFailed")
    );
    assert!(missing.header("www-authenticate").contains("authorization_uri="));

    let good = fixture.sign_in().await;
    let tampered = format!("Bearer {}x", &good[..good.len() - 1]);
    for token in ["Bearer nonsense", "Basic abc", &tampered] {
        let answer = raw(&fixture, &url, Some(token)).await;
        assert_eq!(
            (answer.status, answer.code()),
            (StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken")
        );
    }
}

#[tokio::test]
async fn an_api_version_is_required_and_old_ones_are_retired() {
    let fixture = Fixture::start().await;
    let token = format!("Bearer {}", fixture.sign_in().await);
    let url = format!("{ARM}{}", fixture.gateway.id());
    for (query, status, code) in [
        ("", StatusCode::BAD_REQUEST, Some("MissingApiVersionParameter")),
        (
            "?api-version=latest",
            StatusCode::BAD_REQUEST,
            Some("InvalidApiVersionParameter"),
        ),
        (
            "?api-version=2020-12-01",
            StatusCode::BAD_REQUEST,
            Some("NoRegisteredProviderFound"),
        ),
        ("?api-version=2021-08-01", StatusCode::OK, None),
        ("?Api-Version=2025-03-01-preview", StatusCode::OK, None),
    ] {
        let answer = raw(&fixture, &format!("{url}{query}"), Some(&token)).await;
        assert_eq!(answer.status, status, "{query}");
        assert_eq!(answer.body["error"]["code"].as_str(), code, "{query}");
    }
}

#[tokio::test]
async fn a_missing_right_is_named_with_its_action_and_scope() {
    let operator = Grant::token_operator(&Fixture::subscription_id());
    let fixture = Fixture::start_with(operator).await;
    let id = fixture.gateway.id();
    assert_eq!(fixture.get(&id).await.status, StatusCode::OK);

    let answer = fixture
        .post(&format!("{id}/regenerateKey"), json!({"keyType": "primary"}))
        .await;
    assert_eq!(
        (answer.status, answer.code()),
        (StatusCode::FORBIDDEN, "AuthorizationFailed")
    );
    let expected = format!(
        "The client '{}' with object id '{}' does not have authorization to perform action \
         'Microsoft.ApiManagement/service/gateways/regenerateKey/action' over scope '{id}' or the scope is invalid. If \
         access was recently granted, please refresh your credentials.",
        fixture.principal.client_id,
        fixture.principal.object_id()
    );
    assert_eq!(answer.message(), expected);
    let keys = fixture.post(&format!("{id}/listKeys"), Value::Null).await;
    assert_eq!(keys.status, StatusCode::FORBIDDEN);

    let elsewhere = id.replace("5ab50001", "5ab59999");
    let answer = fixture.get(&elsewhere).await;
    assert_eq!(
        answer.status,
        StatusCode::FORBIDDEN,
        "a scope that does not exist looks like a forbidden one"
    );
}

#[tokio::test]
async fn missing_objects_are_named() {
    let fixture = Fixture::start().await;
    let there = &fixture.gateway;
    for (absent, code, message) in [
        (
            Gateway {
                name: "gone".into(),
                ..there.clone()
            },
            "ResourceNotFound",
            "Gateway not found.",
        ),
        (
            Gateway {
                service: "gone".into(),
                ..there.clone()
            },
            "ParentResourceNotFound",
            "Can not perform requested operation on nested resource. Parent resource 'gone' not found.",
        ),
        (
            Gateway {
                resource_group: "gone".into(),
                ..there.clone()
            },
            "ResourceGroupNotFound",
            "Resource group 'gone' could not be found.",
        ),
        (
            Gateway {
                subscription: "5ab50001-0000-4000-8000-00000000dead".into(),
                ..there.clone()
            },
            "SubscriptionNotFound",
            "The subscription '5ab50001-0000-4000-8000-00000000dead' could not be found.",
        ),
    ] {
        let answer = fixture.get(&absent.id()).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_eq!((answer.code(), answer.message()), (code, message));
        let of_arm = answer.headers.contains_key("x-ms-failure-cause");
        assert_eq!(of_arm, code != "ResourceNotFound");
        let counted = answer
            .headers
            .contains_key("x-ms-ratelimit-remaining-subscription-reads");
        assert_eq!(counted, !of_arm, "{code}");
    }
    let malformed = Gateway {
        subscription: "gone".into(),
        ..there.clone()
    };
    let answer = fixture.get(&malformed.id()).await;
    assert_eq!(
        (answer.status, answer.code()),
        (StatusCode::BAD_REQUEST, "InvalidSubscriptionId")
    );
}

#[tokio::test]
async fn a_version_that_a_service_or_a_cloud_lacks_is_answered_with_those_it_has() {
    let fixture = Fixture::start().await;
    let id = fixture.gateway.id();
    let token = format!("Bearer {}", fixture.sign_in().await);
    let ask = async |version: &str| {
        let url = format!("{ARM}{id}?api-version={version}");
        raw(&fixture, &url, Some(&token)).await
    };
    fixture
        .azure
        .set_min_api_version(&fixture.gateway, "2023-05-01-preview");
    let refused = ask("2022-08-01").await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::BAD_REQUEST, "MissingOrIncorrectVersionParameter")
    );
    assert_eq!(ask("2024-05-01").await.status, StatusCode::OK);
    fixture
        .azure
        .remove_api_versions(&["2024-05-01", "2025-03-01-preview"]);
    assert_eq!(
        ask("2024-05-01").await.message(),
        "API version query parameter is not specified or was specified incorrectly.  Supported versions: \
         2023-05-01-preview,2024-06-01-preview  Example query param format: api-version=SupportedVersion"
    );
}

#[tokio::test]
async fn a_gateway_is_found_in_any_case_and_has_an_etag() {
    let fixture = Fixture::start().await;
    let path = fixture
        .gateway
        .id()
        .to_uppercase()
        .replace("/SUBSCRIPTIONS", "/subscriptions");
    let answer = fixture.get(&path).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body["id"], fixture.gateway.id());
    let etag = answer.header("etag").to_owned();
    assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");

    let token = fixture.sign_in().await;
    let head = Answer::read(fixture.send(&token, Method::HEAD, &path, None).await).await;
    assert_eq!(
        (head.status, head.header("etag")),
        (StatusCode::OK, etag.as_str())
    );
}

#[tokio::test]
async fn gateways_come_in_pages_that_link_to_the_next() {
    let fixture = Fixture::start().await;
    for index in 2..=7 {
        fixture.azure.add_gateway(&Gateway {
            name: format!("gw-{index}"),
            ..fixture.gateway.clone()
        });
    }
    let list = format!("{}/gateways", fixture.gateway.service_id());
    let token = format!("Bearer {}", fixture.sign_in().await);
    let mut next = format!("{ARM}{list}?api-version=2024-05-01&$top=3");
    let mut pages = Vec::new();
    loop {
        let page = raw(&fixture, &next, Some(&token)).await;
        assert_eq!(page.body["count"], 7, "the count is of all pages");
        let names = page.body["value"].as_array().unwrap().iter();
        pages.push(
            names
                .map(|gateway| gateway["name"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>(),
        );
        let Some(link) = page.body["nextLink"].as_str() else {
            break;
        };
        assert!(link.starts_with(&format!("{ARM}:443/")), "{link}");
        link.clone_into(&mut next);
    }
    assert_eq!(
        pages,
        [
            vec!["gw-1", "gw-2", "gw-3"],
            vec!["gw-4", "gw-5", "gw-6"],
            vec!["gw-7"]
        ]
    );

    let none = raw(
        &fixture,
        &format!("{ARM}{list}?api-version=2024-05-01&$top=0"),
        Some(&token),
    )
    .await;
    assert_eq!(none.code(), "ValidationError");
}

#[tokio::test]
async fn services_and_subscriptions_are_limited_to_the_callers_rights() {
    let fixture = Fixture::start_with(Grant::token_operator(&format!(
        "{}/resourceGroups/rg-one",
        Fixture::subscription_id()
    )))
    .await;
    let hidden = Gateway {
        resource_group: "rg-two".into(),
        service: "hidden".into(),
        ..fixture.gateway.clone()
    };
    fixture.azure.add_gateway(&hidden);
    fixture.azure.add_gateway(&Gateway {
        subscription: "other".into(),
        ..hidden
    });

    let subscriptions = fixture.get("/subscriptions").await.body;
    assert_eq!(subscriptions["value"].as_array().unwrap().len(), 1);
    assert_eq!(
        subscriptions["value"][0]["subscriptionId"],
        fixture.gateway.subscription
    );
    assert_eq!(
        fixture.get(&Fixture::subscription_id()).await.body["state"],
        "Enabled"
    );
    assert_eq!(
        fixture.get("/subscriptions/other").await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        fixture.get("/tenants").await.body["value"][0]["tenantId"],
        fixture.principal.tenant
    );

    let provider = "providers/Microsoft.ApiManagement/service";
    let all = fixture
        .get(&format!("{}/{provider}", Fixture::subscription_id()))
        .await
        .body;
    assert_eq!(all["value"].as_array().unwrap().len(), 1);
    assert_eq!(
        all["value"][0]["properties"]["managementApiUrl"],
        "https://contoso.management.azure-api.net"
    );
    let group = format!("{}/resourceGroups/RG-ONE/{provider}", Fixture::subscription_id());
    assert_eq!(fixture.get(&group).await.body["value"][0]["name"], "contoso");
    assert_eq!(
        fixture.get(&group.replace("RG-ONE", "rg-two")).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        fixture.get(&fixture.gateway.service_id()).await.body["sku"]["name"],
        "Developer"
    );

    let permissions = format!(
        "{}/providers/Microsoft.Authorization/permissions",
        fixture.gateway.id()
    );
    let permissions = fixture.get(&permissions).await.body;
    let actions = permissions["value"][0]["actions"].as_array().unwrap();
    assert!(actions.contains(&json!(
        "Microsoft.ApiManagement/service/gateways/generateToken/action"
    )));
}

#[tokio::test]
async fn resource_graph_finds_services_by_name() {
    let fixture = Fixture::start_with(Grant::token_operator(&Fixture::subscription_id())).await;
    for service in ["fabrikam", "adatum"] {
        fixture.azure.add_gateway(&Gateway {
            service: service.into(),
            ..fixture.gateway.clone()
        });
    }
    fixture.azure.add_gateway(&Gateway {
        subscription: "other".into(),
        ..fixture.gateway.clone()
    });
    let ask = async |condition: &str| {
        let query = format!(
            "resources | where type =~ 'microsoft.apimanagement/service' and {condition} | project id, name, \
             resourceGroup, subscriptionId, location"
        );
        fixture
            .post(
                "/providers/Microsoft.ResourceGraph/resources",
                json!({"query": query}),
            )
            .await
            .body
    };
    let one = ask("name =~ 'CONTOSO'").await;
    assert_eq!(
        (&one["totalRecords"], &one["count"]),
        (&json!(1), &json!(1)),
        "the other subscription is not visible"
    );
    let expected = json!({
        "id": fixture.gateway.service_id(),
        "name": "contoso",
        "resourceGroup": "rg-one",
        "subscriptionId": fixture.gateway.subscription,
        "location": "westeurope",
    });
    assert_eq!(one["data"], json!([expected]));
    assert_eq!(
        ask("name in~ ('contoso', \"Adatum\", 'absent')").await["count"],
        2
    );
    assert_eq!(ask("name == 'Contoso'").await["count"], 0);
    assert_eq!(fixture.azure.requests_for(Operation::ResourceGraph).len(), 3);
}

#[tokio::test]
async fn metadata_has_the_shape_of_its_version() {
    let fixture = Fixture::start().await;
    let ask = async |base: &str, version: &str| {
        raw(
            &fixture,
            &format!("{base}/metadata/endpoints?api-version={version}"),
            None,
        )
        .await
        .body
    };
    let oldest = ask(ARM, "2015-01-01").await;
    assert_eq!(
        oldest["authentication"]["loginEndpoint"],
        "https://login.microsoftonline.com"
    );
    let list = ask(ARM, "2019-05-01").await;
    let names: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|cloud| cloud["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["AzureCloud", "AzureChinaCloud", "AzureUSGovernment"]);
    let china = ask("https://management.chinacloudapi.cn", "2022-09-01").await;
    assert_eq!(
        china["authentication"]["loginEndpoint"],
        "https://login.chinacloudapi.cn"
    );

    let url = fixture.azure.url();
    let direct = ask(&url, "2022-09-01").await;
    assert_eq!(direct["resourceManager"], format!("{url}/"));
    assert_eq!(direct["authentication"]["loginEndpoint"], url);
    assert_eq!(ask(&url, "2019-05-01").await.as_array().unwrap().len(), 1);
}
