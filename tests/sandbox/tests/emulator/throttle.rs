//! The token buckets.

use apim_sandbox::azure::{Action, Fault, Gateway, Grant, Operation};
use jiff::SignedDuration;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::fixture::{Answer, Fixture};

const WRITES: &str = "x-ms-ratelimit-remaining-subscription-writes";

/// Spends the write bucket of the fixture's principal; gives the access token that did it.
async fn spend(fixture: &Fixture, path: &str) -> String {
    let token = fixture.sign_in().await;
    for spent in 1..=200 {
        let answer = fixture.send(&token, Method::POST, path, Some(json!({}))).await;
        assert_eq!(answer.headers()[WRITES], (200 - spent).to_string().as_str());
    }
    token
}

async fn post(fixture: &Fixture, token: &str, path: &str) -> Answer {
    Answer::read(fixture.send(token, Method::POST, path, Some(json!({}))).await).await
}

#[tokio::test]
async fn an_empty_bucket_refuses_and_an_early_retry_renews_the_wait() {
    let fixture = Fixture::start().await;
    fixture.azure.stop_clock();
    fixture.azure.enforce_buckets_for(&fixture.principal.client_id);
    let path = format!("{}/listKeys", fixture.gateway.id());
    let token = spend(&fixture, &path).await;

    let refused = post(&fixture, &token, &path).await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::TOO_MANY_REQUESTS, "SubscriptionRequestsThrottled")
    );
    assert_eq!(
        (refused.header("retry-after"), refused.header(WRITES)),
        ("1", "0")
    );

    // The bucket has five tokens again, and the retry is refused all the same because it is early.
    fixture.azure.advance_clock(SignedDuration::from_millis(500));
    assert_eq!(
        post(&fixture, &token, &path).await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
    fixture.azure.advance_clock(SignedDuration::from_millis(999));
    assert_eq!(
        post(&fixture, &token, &path).await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
    fixture.azure.advance_clock(SignedDuration::from_secs(1));
    let admitted = post(&fixture, &token, &path).await;
    assert_eq!((admitted.status, admitted.header(WRITES)), (StatusCode::OK, "23"));

    // Reads and other subscriptions have buckets of their own.
    let read = fixture.get(&fixture.gateway.id()).await;
    assert_eq!(read.header("x-ms-ratelimit-remaining-subscription-reads"), "249");
    assert_eq!(
        read.header("x-ms-ratelimit-remaining-subscription-global-reads"),
        "3749"
    );
    let other = Gateway {
        subscription: "other".into(),
        ..fixture.gateway.clone()
    };
    fixture.azure.add_gateway(&other);
    let other = post(&fixture, &token, &format!("{}/listKeys", other.id())).await;
    assert_eq!(other.header(WRITES), "199");
}

#[tokio::test]
async fn buckets_that_are_not_enforced_are_reported_and_refuse_nothing() {
    let fixture = Fixture::start().await;
    fixture.azure.stop_clock();
    let path = format!("{}/listKeys", fixture.gateway.id());
    let token = spend(&fixture, &path).await;
    let answer = post(&fixture, &token, &path).await;
    assert_eq!((answer.status, answer.header(WRITES)), (StatusCode::OK, "0"));
    fixture.azure.enforce_buckets(true);
    assert_eq!(
        post(&fixture, &token, &path).await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
}

#[tokio::test]
async fn requests_without_a_subscription_count_for_the_tenant() {
    let fixture = Fixture::start().await;
    fixture.azure.stop_clock();
    let answer = fixture.get("/subscriptions").await;
    assert_eq!(answer.header("x-ms-ratelimit-remaining-tenant-reads"), "249");
}

#[tokio::test]
async fn queries_of_resource_graph_have_a_quota_and_count_as_reads() {
    let fixture = Fixture::start().await;
    fixture.azure.stop_clock();
    fixture.azure.enforce_buckets_for(&fixture.principal.client_id);
    let query = json!({"query": "resources | project id"});
    let ask = async || {
        fixture
            .post("/providers/Microsoft.ResourceGraph/resources", query.clone())
            .await
    };
    for left in (0..15).rev() {
        let answer = ask().await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("x-ms-user-quota-remaining"), left.to_string());
        assert_eq!(answer.header("x-ms-user-quota-resets-after"), "00:00:05");
        let reads = answer.header("x-ms-ratelimit-remaining-tenant-reads");
        assert_eq!(reads, (235 + left).to_string());
    }
    fixture.azure.advance_clock(SignedDuration::from_secs(3));
    let refused = ask().await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::TOO_MANY_REQUESTS, "RateLimiting")
    );
    assert_eq!(refused.header("x-ms-user-quota-resets-after"), "00:00:02");
    fixture.azure.advance_clock(SignedDuration::from_secs(2));
    assert_eq!(ask().await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_fault_that_answers_instead_spends_nothing() {
    let fixture = Fixture::start().await;
    fixture.azure.stop_clock();
    fixture
        .azure
        .fault(Fault::on(Operation::GetGateway, Action::retry_after(429, 7)).once());
    let refused = fixture.get(&fixture.gateway.id()).await;
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (StatusCode::TOO_MANY_REQUESTS, "7")
    );
    assert_eq!(
        refused.header("x-ms-ratelimit-remaining-subscription-reads"),
        "250",
        "a provider that refuses leaves ARM's buckets full"
    );
    let answer = fixture.get(&fixture.gateway.id()).await;
    assert_eq!(
        answer.header("x-ms-ratelimit-remaining-subscription-reads"),
        "249"
    );
}

#[tokio::test]
async fn errors_also_report_the_remaining_tokens() {
    let fixture = Fixture::start_with(Grant::token_operator(&Fixture::subscription_id())).await;
    fixture.azure.stop_clock();
    let id = fixture.gateway.id();
    for (path, body, status) in [
        (format!("{id}/listKeys"), json!({}), StatusCode::FORBIDDEN),
        (format!("{id}/generateToken"), json!({}), StatusCode::BAD_REQUEST),
        (format!("{id}2/generateToken"), json!({}), StatusCode::NOT_FOUND),
    ] {
        let before = fixture.azure.requests().len();
        let answer = fixture.post(&path, body).await;
        assert_eq!(answer.status, status);
        let left = (199 - before / 2).to_string();
        assert_eq!(answer.header(WRITES), left, "{path}");
    }
}
