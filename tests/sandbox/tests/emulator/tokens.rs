//! Gateway tokens: their form, their life and their end.

use apim_sandbox::azure::{Gateway, Operation, Refusal, Slot};
use jiff::SignedDuration;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::fixture::Fixture;

const DAY: SignedDuration = SignedDuration::from_hours(24);

#[tokio::test]
async fn a_token_has_the_form_of_azure_and_is_accepted() {
    let fixture = Fixture::start().await;
    let answer = fixture.generate_token("primary", DAY).await;
    assert_eq!(answer.status, StatusCode::OK);
    let token = answer.body["value"].as_str().unwrap();
    let parts: Vec<&str> = token.split('&').collect();
    let expiry = fixture.azure.now() + DAY;
    assert_eq!(parts[0], "gw-1");
    assert_eq!(parts[1], expiry.strftime("%Y%m%d%H%M").to_string());
    assert_eq!(parts[2].len(), 88, "an HMAC-SHA512 in base64");

    assert_eq!(fixture.present(token).await, StatusCode::OK);
    let acceptance = fixture.azure.judge(&format!("GatewayKey {token}\n")).unwrap();
    assert_eq!((acceptance.slot, acceptance.generation), (Slot::Primary, 0));
    assert_eq!(acceptance.gateway, fixture.gateway);
}

