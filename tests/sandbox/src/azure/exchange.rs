//! The steps of one request in the emulator: log, fault, effect, answer.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{AUTHORIZATION, DATE, HOST, HeaderName, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response, StatusCode};
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use uuid::Uuid;

use super::access::Claims;
use super::cloud::Site;
use super::emulator::{Effect, Emulator};
use super::fault::Action;
use super::operation::Operation;
use super::reply::Reply;
use super::request::Request;
use super::route::Route;
use super::{clock, configuration, token};

/// A request as the emulator understands it.
pub(super) struct Call {
    pub(super) method: String,
    /// The host name, without the port.
    pub(super) host: String,
    /// The scheme, host name and port that the client used.
    pub(super) base: String,
    /// The path with its query, as the client wrote it.
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Nothing when the emulator does not answer for the host.
    pub(super) site: Option<Site>,
    pub(super) route: Route,
    /// The claims of the access token, if this emulator issued it.
    pub(super) claims: Option<Claims>,
    pub(super) client_id: Option<String>,
    /// The gateway that the path names, or whose token is presented.
    pub(super) gateway: Option<String>,
    pub(super) correlation_id: String,
    pub(super) proxied: bool,
}

impl Call {
    pub(super) fn new(emulator: &Emulator, parts: Parts, body: Bytes, proxied: bool) -> Call {
        let authority = match parts.uri.authority() {
            Some(authority) => authority.to_string(),
            None => header(&parts.headers, &HOST).unwrap_or_default().to_owned(),
        };
        let host = authority
            .rsplit_once(':')
            .map_or(authority.as_str(), |(host, _)| host)
            .to_lowercase();
        let site = Site::of(&host);
        let segments: Vec<String> = parts
            .uri
            .path()
            .split('/')
            .filter(|part| !part.is_empty())
            .map(decode)
            .collect();
        let route = site
            .as_ref()
            .map_or(Route::Unknown, |site| Route::of(site, &parts.method, &segments));
        let claims = bearer(&parts.headers).and_then(|token| emulator.claims(token));
        let client_id = match &route {
            Route::SignIn { .. } => form(&body)
                .into_iter()
                .find(|(name, _)| name == "client_id")
                .map(|(_, id)| id),
            _ => claims.as_ref().map(|claims| claims.appid.clone()),
        };
        let gateway = match &route {
            Route::Configuration { .. } => configuration::named_gateway(&parts.headers)
                .or_else(|| header(&parts.headers, &AUTHORIZATION).and_then(token::gateway_id)),
            _ => route.gateway(),
        };
        let gateway = gateway.map(str::to_owned);
        let correlation = header(
            &parts.headers,
            &HeaderName::from_static("x-ms-correlation-request-id"),
        );
        Call {
            method: parts.method.to_string(),
            host,
            base: format!("https://{authority}"),
            path: parts
                .uri
                .path_and_query()
                .map_or_else(String::new, ToString::to_string),
            query: form(parts.uri.query().unwrap_or_default().as_bytes()),
            correlation_id: correlation.map_or_else(|| Uuid::new_v4().to_string(), str::to_owned),
            headers: parts.headers,
            body,
            site,
            route,
            claims,
            client_id,
            gateway,
            proxied,
        }
    }

    pub(super) fn operation(&self) -> Option<Operation> {
        self.route.operation()
    }

