use std::error::Error as StdError;
use std::io;
use std::time::Instant;

use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use reqwest::{Client, RequestBuilder, Url};
use serde_json::Value;
use uuid::Uuid;

use super::budget::wait_asked;
use super::challenge::Challenge;
use super::error::{Error, Fault, Flaw, Refusal};
use super::proxy::proxy_for;
use super::wire;
use crate::retry::ATTEMPT;

/// One request to Azure, which can be sent again.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// What the request does, in words that follow "cannot": `read gateway gw`.
    pub(crate) purpose: String,
    /// The object that a 404 reports as missing.
    pub(crate) what: String,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) body: Option<Value>,
    /// The header `Prefer` of `OData`.
    pub(crate) prefer: Option<&'static str>,
}

/// The largest answer that is read. A page of gateways or subscriptions is far
/// smaller, and what answers instead of Azure must not fill the memory.
const LARGEST: usize = 4 << 20;

/// A successful answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Call {
    /// A read of `url`, with the purpose and the object for error messages.
    pub(crate) fn get(purpose: String, what: String, url: Url) -> Self {
        Self::new(Method::GET, purpose, what, url)
    }

    /// A request without a body.
    pub(crate) fn new(method: Method, purpose: String, what: String, url: Url) -> Self {
        Self {
            purpose,
            what,
            method,
            url,
            body: None,
            prefer: None,
        }
    }

    /// The same request with a body.
    #[must_use]
    pub(crate) fn with(self, body: Value) -> Self {
        Self {
            body: Some(body),
            ..self
        }
    }

    /// Sends the request once. Any answer that is not a success is an error.
    /// `observe` is called for every answer, errors included.
    pub(crate) async fn send(
        &self,
        http: &Client,
        access_token: Option<&str>,
        observe: impl FnOnce(StatusCode, &HeaderMap),
    ) -> Result<Answer, Error> {
        let id = Uuid::new_v4().to_string();
        let mut request = http
            .request(self.method.clone(), self.url.clone())
            .header("x-ms-client-request-id", &id);
        if let Some(preference) = self.prefer {
            request = request.header("prefer", preference);
        }
        if let Some(token) = access_token {
            request = request.bearer_auth(token);
        }
        request = match &self.body {
            Some(body) => request.json(body),
            // ARM's front end requires a Content-Length for every POST.
            None if self.method == Method::POST => request.body(""),
            None => request,
        };
        let (status, answer) = receive("Azure", &self.purpose, request).await?;
        observe(status, &answer.headers);
        if status.is_success() {
            return Ok(answer);
        }
        if status.is_redirection() {
            return Err(redirected(&self.purpose, status, &answer.headers));
        }
        Err(self.refused(status, &answer, id))
    }

    fn refused(&self, status: StatusCode, answer: &Answer, sent_as: String) -> Error {
        let envelope = wire::envelope(&answer.body);
        let missing = envelope
            .as_ref()
            .and_then(|envelope| wire::forbidden(&envelope.message));
        let (code, reason, message) = match envelope {
            Some(it) => (Some(it.code), it.reason, wire::line(&it.message)),
            None => (None, None, wire::shape(&answer.headers, &answer.body)),
        };
        let id = |name| answer.headers.get(name).map(HeaderValue::as_bytes);
        // The last one is Microsoft Graph's.
        let correlation = ["x-ms-correlation-request-id", "x-ms-request-id", "request-id"]
            .into_iter()
            .find_map(id);
        let refusal = Box::new(Refusal {
            purpose: self.purpose.clone(),
            request: format!("{} {}", self.method, self.url.path()),
            status: status.as_u16(),
            correlation: correlation
                .and_then(|id| wire::word(&String::from_utf8_lossy(id)))
                .unwrap_or(sent_as),
            retry_after: wait_asked(status, &answer.headers),
            challenge: Challenge::read(&answer.headers),
            code,
            reason,
            message,
        });
        let code = refusal.code.as_deref();
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Error::Throttled { refusal };
        }
        // A 404 without an error envelope does not come from Azure.
        if status == StatusCode::NOT_FOUND && code.is_some() {
            return Error::NotFound {
                what: self.what.clone(),
                refusal,
            };
        }
        match missing {
            Some((action, scope, principal)) if code == Some("AuthorizationFailed") => Error::Forbidden {
                action,
                scope,
                principal,
                refusal,
            },
            _ => Error::Status { refusal },
        }
    }

    /// The error for a successful answer whose body is not what Azure documents.
    pub(crate) fn malformed(&self, problem: impl Into<String>, flaw: Flaw) -> Error {
        Error::Wire {
            purpose: self.purpose.clone(),
            problem: problem.into(),
            flaw,
        }
    }
}

