//! The wire in front of the emulator. In front of the API server it is the same, as the tests of the program show.

use std::time::{Duration, Instant};

use apim_sandbox::azure::Operation;
use apim_sandbox::wire::{Action, Answer, Fault, Wire};
use reqwest::{Method, StatusCode};

use super::fixture::Fixture;

const URL: &str = "https://management.azure.com/metadata/endpoints?api-version=2022-09-01";

struct Disturbed {
    fixture: Fixture,
    wire: Wire,
    client: reqwest::Client,
}

impl Disturbed {
    async fn start() -> Self {
        let fixture = Fixture::start().await;
        let wire = fixture.azure.wire().await.unwrap();
        let ca = reqwest::Certificate::from_pem(fixture.azure.ca_pem().as_bytes()).unwrap();
        let client = reqwest::Client::builder()
            .tls_certs_only([ca])
            .proxy(reqwest::Proxy::https(wire.variable().1).unwrap())
            .timeout(Duration::from_secs(3));
        Self {
            client: client.build().unwrap(),
            fixture,
            wire,
        }
    }

    /// What a client gets to see with this fault, once.
    async fn with(&self, fault: Fault) -> Result<(StatusCode, String), reqwest::Error> {
        self.wire.fault(fault.once());
        let answer = self.get().await;
        self.wire.clear_faults();
        answer
    }

    async fn get(&self) -> Result<(StatusCode, String), reqwest::Error> {
        let answer = self.client.get(URL).send().await?;
        let status = answer.status();
        Ok((status, answer.text().await?))
    }

    /// How many requests have reached the emulator.
    fn effects(&self) -> usize {
        self.fixture.azure.requests_for(Operation::Metadata).len()
    }
}

#[tokio::test]
async fn what_is_not_disturbed_passes() {
    let disturbed = Disturbed::start().await;
    let direct = disturbed.fixture.client.get(URL).send().await.unwrap();
    let direct = (direct.status(), direct.text().await.unwrap());
    disturbed.wire.fault(Fault::on("/elsewhere", Action::Reset));
    disturbed
        .wire
        .fault(Fault::on("/metadata", Action::Reset).method(Method::POST));
    for _ in 0..2 {
        assert_eq!(disturbed.get().await.unwrap(), direct);
    }
    let seen = disturbed
        .wire
        .seen_of(&Method::GET, "management.azure.com/metadata/endpoints");
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert!(seen[0].at < seen[1].at, "{seen:?}");
}

#[tokio::test]
async fn an_answer_of_the_wire_has_an_effect_only_where_that_is_asked_for() {
    let disturbed = Disturbed::start().await;
    let (status, body) = disturbed.with(Fault::on("", Action::html())).await.unwrap();
    assert!(status == StatusCode::OK && body.contains("<html>"), "{body}");
    assert_eq!(disturbed.effects(), 0);
    let throttled = Fault::on("", Action::throttle(Some(2))).after_effect();
    let (status, body) = disturbed.with(throttled).await.unwrap();
    assert!(
        status == StatusCode::TOO_MANY_REQUESTS && body.starts_with("Too many"),
        "{body}"
    );
    assert_eq!(disturbed.effects(), 1);
    let redirected = Answer::text(302, "text/plain", "").header("Location", "https://example.invalid/");
    assert!(
        disturbed
            .with(Fault::on("", Action::Answer(redirected)))
            .await
            .is_err()
    );
    let (_, body) = disturbed
        .with(Fault::on("", Action::wrong_types()))
        .await
        .unwrap();
    serde_json::from_str::<serde_json::Value>(&body).unwrap();
    assert_eq!(disturbed.effects(), 1);
}

#[tokio::test]
async fn a_connection_breaks_before_or_after_the_effect() {
    for (action, after_effect, effects) in [
        (Action::Reset, false, 0),
        (Action::Reset, true, 1),
        (Action::Refuse, false, 0),
        (Action::Hang, false, 0),
        (Action::Hang, true, 1),
        (Action::CutHeader, false, 1),
        (Action::CutBody, false, 1),
        (Action::Drip, false, 1),
    ] {
        let disturbed = Disturbed::start().await;
        let mut fault = Fault::on("", action.clone());
        if after_effect {
            fault = fault.after_effect();
        }
        let error = disturbed.with(fault).await.unwrap_err();
        assert_eq!(disturbed.effects(), effects, "{action:?}");
        let hangs = matches!(action, Action::Hang | Action::Drip);
        assert_eq!(error.is_timeout(), hangs, "{action:?}: {error:?}");
        if matches!(action, Action::Reset | Action::Refuse) {
            let shown = format!("{error:?}");
            assert!(
                shown.contains("ConnectionReset") || shown.contains("Connect"),
                "{shown}"
            );
        }
        assert_eq!(disturbed.get().await.unwrap().0, StatusCode::OK, "{action:?}");
    }
}

#[tokio::test]
async fn a_duplicate_has_two_effects_and_two_answers_are_one_too_many() {
    let disturbed = Disturbed::start().await;
    let (status, _) = disturbed.with(Fault::on("", Action::Duplicate)).await.unwrap();
    assert_eq!((status, disturbed.effects()), (StatusCode::OK, 2));
    let (status, _) = disturbed.with(Fault::on("", Action::AnswerTwice)).await.unwrap();
    assert_eq!((status, disturbed.effects()), (StatusCode::OK, 3));
    assert_eq!(disturbed.get().await.unwrap().0, StatusCode::OK);
}

#[tokio::test]
async fn a_server_can_be_far_away() {
    const FAR: Duration = Duration::from_millis(100);
    let disturbed = Disturbed::start().await;
    disturbed.wire.set_round_trip(FAR);
    // With the handshakes of TCP and TLS, and without.
    for trips in [3, 1] {
        let begun = Instant::now();
        disturbed.get().await.unwrap();
        let took = begun.elapsed();
        assert!(
            took >= FAR * trips && took < FAR * (trips + 2),
            "{trips} trips: {took:?}"
        );
    }
    let late = Fault::on("", Action::Delay(FAR * 3)).after_effect();
    let begun = Instant::now();
    disturbed.with(late).await.unwrap();
    assert!(begun.elapsed() >= FAR * 4);
}
