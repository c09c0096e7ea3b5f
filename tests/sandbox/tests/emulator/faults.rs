//! Every kind of fault, seen from the client.

use std::time::{Duration, Instant};

use apim_sandbox::azure::{Action, Fault, Operation, Slot};
use jiff::SignedDuration;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::fixture::{ARM, Fixture, until};

const DELAY: Duration = Duration::from_millis(150);

/// Sends a `regenerateKey`, whose effect is plain to see, after the fault was set up.
async fn regenerate(fixture: &Fixture, action: Action) -> (reqwest::Result<reqwest::Response>, bool) {
    let token = fixture.azure.mint(
        &fixture.gateway,
        Slot::Primary,
        fixture.azure.now() + SignedDuration::from_hours(1),
    );
    fixture
        .azure
        .fault(Fault::on(Operation::RegenerateKey, action).once());
    let url = format!(
        "{ARM}{}/regenerateKey?api-version=2024-05-01",
        fixture.gateway.id()
    );
    let bearer = fixture.sign_in().await;
    let request = fixture
        .client
        .post(url)
        .bearer_auth(bearer)
        .json(&json!({"keyType": "primary"}));
    let answer = request.send().await;
    (answer, !fixture.azure.accepts(&token))
}

fn last_status(fixture: &Fixture) -> Option<u16> {
    fixture.azure.requests().last().unwrap().status
}

#[tokio::test]
async fn a_status_is_answered_instead_of_the_effect() {
    let fixture = Fixture::start().await;
    let (answer, effect) = regenerate(&fixture, Action::status(503)).await;
    assert_eq!(
        (answer.unwrap().status(), effect),
        (StatusCode::SERVICE_UNAVAILABLE, false)
    );
    assert_eq!(last_status(&fixture), Some(503));
}

#[tokio::test]
async fn a_delay_comes_before_or_after_the_effect() {
    let fixture = Fixture::start().await;
    for action in [Action::delay_before(DELAY), Action::delay_after(DELAY)] {
        let started = Instant::now();
        let (answer, effect) = regenerate(&fixture, action).await;
        assert_eq!((answer.unwrap().status(), effect), (StatusCode::NO_CONTENT, true));
        assert!(started.elapsed() >= DELAY);
    }
}

#[tokio::test]
async fn the_effect_outlives_a_client_that_does_not_wait() {
    let fixture = Fixture::start().await;
    let minted = fixture.azure.mint(
        &fixture.gateway,
        Slot::Primary,
        fixture.azure.now() + SignedDuration::from_hours(1),
    );
    let bearer = fixture.sign_in().await;
    fixture
        .azure
        .fault(Fault::on(Operation::RegenerateKey, Action::delay_before(DELAY)).once());
    let url = format!(
        "{ARM}{}/regenerateKey?api-version=2024-05-01",
        fixture.gateway.id()
    );
    let request = fixture
        .client
        .post(url)
        .bearer_auth(bearer)
        .json(&json!({"keyType": "primary"}));
    let client = tokio::spawn(request.send());
    let arrived = || !fixture.azure.requests_for(Operation::RegenerateKey).is_empty();
    until("the request arrives", arrived).await;
    client.abort();
    until("the effect follows", || !fixture.azure.accepts(&minted)).await;
}

#[tokio::test]
async fn a_reset_comes_before_or_after_the_effect() {
    let fixture = Fixture::start().await;
    let (answer, effect) = regenerate(&fixture, Action::ResetBefore).await;
    assert!(answer.is_err() && !effect);
    assert_eq!(last_status(&fixture), None, "a reset is not an answer");
    let (answer, effect) = regenerate(&fixture, Action::ResetAfter).await;
    assert!(answer.is_err() && effect);
    let causes = chain(&answer.unwrap_err());
    assert!(causes.contains("reset"), "{causes}");
}

fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[tokio::test]
async fn a_cut_body_announces_more_than_it_sends() {
    let fixture = Fixture::start().await;
    fixture
        .azure
        .fault(Fault::on(Operation::GetGateway, Action::CutBody).once());
    let token = fixture.sign_in().await;
    let answer = fixture
        .send(&token, Method::GET, &fixture.gateway.id(), None)
        .await;
    assert_eq!(answer.status(), StatusCode::OK);
    let announced = answer.content_length().unwrap();
    assert!(announced > 100, "{announced}");
    let error = answer.bytes().await.unwrap_err();
    assert!(error.is_body() || error.is_decode(), "{error:?}");
}

#[tokio::test]
async fn a_portal_an_empty_answer_and_a_redirect_come_instead_of_the_effect() {
    let fixture = Fixture::start().await;
    let (answer, effect) = regenerate(&fixture, Action::Html200).await;
    let answer = answer.unwrap();
    assert_eq!((answer.status(), effect), (StatusCode::OK, false));
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    assert!(answer.text().await.unwrap().starts_with("<!DOCTYPE html>"));

    let (answer, effect) = regenerate(&fixture, Action::Empty200).await;
    let answer = answer.unwrap();
    assert_eq!(
        (answer.status(), effect, answer.content_length()),
        (StatusCode::OK, false, Some(0))
    );

    let to = "https://portal.example.com/login".to_owned();
    let (answer, effect) = regenerate(&fixture, Action::Redirect { to: to.clone() }).await;
    let answer = answer.unwrap();
    assert_eq!((answer.status(), effect), (StatusCode::TEMPORARY_REDIRECT, false));
    assert_eq!(answer.headers()["location"], to.as_str());
}

#[tokio::test]
async fn a_refused_token_looks_like_any_other() {
    let fixture = Fixture::start().await;
    fixture
        .azure
        .fault(Fault::on(Operation::GenerateToken, Action::RefusedToken).once());
    let refused = fixture
        .generate_token("primary", SignedDuration::from_hours(1))
        .await;
    let good = fixture
        .generate_token("primary", SignedDuration::from_hours(1))
        .await;
    let [refused, good] = [&refused, &good].map(|answer| answer.body["value"].as_str().unwrap());
    assert_eq!(refused.len(), good.len());
    assert_eq!(fixture.present(refused).await, StatusCode::UNAUTHORIZED);
    assert_eq!(fixture.present(good).await, StatusCode::OK);
}

#[tokio::test]
async fn a_fault_affects_only_matching_requests_and_the_given_number() {
    let fixture = Fixture::start().await;
    let id = fixture.gateway.id();
    let status = async || fixture.get(&id).await.status.as_u16();

    fixture
        .azure
        .fault(Fault::on(Operation::GetGateway, Action::status(500)).matching("gw-2"));
    fixture
        .azure
        .fault(Fault::everywhere(Action::status(500)).host("management.chinacloudapi.cn"));
    assert_eq!(status().await, 200);
    fixture.azure.fault(
        Fault::on(Operation::GetGateway, Action::status(502))
            .matching("gw-1")
            .times(2),
    );
    fixture
        .azure
        .fault(Fault::on(Operation::GetGateway, Action::status(504)).matching(&fixture.principal.client_id));
    assert_eq!([status().await, status().await, status().await], [502, 502, 504]);
    fixture.azure.clear_faults();
    assert_eq!(status().await, 200);

    fixture
        .azure
        .fault(Fault::on(Operation::SignIn, Action::status(503)).matching(&fixture.principal.client_id));
    let principal = &fixture.principal;
    let answer = fixture
        .ask_entra(&principal.tenant, &principal.client_id, &principal.client_secret)
        .await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
}