    /// A parameter of the query, whose names ARM compares without regard to case.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The URL of the request with another value of one option of its query.
    pub(super) fn url_with(&self, option: &str, value: &str) -> String {
        let kept = self
            .query
            .iter()
            .filter(|(name, _)| !name.eq_ignore_ascii_case(option));
        let query: Vec<String> = kept
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .chain([(option, value)])
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
            .collect();
        let path = self.path.split('?').next().unwrap_or_default();
        format!("{}{path}?{}", self.base, query.join("&"))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn bearer(&self) -> Option<&str> {
        bearer(&self.headers)
    }

    pub(super) fn authorization(&self) -> Option<&str> {
        header(&self.headers, &AUTHORIZATION)
    }

    fn entry(&self, time: Timestamp) -> Request {
        Request {
            time,
            host: self.host.clone(),
            method: self.method.clone(),
            path: self.path.clone(),
            operation: self.operation(),
            principal: self.client_id.clone(),
            gateway: self.gateway.clone(),
            status: None,
            proxied: self.proxied,
            correlation_id: self.correlation_id.clone(),
        }
    }
}

/// How a request ends on its connection.
pub(super) enum Outcome {
    Answer(Response<Body>),
    Reset,
}

/// Takes a request from its arrival in the log to its answer.
pub(super) async fn exchange(emulator: Arc<Emulator>, call: Call) -> Outcome {
    let (ticket, action) = {
        let mut state = emulator.state();
        let time = state.clock.now();
        (state.requests.arrive(call.entry(time)), state.faults.take(&call))
    };
    let effect = |effect| emulator.effect(&call, effect);
    let mut cut = false;
    let reply = match action {
        None => effect(Effect::Plain),
        Some(Action::Status { code, body, headers }) => {
            with(emulator.instead(&call, status(code, body)), &headers)
        }
        Some(Action::DelayBefore { millis }) => {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            effect(Effect::Plain)
        }
        Some(Action::DelayAfter { millis }) => {
            let reply = effect(Effect::Plain);
            tokio::time::sleep(Duration::from_millis(millis)).await;
            reply
        }
        Some(Action::ResetBefore) => return Outcome::Reset,
        Some(Action::ResetAfter) => {
            effect(Effect::Plain);
            return Outcome::Reset;
        }
        Some(Action::CutBody) => {
            cut = true;
            effect(Effect::Plain)
        }
        Some(Action::Html200) => Reply::text(
            StatusCode::OK,
            "text/html; charset=utf-8",
            CAPTIVE_PORTAL.to_owned(),
        ),
        Some(Action::Empty200) => Reply::empty(StatusCode::OK),
        Some(Action::Redirect { to }) => Reply::empty(StatusCode::TEMPORARY_REDIRECT).header(LOCATION, to),
        Some(Action::RefusedToken) => effect(Effect::RefusedToken),
    };
    let reply = stamp(&emulator, &call, reply);
    emulator.state().requests.answer(ticket, reply.status.as_u16());
    Outcome::Answer(if cut {
        reply.into_cut_response()
    } else {
        reply.into_response()
    })
}

const CAPTIVE_PORTAL: &str = "<!DOCTYPE html>\n<html><head><title>Sign in to the network</title></head><body>Please sign in.</body></html>\n";

fn status(code: u16, body: String) -> Reply {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let content_type = if body.starts_with('{') {
        "application/json; charset=utf-8"
    } else {
        "text/plain"
    };
    Reply::text(status, content_type, body)
}

fn with(reply: Reply, headers: &[(String, String)]) -> Reply {
    headers
        .iter()
        .fold(reply, |reply, (name, value)| match name.parse() {
            Ok(name) => reply.header(name, value),
            Err(_) => reply,
        })
}

/// Adds what every answer of Azure carries, the time by the emulator's clock included.
fn stamp(emulator: &Emulator, call: &Call, reply: Reply) -> Reply {
    let now = emulator.now();
    let routing = format!("WESTEUROPE:{}:{}", now.strftime("%Y%m%dT%H%M%SZ"), Uuid::new_v4());
    reply
        .header(DATE, clock::http_date(now))
        .header(
            HeaderName::from_static("x-ms-request-id"),
            Uuid::new_v4().to_string(),
        )
        .header(
            HeaderName::from_static("x-ms-correlation-request-id"),
            &call.correlation_id,
        )
        .header(HeaderName::from_static("x-ms-routing-request-id"), routing)
}

/// The pairs of a query or of a form in its URL-encoded shape.
pub(super) fn form(text: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(text);
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(&name.replace('+', " ")), decode(&value.replace('+', " ")))
        })
        .collect()
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = header(headers, &AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then_some(token.trim())
}

/// Reads a literal of `OData`, in which a quote is doubled, and gives what follows it.
pub(super) fn literal(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('\'')?;
    let mut value = String::new();
    loop {
        let (part, tail) = rest.split_once('\'')?;
        value.push_str(part);
        match tail.strip_prefix('\'') {
            Some(more) => {
                value.push('\'');
                rest = more;
            }
            None => return Some((value, tail)),
        }
    }
}
