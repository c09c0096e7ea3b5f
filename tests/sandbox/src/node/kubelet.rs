//! The kubelet's API, as far as `kubectl logs` needs it.

use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::Context;
use super::logs::{ContainerLog, Line};
use crate::pki::CertificateAuthority;
use crate::tls;

/// Serves the API to the API server alone and returns its port.
pub(crate) async fn start(
    authority: &CertificateAuthority,
    context: Arc<Context>,
    tasks: &mut JoinSet<()>,
) -> Result<u16> {
    let identity = authority.server(&["127.0.0.1", super::NODE_NAME])?;
    let config = tls::server_config(&identity, Some(authority.certificate_pem()))?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let router = Router::new()
        .route(
            "/containerLogs/{namespace}/{pod}/{container}",
            get(container_logs),
        )
        .route("/healthz", get(async || "ok"))
        .with_state(context);
    tasks.spawn(tls::serve(listener, config, router));
    Ok(port)
}

/// The options of a log request, named as in `PodLogOptions`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogOptions {
    #[serde(default)]
    follow: bool,
    limit_bytes: Option<usize>,
    #[serde(default)]
    previous: bool,
    since_seconds: Option<i64>,
    since_time: Option<Timestamp>,
    tail_lines: Option<usize>,
    #[serde(default)]
    timestamps: bool,
}

async fn container_logs(
    State(context): State<Arc<Context>>,
    Path((namespace, pod, container)): Path<(String, String, String)>,
    Query(options): Query<LogOptions>,
) -> Response {
    let Some(log) = context.logs.get(&(namespace, pod.clone(), container.clone())) else {
        let message = format!("container \"{container}\" in pod \"{pod}\" is not available");
        return (StatusCode::NOT_FOUND, message).into_response();
    };
    let Some(lines) = log.lines(options.previous) else {
        let message = if options.previous {
            format!("previous terminated container \"{container}\" in pod \"{pod}\" not found")
        } else {
            format!("container \"{container}\" in pod \"{pod}\" is waiting to start: ContainerCreating")
        };
        return (StatusCode::BAD_REQUEST, message).into_response();
    };
    if options.follow && !options.previous {
        return Body::from_stream(followed(log, options, lines.len())).into_response();
    }
    options.text(&lines).into_response()
}

impl LogOptions {
    /// The text of the lines that were asked for.
    fn text(&self, lines: &[Line]) -> String {
        let since = match self.since_seconds {
            Some(seconds) => Some(Timestamp::now() - SignedDuration::from_secs(seconds)),
            None => self.since_time,
        };
        let recent: Vec<_> = lines
            .iter()
            .filter(|line| since.is_none_or(|since| line.time >= since))
            .collect();
        let first = self
            .tail_lines
            .map_or(0, |tail| recent.len().saturating_sub(tail));
        let mut text: String = recent[first..].iter().map(|line| self.format(line)).collect();
        if let Some(limit) = self.limit_bytes {
            text.truncate(text.floor_char_boundary(limit));
        }
        text
    }

    fn format(&self, line: &Line) -> String {
        if self.timestamps {
            format!("{:.9} {}\n", line.time, line.text)
        } else {
            format!("{}\n", line.text)
        }
    }
}

/// The chosen lines that are there, then every line that is written.
fn followed(
    log: Arc<ContainerLog>,
    options: LogOptions,
    present: usize,
) -> impl futures::Stream<Item = Result<String, std::convert::Infallible>> {
    let first = log
        .lines(false)
        .map(|lines| options.text(&lines[..present.min(lines.len())]));
    let progress = log.progress();
    let following = futures::stream::unfold((log, options, progress, present), async |state| {
        let (log, options, mut progress, sent) = state;
        loop {
            let closed = progress.borrow_and_update().closed;
            let lines = log.lines(false).unwrap_or_default();
            // A new instance of the container starts a new, shorter log.
            let sent = if lines.len() < sent { 0 } else { sent };
            if lines.len() > sent {
                let text: String = lines[sent..].iter().map(|line| options.format(line)).collect();
                return Some((Ok(text), (log, options, progress, lines.len())));
            }
            if closed || progress.changed().await.is_err() {
                return None;
            }
        }
    });
    futures::StreamExt::chain(futures::stream::iter(first.map(Ok)), following)
}
