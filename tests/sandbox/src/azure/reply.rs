//! Answers before they are bytes on a connection.

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use futures::stream::{self, StreamExt as _};
use serde_json::{Value, json};

/// An answer with its whole body in memory.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Reply {
    pub(super) fn empty(status: StatusCode) -> Reply {
        Reply {
            status,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    pub(super) fn json(status: StatusCode, body: &Value) -> Reply {
        Reply::text(status, "application/json; charset=utf-8", body.to_string())
    }

    pub(super) fn text(status: StatusCode, content_type: &'static str, body: String) -> Reply {
        let reply = Reply {
            body: body.into(),
            ..Reply::empty(status)
        };
        reply.header(CONTENT_TYPE, content_type)
    }

    /// ARM's error envelope.
    pub(super) fn error(status: StatusCode, code: &str, message: &str) -> Reply {
        Reply::json(status, &json!({"error": {"code": code, "message": message}}))
    }

    pub(super) fn has_header(&self, name: &str) -> bool {
        self.headers.contains_key(name)
    }

    /// Sets a header; a value that HTTP cannot carry is left out.
    pub(super) fn header(mut self, name: HeaderName, value: impl AsRef<str>) -> Reply {
        if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
            self.headers.insert(name, value);
        }
        self
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let Reply {
            status,
            headers,
            body,
        } = self;
        respond(status, headers, Body::from(body))
    }

    /// A response that announces the whole body, sends half of it, and then breaks off.
    pub(super) fn into_cut_response(self) -> Response<Body> {
        let Reply {
            status,
            mut headers,
            body,
        } = self;
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        let half = body.slice(..body.len() / 2);
        let end = stream::once(async {
            // hyper flushes what it has when the body is not ready, and only then may the error arrive.
            tokio::task::yield_now().await;
            Err(std::io::Error::other("the emulator cut the body"))
        });
        respond(
            status,
            headers,
            Body::from_stream(stream::iter([Ok(half)]).chain(end)),
        )
    }
}

fn respond(status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
