use std::sync::Arc;

use async_trait::async_trait;
use azure_core::cloud::CustomConfiguration;
use azure_core::credentials::TokenCredential;
use azure_core::error::ErrorKind;
use azure_core::http::headers::Headers;
use azure_core::http::{
    AsyncRawResponse, Body, ClientOptions, HttpClient, Request, RetryOptions, Transport, UserAgentOptions,
};
use azure_identity::{
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions,
};
use http::StatusCode;
use reqwest::{Client, Url};
use secrecy::{ExposeSecret, SecretString};

use super::aadsts;
use super::assertion::Presented;
use super::failure::FailureSlot;
use crate::azure::transport::error::Flaw;
use crate::azure::transport::error::{Error, Refusal};
use crate::azure::transport::exchange;
use crate::azure::transport::exchange::Answer;
use crate::azure::transport::wire;
use crate::azure::transport::wire::{EntraError, Grant};
use crate::retry::retry_after;

/// A client of Entra: an application in a tenant, and Entra's address.
pub(crate) struct Entra<'a> {
    pub(crate) http: &'a Client,
    pub(crate) authority: &'a str,
    pub(crate) tenant: &'a str,
    pub(crate) client_id: &'a str,
    /// The purpose, in words that follow "cannot".
    pub(crate) purpose: String,
    pub(crate) failure: FailureSlot,
}

impl Entra<'_> {
    /// A service principal that signs in with its secret.
    pub(crate) fn by_secret(self, secret: &SecretString) -> azure_core::Result<Arc<dyn TokenCredential>> {
        let secret = secret.expose_secret().to_owned().into();
        let options = ClientSecretCredentialOptions {
            client_options: self.options(),
        };
        Ok(ClientSecretCredential::new(
            self.tenant,
            self.client_id.to_owned(),
            secret,
            Some(options),
        )?)
    }

    /// An application that signs in with an assertion.
    pub(crate) fn by_assertion(
        self,
        assertion: impl ClientAssertion + 'static,
    ) -> azure_core::Result<Arc<dyn TokenCredential>> {
        let options = ClientAssertionCredentialOptions {
            client_options: self.options(),
        };
        Ok(ClientAssertionCredential::new(
            self.tenant.to_owned(),
            self.client_id.to_owned(),
            assertion,
            Some(options),
        )?)
    }

    /// The token endpoint, as `azure_identity` builds its address: it drops the
    /// path of the authority.
    pub(crate) fn token_url(&self) -> String {
        let origin = Url::parse(self.authority).map(|url| url.origin().ascii_serialization());
        let origin = origin.unwrap_or_else(|_| self.authority.to_owned());
        format!("{origin}/{}/oauth2/v2.0/token", self.tenant)
    }

    fn options(&self) -> ClientOptions {
        let mut cloud = CustomConfiguration::default();
        self.authority.clone_into(&mut cloud.authority_host);
        let transport = EntraTransport {
            http: self.http.clone(),
            purpose: self.purpose.clone(),
            failure: self.failure.clone(),
        };
        ClientOptions {
            cloud: Some(Arc::new(cloud.into())),
            ..client_options(transport)
        }
    }
}

/// The options of every credential of `azure_identity`: our own transport, and
/// no retries, since `crate::retry` has them.
pub(crate) fn client_options(transport: impl HttpClient + 'static) -> ClientOptions {
    ClientOptions {
        transport: Some(Transport::new(Arc::new(transport))),
        retry: RetryOptions::none(),
        user_agent: UserAgentOptions {
            application_id: Some("kubectl-apim".into()),
        },
        ..ClientOptions::default()
    }
}

/// Sends the requests of `azure_identity` to Entra and keeps the error of a
/// failed one: the crate loses the text of many refusals.
#[derive(Debug)]
struct EntraTransport {
    http: Client,
    purpose: String,
    failure: FailureSlot,
}

#[async_trait]
impl HttpClient for EntraTransport {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        hand_over(self.exchange(request).await, &self.failure)
    }
}

/// Returns the outcome of a request to the crate: the answer, or an error of a
/// kind that it does not retry. Our own error is kept in `failure`.
pub(crate) fn hand_over(
    exchanged: Result<(StatusCode, Answer), Error>,
    failure: &FailureSlot,
) -> azure_core::Result<AsyncRawResponse> {
    match exchanged {
        Ok((status, answer)) => Ok(AsyncRawResponse::from_bytes(
            status.as_u16().into(),
            Headers::default(),
            answer.body,
        )),
        Err(error) => {
            let for_crate = azure_core::Error::with_message(ErrorKind::Credential, error.to_string());
            failure.put(error);
            Err(for_crate)
        }
    }
}