#[tokio::test]
async fn a_token_dies_with_its_key_and_not_with_the_other() {
    let fixture = Fixture::start().await;
    let primary = fixture.generate_token("primary", DAY).await.body["value"]
        .as_str()
        .unwrap()
        .to_owned();
    let secondary = fixture.generate_token("secondary", DAY).await.body["value"]
        .as_str()
        .unwrap()
        .to_owned();

    let path = format!("{}/regenerateKey", fixture.gateway.id());
    let token = fixture.sign_in().await;
    let response = fixture
        .send(&token, Method::POST, &path, Some(json!({"keyType": "primary"})))
        .await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(response.bytes().await.unwrap().len(), 0);

    assert_eq!(fixture.present(&primary).await, StatusCode::UNAUTHORIZED);
    assert_eq!(fixture.present(&secondary).await, StatusCode::OK);
    assert_eq!(
        fixture.azure.judge(&primary),
        Err(Refusal::KeyRegenerated(Slot::Primary))
    );
    let presentations = fixture.azure.presentations(&fixture.gateway);
    assert_eq!((presentations.accepted, presentations.refused), (1, 1));

    let renewed = fixture.generate_token("primary", DAY).await.body["value"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(fixture.azure.judge(&renewed).unwrap().generation, 1);
}

#[tokio::test]
async fn a_token_dies_at_its_expiry_and_a_newer_one_does_not_kill_it() {
    let fixture = Fixture::start().await;
    fixture.azure.stop_clock();
    let first = fixture.generate_token("primary", DAY).await.body["value"]
        .as_str()
        .unwrap()
        .to_owned();
    fixture.generate_token("primary", 2 * DAY).await;
    assert!(fixture.azure.accepts(&first));

    // The expiry is cut to the minute, so that the last minute is not part of the life.
    fixture.azure.advance_clock(DAY - SignedDuration::from_mins(1));
    assert_eq!(fixture.present(&first).await, StatusCode::OK);
    fixture.azure.advance_clock(SignedDuration::from_mins(1));
    assert_eq!(fixture.present(&first).await, StatusCode::UNAUTHORIZED);
    assert!(matches!(fixture.azure.judge(&first), Err(Refusal::Expired(_))));
}

#[tokio::test]
async fn only_the_gateways_own_token_is_accepted() {
    let fixture = Fixture::start().await;
    let other = Gateway {
        service: "fabrikam".to_owned(),
        ..fixture.gateway.clone()
    };
    fixture.azure.add_gateway(&other);
    let foreign = fixture
        .azure
        .mint(&other, Slot::Primary, fixture.azure.now() + DAY);
    assert!(fixture.azure.accepts(&foreign), "its own service accepts it");
    assert_eq!(fixture.present(&foreign).await, StatusCode::UNAUTHORIZED);

    let renamed = foreign.replacen("gw-1", "gw-2", 1);
    assert_eq!(fixture.azure.judge(&renamed), Err(Refusal::UnknownGateway));
    let longer = foreign.replacen("&2", "&3", 1);
    assert_eq!(fixture.azure.judge(&longer), Err(Refusal::BadSignature));
    assert_eq!(
        fixture.azure.judge("GatewayKey nonsense"),
        Err(Refusal::Malformed)
    );
}

#[tokio::test]
async fn the_name_of_a_gateway_may_hold_anything() {
    let fixture = Fixture::start().await;
    let gateway = Gateway {
        name: "my gw&1/ä".to_owned(),
        ..fixture.gateway.clone()
    };
    fixture.azure.add_gateway(&gateway);
    let path = format!(
        "{}/gateways/my%20gw%261%2F%C3%A4/generateToken",
        gateway.service_id()
    );
    let expiry = fixture.azure.now() + DAY;
    let answer = fixture
        .post(&path, json!({"keyType": "primary", "expiry": expiry.to_string()}))
        .await;
    assert_eq!(
        fixture
            .azure
            .judge(answer.body["value"].as_str().unwrap())
            .unwrap()
            .gateway,
        gateway
    );
    let logged = fixture.azure.requests_for(Operation::GenerateToken);
    assert_eq!(logged[0].gateway.as_deref(), Some("my gw&1/ä"));
}

#[tokio::test]
async fn a_wrong_expiry_or_key_type_is_a_validation_error() {
    let fixture = Fixture::start().await;
    fixture.azure.stop_clock();
    let thirty_days = 30 * DAY;
    assert_eq!(
        fixture.generate_token("Primary", thirty_days).await.status,
        StatusCode::OK
    );

    let path = format!("{}/generateToken", fixture.gateway.id());
    let tomorrow = (fixture.azure.now() + DAY).to_string();
    let too_late = (fixture.azure.now() + thirty_days + SignedDuration::from_secs(1)).to_string();
    for (body, target) in [
        (json!({"keyType": "tertiary", "expiry": tomorrow}), "keyType"),
        (json!({"expiry": tomorrow}), "keyType"),
        (json!({"keyType": "primary"}), "expiry"),
        (json!({"keyType": "primary", "expiry": "tomorrow"}), "expiry"),
        (json!({"keyType": "primary", "expiry": too_late}), "expiry"),
    ] {
        let answer = fixture.post(&path, body.clone()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(answer.code(), "ValidationError", "{body}");
        assert_eq!(answer.message(), "One or more fields contain incorrect values:");
        assert_eq!(answer.body["error"]["details"][0]["target"], target, "{body}");
    }
}

/// As in recordings of 2020 and 2022.
#[tokio::test]
async fn an_expiry_in_the_past_makes_a_dead_token() {
    let fixture = Fixture::start().await;
    for age in [SignedDuration::from_mins(1), DAY, DAY * 400] {
        let answer = fixture.generate_token("primary", -age).await;
        assert_eq!(answer.status, StatusCode::OK, "{age:?}");
        let token = answer.body["value"].as_str().unwrap();
        assert!(
            matches!(fixture.azure.judge(token), Err(Refusal::Expired(_))),
            "{age:?}"
        );
    }
}

#[tokio::test]
async fn the_keys_are_listed_and_change_when_they_are_regenerated() {
    let fixture = Fixture::start().await;
    let path = format!("{}/listKeys", fixture.gateway.id());
    let before = fixture.post(&path, json!(null)).await.body;
    assert_ne!(before["primary"], before["secondary"]);
    assert!(fixture.azure.regenerate(&fixture.gateway, Slot::Secondary));
    let after = fixture.post(&path, json!(null)).await.body;
    assert_eq!(before["primary"], after["primary"]);
    assert_ne!(before["secondary"], after["secondary"]);
}
