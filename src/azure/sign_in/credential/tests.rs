use std::sync::Mutex;

use async_trait::async_trait;
use azure_core::credentials::TokenRequestOptions;

use super::*;
use crate::azure::transport::error::Refusal;
use crate::azure::transport::http::client as http_client;
use crate::model::CloudName;

fn identity(tenant: &str, secret: &str) -> SignIn {
    let identity = Identity::ServicePrincipal {
        tenant: tenant.into(),
        client_id: "c".into(),
        credential: ClientCredential::Secret(secret.into()),
    };
    SignIn::only(identity, "--auth")
}

fn credential(tenant: &str, secret: &str) -> Result<Credential, Error> {
    let cloud = Cloud::known(CloudName::Public);
    Credential::new(identity(tenant, secret), http_client(None).unwrap(), cloud)
}

#[test]
fn an_invalid_identity_is_refused_before_anything_is_sent() {
    for (tenant, secret) in [("no tenant", "s3cr3t-s3cr3t"), ("", "s3cr3t-s3cr3t"), ("t", "")] {
        let error = credential(tenant, secret).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot sign in: ") && !error.contains("s3cr3t"),
            "{error}"
        );
    }
}

#[test]
fn debug_shows_no_secret() {
    let shown = format!("{:?}", credential("t", "s3cr3t-s3cr3t").unwrap());
    assert!(shown.contains("\"t\"") && !shown.contains("s3cr3t"), "{shown}");
}

#[tokio::test]
async fn the_error_has_the_reason_why_the_sign_in_failed() {
    let credential = Credential::new(
        identity("t", "s3cr3t-s3cr3t"),
        http_client(None).unwrap(),
        Cloud {
            authority: "https://127.0.0.1:1".into(),
            ..Cloud::known(CloudName::Public)
        },
    );
    let deadline = Instant::now() + Duration::from_millis(400);
    let error = credential.unwrap().token(deadline).await.unwrap_err().to_string();
    let expected = "cannot sign in as client c of tenant t: no connection to 127.0.0.1: ";
    assert!(error.starts_with(expected), "{error}");
}

/// An endpoint that asks the first caller to wait.
#[derive(Debug)]
struct Busy {
    failure: FailureSlot,
    asked: Arc<Mutex<Vec<Instant>>>,
}

const WAIT: Duration = Duration::from_secs(9);

#[async_trait]
impl TokenCredential for Busy {
    async fn get_token(
        &self,
        _: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let mut asked = self.asked.lock().unwrap();
        asked.push(Instant::now());
        if asked.len() > 1 {
            let expires_on = OffsetDateTime::now_utc() + MARGIN * 2;
            return Ok(AccessToken::new("t", expires_on));
        }
        let refusal = Box::new(Refusal {
            purpose: "sign in".into(),
            request: "POST /token".into(),
            status: 429,
            code: None,
            reason: None,
            message: "busy".into(),
            correlation: "c".into(),
            retry_after: Some(WAIT),
            challenge: None,
        });
        self.failure.put(Error::Throttled { refusal });
        let kind = azure_core::error::ErrorKind::Credential;
        Err(azure_core::Error::with_message(kind, "busy"))
    }
}

#[tokio::test(start_paused = true)]
async fn no_caller_asks_before_the_wait_that_another_was_asked_for() {
    let credential = credential("t", "s3cr3t-s3cr3t").unwrap();
    let (failure, asked) = (FailureSlot::default(), Arc::default());
    credential.state.lock().await.source = Some(Source {
        credential: Arc::new(Busy {
            failure: failure.clone(),
            asked: Arc::clone(&asked),
        }),
        failure,
    });
    let begun = Instant::now();
    let hasty = async {
        let error = credential.token(begun + WAIT / 2).await.unwrap_err();
        (error.to_string(), begun.elapsed())
    };
    let patient = credential.token(begun + WAIT * 2);
    let (first, second, hasty) = tokio::join!(credential.token(begun + WAIT * 2), patient, hasty);
    first.unwrap();
    second.unwrap();
    let expected =
        "cannot sign in as client c of tenant t: Azure asks to wait 9 s, longer than this run may take";
    assert_eq!(hasty, (expected.to_owned(), Duration::ZERO));
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 2);
    assert!(asked[1] >= begun + WAIT);
}
