//! A service, its gateways and their APIs in ARM.

use apim_sandbox::azure::{Action, Fault, Gateway, Grant, Operation};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::fixture::Fixture;

fn names(page: &Value) -> Vec<&str> {
    let entries = page["value"].as_array().unwrap().iter();
    entries.map(|entry| entry["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_apis_of_a_gateway_come_in_pages() {
    let fixture = Fixture::start_with(Grant::reader("/")).await;
    let path = format!("{}/apis", fixture.gateway.id());
    assert_eq!(
        fixture.get(&path).await.body,
        json!({"value": [], "count": 0}),
        "a new gateway has none"
    );

    for name in ["orders", "billing", "stock", "orders"] {
        fixture.azure.assign_api(&fixture.gateway, name);
    }
    let first = fixture.get(&format!("{path}?$top=2")).await.body;
    assert_eq!(
        (names(&first), &first["count"]),
        (vec!["billing", "orders"], &json!(3))
    );
    assert_eq!(first["value"][0]["id"], format!("{path}/billing"));
    let link = first["nextLink"].as_str().unwrap();
    assert!(link.ends_with("top=2&%24skip=2"), "{link}");
    let last = fixture.get(&format!("{path}?$top=2&$skip=2")).await.body;
    assert_eq!((names(&last), last.get("nextLink")), (vec!["stock"], None));

    let other = Gateway {
        name: "gone".into(),
        ..fixture.gateway.clone()
    };
    let missing = fixture.get(&format!("{}/apis", other.id())).await;
    assert_eq!(
        (missing.status, missing.message()),
        (StatusCode::NOT_FOUND, "Gateway not found.")
    );
    assert_eq!(fixture.azure.requests_for(Operation::ListApis).len(), 4);
}

#[tokio::test]
async fn the_apis_need_a_right_of_their_own_and_can_fail() {
    let fixture = Fixture::start_with(Grant::token_operator("/")).await;
    let id = fixture.gateway.id();
    let refused = fixture.get(&format!("{id}/apis")).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let action = format!("'Microsoft.ApiManagement/service/gateways/apis/read' over scope '{id}'");
    assert!(refused.message().contains(&action), "{}", refused.message());

    fixture
        .azure
        .fault(Fault::on(Operation::ListApis, Action::status(503)).once());
    let failed = fixture.get(&format!("{id}/apis")).await;
    assert_eq!(failed.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_reader_reads_everything_and_changes_nothing() {
    let fixture = Fixture::start_with(Grant::reader(&Fixture::subscription_id())).await;
    let id = fixture.gateway.id();
    for path in [&id, &format!("{id}/apis"), &fixture.gateway.service_id()] {
        assert_eq!(fixture.get(path).await.status, StatusCode::OK, "{path}");
    }
    for action in ["generateToken", "listKeys"] {
        let answer = fixture.post(&format!("{id}/{action}"), json!({})).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{action}");
    }
}

#[tokio::test]
async fn a_service_and_a_gateway_are_described_as_they_were_set() {
    let fixture = Fixture::start().await;
    let (azure, gateway) = (&fixture.azure, &fixture.gateway);
    let facts = async || {
        let service = fixture.get(&gateway.service_id()).await.body;
        let list = fixture
            .get(&format!("{}/gateways", gateway.service_id()))
            .await
            .body;
        [
            service["sku"]["name"].clone(),
            service["properties"]["apiVersionConstraint"]["minApiVersion"].clone(),
            fixture.get(&gateway.id()).await.body["properties"]["locationData"]["name"].clone(),
            list["value"][0]["properties"]["locationData"]["name"].clone(),
        ]
    };
    let before = [
        json!("Developer"),
        Value::Null,
        json!("sandbox"),
        json!("sandbox"),
    ];
    assert_eq!(facts().await, before);
    azure.set_tier(gateway, "Premium");
    azure.set_min_api_version(gateway, "2024-05-01");
    azure.set_location(gateway, "Plant 7");
    assert_eq!(facts().await, ["Premium", "2024-05-01", "Plant 7", "Plant 7"]);
}
