//! A reverse proxy between a program and the API server, which answers, delays
//! or swallows the requests that a test chooses.
//!
//! It speaks TLS with a certificate of the cluster's own authority, so that a
//! program meets it by a kubeconfig as it would meet the API server.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use axum::http::{HeaderName, HeaderValue, Method, Response, StatusCode, Uri, request};
use kube::Client;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::tls;

/// Larger requests than this are not read; no object of a test comes near it.
const LARGEST_BODY: usize = 4 << 20;

/// What happens to a request.
#[derive(Clone, Debug)]
pub enum Action {
    /// It is answered here, and never reaches the API server.
    Answer(Answer),
    /// It reaches the API server after this time.
    DelayBefore(Duration),
    /// It reaches the API server, and its answer is delayed.
    DelayAfter(Duration),
    /// It reaches nobody, and is never answered.
    Hang,
}

/// An answer that no API server gave.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub code: u16,
    /// Headers, for example `Retry-After`.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl Action {
    /// A failure, as the API server words it.
    pub fn status(code: u16) -> Self {
        Self::failure(code, None)
    }

    /// The same with the wait that the API server asks for.
    pub fn retry_after(code: u16, seconds: u32) -> Self {
        Self::failure(code, Some(seconds))
    }

    fn failure(code: u16, wait: Option<u32>) -> Self {
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
        let mut headers = vec![("Content-Type", "application/json".to_owned())];
        headers.extend(wait.map(|seconds| ("Retry-After", seconds.to_string())));
        Self::Answer(Answer {
            code,
            headers,
            body: body.to_string(),
        })
    }
}

/// Which requests something happens to, what, and how often.
#[derive(Clone, Debug)]
pub struct Fault {
    method: Option<Method>,
    path: String,
    action: Action,
    times: Option<u32>,
}

impl Fault {
    /// Every request with this text in its path and query.
    pub fn on(path: &str, action: Action) -> Self {
        Self {
            method: None,
            path: path.to_owned(),
            action,
            times: None,
        }
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

    fn matches(&self, method: &Method, uri: &Uri) -> bool {
        self.times != Some(0)
            && self.method.as_ref().is_none_or(|of| of == method)
            && uri.to_string().contains(&self.path)
    }
}

/// A request that came by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The method.
    pub method: Method,
    /// The path and the query.
    pub uri: String,
}

/// The proxy, which ends when dropped.
pub struct Wire {
    shared: Arc<Shared>,
    kubeconfig: PathBuf,
    task: JoinHandle<()>,
}

struct Shared {
    /// Signs in to the API server as the user of the kubeconfig.
    upstream: Client,
    faults: Mutex<Vec<Fault>>,
    seen: Mutex<Vec<Seen>>,
}

impl Wire {
    /// Listens in front of the API server. Each request is sent on with the
    /// credentials of `upstream`, whatever its sender has.
    pub(crate) async fn start(
        upstream: Client,
        identity: &crate::pki::Identity,
        kubeconfig: impl FnOnce(&str) -> Result<PathBuf>,
    ) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("https://{}", listener.local_addr()?);
        let shared = Arc::new(Shared {
            upstream,
            faults: Mutex::default(),
            seen: Mutex::default(),
        });
        let of_router = shared.clone();
        let router = Router::new().fallback(move |request: Request| {
            let shared = of_router.clone();
            async move { shared.answer(request).await }
        });
        let config = tls::server_config(identity, None)?;
        Ok(Self {
            shared,
            kubeconfig: kubeconfig(&url)?,
            task: tokio::spawn(tls::serve(listener, config, router)),
        })
    }

    /// A kubeconfig with the wire as its server.
    pub fn kubeconfig_path(&self) -> &Path {
        &self.kubeconfig
    }

    /// Adds a fault. Of several that match a request, the oldest counts.
    pub fn fault(&self, fault: Fault) {
        lock(&self.shared.faults).push(fault);
    }

    /// The requests that came by, the oldest first.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    async fn answer(&self, request: Request) -> Response<Body> {
        let (parts, body) = request.into_parts();
        lock(&self.seen).push(Seen {
            method: parts.method.clone(),
            uri: parts.uri.to_string(),
        });
        match self.take(&parts.method, &parts.uri) {
            Some(Action::Answer(answer)) => answer.into_response(),
            Some(Action::Hang) => std::future::pending().await,
            Some(Action::DelayBefore(delay)) => {
                tokio::time::sleep(delay).await;
                self.forwarded(parts, body).await
            }
            Some(Action::DelayAfter(delay)) => {
                let answer = self.forwarded(parts, body).await;
                tokio::time::sleep(delay).await;
                answer
            }
            None => self.forwarded(parts, body).await,
        }
    }

    /// What happens to a request: the oldest fault that matches it, which is
    /// used up by one.
    fn take(&self, method: &Method, uri: &Uri) -> Option<Action> {
        let mut faults = lock(&self.faults);
        let fault = faults.iter_mut().find(|fault| fault.matches(method, uri))?;
        if let Some(times) = &mut fault.times {
            *times -= 1;
        }
        Some(fault.action.clone())
    }

    async fn forwarded(&self, parts: request::Parts, body: Body) -> Response<Body> {
        self.forward(parts, body).await.unwrap_or_else(|error| {
            let mut answer = Response::new(Body::from(format!("the wire got no answer: {error:#}")));
            *answer.status_mut() = StatusCode::BAD_GATEWAY;
            answer
        })
    }

    async fn forward(&self, parts: request::Parts, body: Body) -> Result<Response<Body>> {
        let body = to_bytes(body, LARGEST_BODY).await?;
        let mut request = axum::http::Request::new(kube::client::Body::from(body.to_vec()));
        *request.method_mut() = parts.method;
        *request.uri_mut() = parts.uri.path_and_query().context("no path")?.as_str().parse()?;
        *request.headers_mut() = parts.headers;
        for of_this_connection in [HOST, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
            request.headers_mut().remove(of_this_connection);
        }
        let mut answer = self.upstream.send(request).await?.map(Body::new);
        for of_this_connection in [CONNECTION, TRANSFER_ENCODING] {
            answer.headers_mut().remove(of_this_connection);
        }
        Ok(answer)
    }
}

impl Answer {
    fn into_response(self) -> Response<Body> {
        let mut answer = Response::new(Body::from(self.body));
        *answer.status_mut() = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        answer
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        for (name, value) in self.headers {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
                answer.headers_mut().insert(name, value);
            }
        }
        answer
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
