//! The emulator's bodies beside those of the real service, from public recordings: the same members with values of
//! the same types, and errors word for word. Names, ids, times and secrets are the test's own.

use jiff::SignedDuration;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::fixture::{Answer, Fixture};

/// Sees that two bodies have the same members. A string stands for any other, and the first of a list for the rest.
fn alike(recorded: &Value, ours: &Value, at: &str) {
    match (recorded, ours) {
        (Value::Object(recorded), Value::Object(ours)) => {
            let names = |object: &serde_json::Map<String, Value>| {
                let mut names: Vec<String> = object.keys().cloned().collect();
                names.sort();
                names
            };
            assert_eq!(names(recorded), names(ours), "the members of {at}");
            for (name, value) in recorded {
                alike(value, &ours[name], &format!("{at}.{name}"));
            }
        }
        (Value::Array(recorded), Value::Array(ours)) => {
            assert_eq!(recorded.is_empty(), ours.is_empty(), "{at}");
            for value in ours {
                alike(&recorded[0], value, &format!("{at}[]"));
            }
        }
        (Value::String(_), Value::String(_))
        | (Value::Number(_), Value::Number(_))
        | (Value::Bool(_), Value::Bool(_))
        | (Value::Null, Value::Null) => {}
        _ => panic!("{at} is {ours}, and was {recorded} in the recording"),
    }
}

fn gateway() -> Value {
    json!({
        "id": "R/gateways/gw1",
        "type": "Microsoft.ApiManagement/service/gateways",
        "name": "gw1",
        "properties": {
            "locationData": {"name": "my location", "city": null, "district": null, "countryOrRegion": null},
            "description": "my gateway 1",
            "heartbeat": {},
        },
    })
}

#[tokio::test]
async fn what_is_read_has_the_members_of_the_recordings() {
    let fixture = Fixture::start().await;
    let (id, service) = (fixture.gateway.id(), fixture.gateway.service_id());
    alike(&gateway(), &fixture.get(&id).await.body, "gateway");
    // One page is all: it has no link.
    let page = json!({"value": [gateway()], "count": 1});
    alike(
        &page,
        &fixture.get(&format!("{service}/gateways")).await.body,
        "gateways",
    );
    let keys = json!({"primary": "a2V5", "secondary": "a2V5"});
    let listed = fixture.post(&format!("{id}/listKeys"), Value::Null).await;
    alike(&keys, &listed.body, "keys");
    assert!(listed.headers.contains_key("etag"));
    let token = json!({"value": "gw1&201904210044&c2lnbmF0dXJl"});
    let minted = fixture
        .generate_token("primary", SignedDuration::from_hours(1))
        .await;
    alike(&token, &minted.body, "token");

    let found = fixture.get(&service).await.body;
    assert_eq!(found["identity"], Value::Null);
    assert_eq!(
        found["properties"]["apiVersionConstraint"],
        json!({"minApiVersion": null})
    );
}

#[tokio::test]
async fn the_etag_changes_with_a_key() {
    let fixture = Fixture::start().await;
    let id = fixture.gateway.id();
    let before = fixture.get(&id).await;
    fixture
        .post(&format!("{id}/regenerateKey"), json!({"keyType": "primary"}))
        .await;
    assert_ne!(before.header("etag"), fixture.get(&id).await.header("etag"));
}

fn refused(answer: &Answer, status: StatusCode, body: &Value) {
    assert_eq!(answer.status, status);
    assert_eq!(&answer.body, body);
}

#[tokio::test]
async fn what_is_refused_is_refused_in_the_words_of_the_recordings() {
    let fixture = Fixture::start().await;
    let (id, service) = (fixture.gateway.id(), fixture.gateway.service_id());
    let missing =
        json!({"error": {"code": "ResourceNotFound", "message": "Gateway not found.", "details": null}});
    refused(
        &fixture.get(&format!("{id}-gone")).await,
        StatusCode::NOT_FOUND,
        &missing,
    );
    let missing = json!({"error": {
        "code": "ResourceNotFound",
        "message": "The Resource 'Microsoft.ApiManagement/service/gone' under resource group 'Rg-One' was not found. \
                    For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    }});
    let answer = fixture.get(&service.replace("contoso", "gone")).await;
    refused(&answer, StatusCode::NOT_FOUND, &missing);
    assert_eq!(answer.header("x-ms-failure-cause"), "gateway");
    assert!(
        !answer
            .headers
            .keys()
            .any(|name| name.as_str().contains("ratelimit"))
    );

    fixture
        .azure
        .set_min_api_version(&fixture.gateway, "2025-03-01-preview");
    let old = json!({"error": {
        "code": "MissingOrIncorrectVersionParameter",
        "message": "API version query parameter is not specified or was specified incorrectly.  Supported versions: \
                    2025-03-01-preview  Example query param format: api-version=SupportedVersion",
    }});
    refused(&fixture.get(&id).await, StatusCode::BAD_REQUEST, &old);

    let query = json!({"query": "resources | where name =~ 'open"});
    let answer = fixture
        .post("/providers/Microsoft.ResourceGraph/resources", query)
        .await;
    let detail = json!({"code": "InvalidQuery", "message": "Query is invalid."});
    let body = json!({"error": {"code": "BadRequest", "message": "Please provide", "details": [detail]}});
    alike(&body, &answer.body, "query");
    assert_eq!(answer.body["error"]["details"][0]["code"], "InvalidQuery");
}
