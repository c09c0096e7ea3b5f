//! What can happen to a request on its way.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

/// What happens to a request.
///
/// [`Fault::after_effect`] lets the server do first what it was asked. The faults of an answer, from
/// `CutHeader` on, need that anyway.
#[derive(Clone, Debug)]
pub enum Action {
    /// It gets this answer instead of the server's.
    Answer(Answer),
    /// It is sent on after this time; after the effect, its answer is.
    Delay(Duration),
    /// It is never answered.
    Hang,
    /// The connection is reset.
    Reset,
    /// Connections are reset as soon as they are opened. Path and method do not matter, since there is
    /// no request yet; a connection that is open already goes on.
    Refuse,
    /// The connection ends in the middle of the answer's header.
    CutHeader,
    /// The connection ends in the middle of the body, whose whole length is announced.
    CutBody,
    /// The answer comes at one byte a second.
    Drip,
    /// The server gets the request twice, and its second answer counts.
    Duplicate,
    /// The answer is sent twice.
    AnswerTwice,
}

/// An answer that no server gave.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub code: u16,
    /// Headers, for example `Retry-After`.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// With a body in JSON.
    pub fn json(code: u16, body: &Value) -> Self {
        Self::text(code, "application/json", &body.to_string())
    }

    /// With a body of any type.
    pub fn text(code: u16, content_type: &str, body: &str) -> Self {
        Self::bytes(code, content_type, body.as_bytes())
    }

    /// The same with bytes that need not be text.
    pub fn bytes(code: u16, content_type: &str, body: &[u8]) -> Self {
        Self {
            code,
            headers: vec![("Content-Type", content_type.to_owned())],
            body: body.to_vec(),
        }
    }

    /// With one header more.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

impl Action {
    /// A failure, as the API server reports it.
    pub fn status(code: u16) -> Self {
        Self::Answer(failure(code, None))
    }

    /// The same with a time to wait.
    pub fn retry_after(code: u16, seconds: u32) -> Self {
        Self::Answer(failure(code, Some(seconds)).header("Retry-After", &seconds.to_string()))
    }

    /// 429 as the API server's priority and fairness answers it: in plain text.
    pub fn throttle(seconds: Option<u32>) -> Self {
        let answer = Answer::text(
            429,
            "text/plain; charset=utf-8",
            "Too many requests, please try again later.\n",
        );
        Self::Answer(match seconds {
            Some(seconds) => answer.header("Retry-After", &seconds.to_string()),
            None => answer,
        })
    }

    /// A page of HTML, as a captive portal answers.
    pub fn html() -> Self {
        let page = "<!DOCTYPE html>\n<html><head><title>Sign in to the network</title></head>\
                    <body>Please sign in.</body></html>\n";
        Self::Answer(Answer::text(200, "text/html; charset=utf-8", page))
    }

    /// JSON in which every field that a client may look for has another type.
    pub fn wrong_types() -> Self {
        let body = json!({
            "kind": 1, "apiVersion": [], "metadata": "none", "spec": 7, "status": true, "data": ["x"], "items": {},
            "value": {"of": 3}, "access_token": 5, "expires_in": "soon", "error": ["x"], "count": "many",
        });
        Self::Answer(Answer::json(200, &body))
    }

    /// 200 with an empty body.
    pub fn empty() -> Self {
        Self::Answer(Answer::text(200, "application/json", ""))
    }
}

fn failure(code: u16, wait: Option<u32>) -> Answer {
    let reason = match code {
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        _ => "InternalError",
    };
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code,
        "reason": reason, "message": "the wire fails this request",
        "details": {"retryAfterSeconds": wait.unwrap_or_default()},
    });
    Answer::json(code, &body)
}

/// Which requests something happens to, what, and how often.
#[derive(Clone, Debug)]
pub struct Fault {
    method: Option<Method>,
    path: String,
    pub(super) action: Action,
    pub(super) after_effect: bool,
    times: Option<u32>,
}

impl Fault {
    /// Every request with this text in its URI: the path and the query, with Azure's host before them.
    pub fn on(path: &str, action: Action) -> Self {
        Self {
            method: None,
            path: path.to_owned(),
            action,
            after_effect: false,
            times: None,
        }
    }

    /// The same for other requests.
    #[must_use]
    pub fn of(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Only those of this method.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    /// Only the next `times` of them.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Only the next of them.
    #[must_use]
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// The server does what it was asked before the fault happens.
    #[must_use]
    pub fn after_effect(mut self) -> Self {
        self.after_effect = true;
        self
    }

    pub(super) fn matches(&self, method: &Method, uri: &str) -> bool {
        self.times != Some(0)
            && !matches!(self.action, Action::Refuse)
            && self.method.as_ref().is_none_or(|of| of == method)
            && uri.contains(&self.path)
    }

    pub(super) fn refuses(&self) -> bool {
        self.times != Some(0) && matches!(self.action, Action::Refuse)
    }

    pub(super) fn use_up(&mut self) {
        if let Some(times) = &mut self.times {
            *times -= 1;
        }
    }
}