/// Sends a request and reads its whole answer, whatever the status.
pub(crate) async fn receive(
    server: &str,
    purpose: &str,
    request: RequestBuilder,
) -> Result<(StatusCode, Answer), Error> {
    let begun = Instant::now();
    let (http, request) = request.build_split();
    let request = request.map_err(|error| Error::Setup(format!("cannot {purpose}: {error}")))?;
    let method = request.method().clone();
    let url = request.url().clone();
    let exchange = async {
        let mut response = http.execute(request).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST {
                return Ok((status, headers, None));
            }
        }
        Ok((status, headers, Some(body)))
    };
    let outcome = exchange.await;
    let took = begun.elapsed().as_millis();
    let shown = format!(
        "{server} {method} {}{}",
        url.path(),
        if url.query().is_some() { "?.." } else { "" }
    );
    match outcome {
        Ok((status, headers, body)) => {
            tracing::debug!("{shown} {} in {took} ms", status.as_u16());
            let body = body.ok_or_else(|| Error::Wire {
                purpose: purpose.to_owned(),
                problem: format!("the answer is larger than {} MiB", LARGEST >> 20),
                flaw: Flaw::Form,
            })?;
            let answer = Answer {
                status,
                headers,
                body,
            };
            Ok((status, answer))
        }
        Err(error) => {
            let error = transport_error(purpose, &url, &error);
            tracing::debug!("{shown} failed in {took} ms");
            Err(error)
        }
    }
}

/// Redirects are never followed: one could send a credential to another host.
pub(crate) fn redirected(purpose: &str, status: StatusCode, headers: &HeaderMap) -> Error {
    let target = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let host = target
        .and_then(|target| Url::parse(target).ok())
        .and_then(|url| url.host_str().map(str::to_owned));
    Error::Wire {
        purpose: purpose.to_owned(),
        problem: format!(
            "the answer is {}, a redirect to {}, which is not followed: is there a proxy in between?",
            status.as_u16(),
            host.as_deref().unwrap_or("another path")
        ),
        flaw: Flaw::Form,
    }
}

fn transport_error(purpose: &str, url: &Url, error: &reqwest::Error) -> Error {
    let host = url.host_str().unwrap_or_default();
    let proxy = proxy_for(url);
    let through = proxy.map(|proxy| format!(" through the proxy {proxy}"));
    let through = through.unwrap_or_default();
    let mut fault = if error.is_connect() {
        Fault::Connect
    } else {
        Fault::Broken
    };
    let mut root = String::new();
    let mut next: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(cause) = next {
        root = cause.to_string();
        if certificate_refused(cause) {
            fault = Fault::Certificate;
        } else if root.contains("proxy authorization required") {
            fault = Fault::ProxyAuthentication;
        }
        next = cause.source();
    }
    let why = wire::line(&root);
    let message = match fault {
        Fault::Connect => format!("no connection to {host}{through}: {why}"),
        Fault::Certificate => format!("the certificate of {host}{through} is not trusted: {why}"),
        Fault::ProxyAuthentication => {
            format!("no connection to {host}{through}: the proxy requires a user name and a password")
        }
        Fault::Broken if error.is_timeout() => {
            format!("{host}{through} did not answer within {} s", ATTEMPT.as_secs())
        }
        Fault::Broken => format!("the connection to {host}{through} broke: {why}"),
    };
    Error::Transport {
        purpose: purpose.to_owned(),
        fault,
        message,
    }
}

/// Looks into `io::Error` as well: its `source` skips the error that it wraps,
/// which may be another `io::Error`.
fn certificate_refused(cause: &(dyn StdError + 'static)) -> bool {
    if let Some(error) = cause.downcast_ref::<rustls::Error>() {
        return matches!(error, rustls::Error::InvalidCertificate(_));
    }
    let wrapped = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    wrapped.is_some_and(|inner| certificate_refused(inner))
}

#[cfg(test)]
mod tests;