impl EntraTransport {
    async fn exchange(&self, request: &Request) -> Result<(StatusCode, Answer), Error> {
        let Body::Bytes(form) = request.body() else {
            return Err(self.malformed("the request is a stream".into(), Flaw::Form));
        };
        let url = request.url().clone();
        let path = url.path().to_owned();
        let mut ours = self.http.post(url).body(form.clone());
        for (name, value) in request.headers().iter() {
            ours = ours.header(name.as_str(), value.as_str());
        }
        let (status, answer) = exchange::receive("Entra", &self.purpose, ours).await?;
        if status.is_redirection() {
            return Err(exchange::redirected(&self.purpose, status, &answer.headers));
        }
        if !status.is_success() {
            let presented = Presented::in_form(form);
            return Err(refused(&self.purpose, &path, presented.as_ref(), status, &answer));
        }
        match serde_json::from_slice::<Grant<'_>>(&answer.body) {
            Ok(grant) if !grant.access_token.is_empty() => Ok((status, answer)),
            Ok(_) => Err(self.malformed("Entra answered with an empty access token".into(), Flaw::Form)),
            Err(error) => {
                let came = wire::shape(&answer.headers, &answer.body);
                let flaw = wire::flaw(&answer.headers, &answer.body, &error);
                Err(self.malformed(format!("Entra answered {status} with {came}"), flaw))
            }
        }
    }

    fn malformed(&self, problem: String, flaw: Flaw) -> Error {
        Error::Wire {
            purpose: self.purpose.clone(),
            problem,
            flaw,
        }
    }
}

/// The error for Entra's answer: a refusal of the client, or a failure of Entra
/// itself, for which another attempt may help.
fn refused(
    purpose: &str,
    path: &str,
    presented: Option<&Presented>,
    status: StatusCode,
    answer: &Answer,
) -> Error {
    let parsed = EntraError::parse(&answer.body);
    let parsed = parsed.as_ref();
    let code = parsed.and_then(EntraError::code);
    let message = parsed.map_or_else(|| wire::shape(&answer.headers, &answer.body), EntraError::message);
    let correlation = parsed
        .and_then(|error| wire::word(error.correlation_id.as_deref()?))
        .unwrap_or_else(|| "unknown".into());
    let passing = parsed.is_some_and(|error| error.error.as_deref() == Some("temporarily_unavailable"));
    if parsed.is_some() && status.is_client_error() && !passing && !matches!(status.as_u16(), 408 | 429) {
        return Error::SignIn {
            message: format!("cannot {purpose}: {message} (correlation id {correlation})"),
            hint: code
                .as_deref()
                .and_then(|code| aadsts::next_step(code, presented)),
            code,
        };
    }
    let refusal = Box::new(Refusal {
        purpose: purpose.to_owned(),
        request: format!("POST {path}"),
        // A client error that Entra calls temporary is retried like a 503.
        status: if passing && status.is_client_error() {
            503
        } else {
            status.as_u16()
        },
        code,
        reason: None,
        message,
        correlation,
        retry_after: retry_after(&answer.headers),
        challenge: None,
    });
    if status == StatusCode::TOO_MANY_REQUESTS {
        Error::Throttled { refusal }
    } else {
        Error::Status { refusal }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn error(status: u16, body: &str) -> Error {
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: body.into(),
        };
        let status = StatusCode::from_u16(status).unwrap();
        refused(
            "sign in as client c of tenant t",
            "/t/oauth2/v2.0/token",
            None,
            status,
            &answer,
        )
    }

    #[test]
    fn the_audience_of_an_assertion_is_the_token_endpoint() {
        let http = crate::azure::http_client(None).unwrap();
        for authority in ["https://login.test:8443", "https://login.test:8443/dropped"] {
            let entra = Entra {
                http: &http,
                authority,
                tenant: "t",
                client_id: "c",
                purpose: String::new(),
                failure: FailureSlot::default(),
            };
            assert_eq!(entra.token_url(), "https://login.test:8443/t/oauth2/v2.0/token");
        }
    }

    #[test]
    fn the_claims_of_an_unmatched_federated_token_are_shown() {
        let presented = Presented {
            issuer: "https://issuer/".into(),
            subject: "system:serviceaccount:n:s".into(),
            audience: "api://AzureADTokenExchange".into(),
        };
        let hint = aadsts::next_step("AADSTS70021", Some(&presented)).unwrap();
        for part in [&presented.issuer, &presented.subject, &presented.audience] {
            assert!(hint.contains(part.as_str()), "{hint}");
        }
    }

    #[test]
    fn a_refusal_keeps_entras_message_and_gets_a_next_step() {
        let body = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided.\r\nTrace ID: t","error_codes":[7000215],"correlation_id":"c-1"}"#;
        let error = error(401, body);
        assert_eq!(
            error.to_string(),
            "cannot sign in as client c of tenant t: AADSTS7000215: Invalid client secret provided. \
             (correlation id c-1)"
        );
        assert!(error.hint().unwrap().contains("not its id"));
        assert_eq!(error.retry_decision(), crate::retry::Decision::Stop);
    }

    #[test]
    fn failures_of_entra_itself_are_retried() {
        let passing =
            r#"{"error":"temporarily_unavailable","error_description":"AADSTS90033: A transient error."}"#;
        for (status, body) in [(503, ""), (429, passing), (500, "<html>"), (400, passing)] {
            assert_eq!(
                error(status, body).retry_decision(),
                crate::retry::Decision::Retry,
                "{status}"
            );
        }
    }

    #[test]
    fn a_refusal_without_entras_json_is_described() {
        assert_eq!(
            error(403, "<html>").to_string(),
            "cannot sign in as client c of tenant t: Azure answered 403: HTML instead of JSON: \
             is there a proxy in between? (POST /t/oauth2/v2.0/token, correlation id unknown)"
        );
    }
}
