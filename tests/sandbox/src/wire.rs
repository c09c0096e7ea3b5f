//! A proxy between a program and a server, which disturbs the requests that a test chooses.
//!
//! It stands in front of the API server or of the emulator of Azure. A program reaches it by
//! [`Wire::variable`] alone: a kubeconfig, or the URL of a proxy. Both sides of a connection are
//! TLS, with a certificate that the program trusts anyway.
//!
//! What the emulator does by itself, for example with a token that it will refuse, is a fault of
//! [`crate::azure`].

mod connection;
mod fault;
mod http;
mod upstream;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use axum::http::Method;
use axum::http::header::ACCEPT;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

pub use self::fault::{Action, Answer, Fault};
pub(crate) use self::upstream::Upstream;

/// A request that came by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The method.
    pub method: Method,
    /// The path and the query; before them the host name, if it is one of Azure's.
    pub uri: String,
    /// The header `Accept`, empty if there is none.
    pub accept: String,
    /// When it had arrived.
    pub at: Instant,
}

/// The proxy, which ends when dropped.
pub struct Wire {
    shared: Arc<Shared>,
    variable: (&'static str, String),
    task: JoinHandle<()>,
}

struct Shared {
    upstream: Upstream,
    faults: Mutex<Vec<Fault>>,
    seen: Mutex<Vec<Seen>>,
    round_trip: Mutex<Duration>,
}

impl Wire {
    /// Listens in front of a server. `variable` makes of the address what a program needs.
    pub(crate) async fn start(
        upstream: Upstream,
        variable: impl FnOnce(SocketAddr) -> Result<(&'static str, String)>,
    ) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let variable = variable(listener.local_addr()?)?;
        let shared = Arc::new(Shared {
            upstream,
            faults: Mutex::default(),
            seen: Mutex::default(),
            round_trip: Mutex::default(),
        });
        let task = tokio::spawn(listen(listener, shared.clone()));
        Ok(Self {
            shared,
            variable,
            task,
        })
    }

    /// The variable with which a program uses the wire: `KUBECONFIG` or `HTTPS_PROXY`.
    pub fn variable(&self) -> (&'static str, &str) {
        (self.variable.0, &self.variable.1)
    }

    /// The kubeconfig with the wire as its server, if it is in front of the API server.
    pub fn kubeconfig_path(&self) -> &Path {
        Path::new(&self.variable.1)
    }

    /// Adds a fault. Of several that match a request, the oldest counts.
    pub fn fault(&self, fault: Fault) {
        lock(&self.shared.faults).push(fault);
    }

    /// Removes every fault.
    pub fn clear_faults(&self) {
        lock(&self.shared.faults).clear();
    }

    /// Puts the server this far away: TCP's and TLS's handshakes and every answer take that long.
    pub fn set_round_trip(&self, time: Duration) {
        *lock(&self.shared.round_trip) = time;
    }

    /// The requests that came by, the oldest first.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }

    /// Those of one method with this text in their URI.
    pub fn seen_of(&self, method: &Method, text: &str) -> Vec<Seen> {
        let mut seen = self.seen();
        seen.retain(|seen| seen.method == method && seen.uri.contains(text));
        seen
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// Notes a request, and returns what happens to it.
    fn arrived(&self, request: &http::Request) -> Option<Fault> {
        lock(&self.seen).push(Seen {
            method: request.parts.method.clone(),
            uri: request.uri.clone(),
            accept: request
                .parts
                .headers
                .get(ACCEPT)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned(),
            at: Instant::now(),
        });
        self.take(|fault| fault.matches(&request.parts.method, &request.uri))
    }

    /// Whether a connection is refused that nothing has been read from.
    fn refuses(&self) -> bool {
        self.take(Fault::refuses).is_some()
    }

    /// The oldest fault that matches, which is used up by one.
    fn take(&self, matches: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let mut faults = lock(&self.faults);
        let fault = faults.iter_mut().find(|fault| matches(fault))?;
        fault.use_up();
        Some(fault.clone())
    }

    async fn travel(&self) {
        let time = *lock(&self.round_trip);
        if !time.is_zero() {
            tokio::time::sleep(time).await;
        }
    }
}

async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    // They end with this task.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // A connection that broke before it was accepted concerns only its client.
            Ok((stream, _)) = listener.accept() => {
                connections.spawn(accepted(stream, shared.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn accepted(mut stream: TcpStream, shared: Arc<Shared>) {
    if shared.refuses() {
        let _ = stream.set_zero_linger();
        return;
    }
    // The answers are small and each is awaited, which is where Nagle's algorithm costs most.
    let _ = stream.set_nodelay(true);
    let Ok(host) = shared.upstream.greet(&mut stream).await else {
        return;
    };
    shared.travel().await;
    shared.travel().await;
    // A client that does not trust the certificate hangs up, and reports it itself.
    if let Ok(stream) = shared.upstream.acceptor().accept(stream).await {
        connection::serve(&shared, stream, &host).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
