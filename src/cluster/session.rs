//! Who sends the requests, and over which connections. The credential of a plugin
//! is fetched anew when it has expired or the server refuses it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use jiff::{SignedDuration, Timestamp};
use kube::client::{AuthError, Body};
use rustls::sign::CertifiedKey;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

use super::exec::{Credential, Plugin};
use super::transport::{Http, Transport};
use crate::clock::ServerClock;
use crate::error::{Error, Result};

/// How long the outcome of a sign-in holds for other requests: many of them may
/// need one at the same time.
const SHARED: Duration = Duration::from_secs(5);

/// Adds a header to a request, and answers with it.
pub(super) type Provider = BoxCloneSyncService<Request<Body>, Response<Request<Body>>, kube::Error>;

/// How requests are authorized, beside a client certificate.
pub(super) enum Authorization {
    Nothing,
    Header(HeaderValue),
    /// A token in a file that is replaced before it expires. The last one that was
    /// read counts if there is none now.
    TokenFile(PathBuf, Mutex<Option<HeaderValue>>),
    Provider(Provider),
    Plugin(Plugin),
}

pub(super) struct Session {
    authorization: Authorization,
    transport: Transport,
    clock: ServerClock,
    /// The local time when this was made.
    began: (Timestamp, Instant),
    /// When a sign-in ends at the latest if its request has no deadline.
    deadline: Option<Instant>,
    current: Mutex<Current>,
    /// Its holder runs the plugin.
    turn: tokio::sync::Mutex<()>,
}

struct Current {
    http: Http,
    /// Whether the plugin's credential has a client certificate.
    identified: bool,
    header: Option<HeaderValue>,
    /// Counts the credentials of the plugin, so that one refusal asks for one new
    /// credential.
    generation: u64,
    signed_in: bool,
    expires: Option<Timestamp>,
    refused: Option<Instant>,
    failed: Option<(Instant, Error)>,
}

impl Session {
    pub(super) fn new(
        authorization: Authorization,
        transport: Transport,
        identity: Option<&Arc<CertifiedKey>>,
        clock: ServerClock,
        (now, deadline): (Timestamp, Option<Instant>),
    ) -> Result<Self> {
        let current = Current {
            http: transport.client(identity)?,
            identified: false,
            header: None,
            generation: 0,
            signed_in: false,
            expires: None,
            refused: None,
            failed: None,
        };
        Ok(Self {
            authorization,
            transport,
            clock,
            began: (now, Instant::now()),
            deadline,
            current: Mutex::new(current),
            turn: tokio::sync::Mutex::default(),
        })
    }

    /// Runs the plugin if there is one and its credential is needed. Returns the
    /// number of the credential.
    pub(super) async fn sign_in(&self, deadline: Option<Instant>) -> Result<u64> {
        let Authorization::Plugin(plugin) = &self.authorization else {
            return Ok(0);
        };
        if let Some(outcome) = self.known() {
            return outcome;
        }
        let _turn = self.turn.lock().await;
        if let Some(outcome) = self.known() {
            return outcome;
        }
        let run: BoxFuture<'_, _> = Box::pin(plugin.run(deadline.or(self.deadline), self.now()));
        let outcome = run.await;
        let outcome = outcome.and_then(|credential| self.take(&credential));
        outcome.map_err(|error| {
            let again = error.again();
            self.current().failed = Some((Instant::now(), error));
            again
        })
    }

    /// The outcome of a sign-in that still holds.
    fn known(&self) -> Option<Result<u64>> {
        let now = self.now();
        let current = self.current();
        if current.signed_in && current.expires.is_none_or(|expires| now < expires) {
            return Some(Ok(current.generation));
        }
        let (at, error) = current.failed.as_ref()?;
        (at.elapsed() < SHARED).then(|| Err(error.again()))
    }

    fn take(&self, credential: &Credential) -> Result<u64> {
        let header = credential.token.as_ref().map(bearer).transpose()?;
        // A connection, and a session that is resumed, belong to one certificate.
        let identity = credential.identity.as_ref();
        let mut current = self.current();
        if identity.is_some() || current.identified {
            current.http = self.transport.client(identity)?;
            current.identified = identity.is_some();
        }
        current.header = header;
        current.expires = credential.expires;
        current.signed_in = true;
        current.failed = None;
        current.generation += 1;
        Ok(current.generation)
    }

    /// The server has refused the credential with this number. True if the request
    /// may be sent again, because there is another credential, or will be.
    pub(super) fn refused(&self, generation: u64) -> bool {
        if !matches!(self.authorization, Authorization::Plugin(_)) {
            return false;
        }
        let mut current = self.current();
        if current.generation != generation || !current.signed_in {
            return true;
        }
        if current.refused.is_some_and(|at| at.elapsed() < SHARED) {
            return false;
        }
        current.refused = Some(Instant::now());
        current.signed_in = false;
        true
    }

    /// The number of the present credential.
    pub(super) fn generation(&self) -> u64 {
        self.current().generation
    }

    /// The client for a request, and the request with its authorization. Signs in if
    /// that was not done before.
    pub(super) async fn prepared(
        &self,
        mut request: Request<Body>,
    ) -> Result<(Http, Request<Body>), kube::Error> {
        self.sign_in(None).await.map_err(unsent)?;
        let header = match &self.authorization {
            Authorization::Nothing => None,
            Authorization::Header(header) => Some(header.clone()),
            Authorization::TokenFile(path, last) => {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(token) = token_in(path) {
                    *last = Some(bearer(&token).map_err(unsent)?);
                }
                last.clone()
            }
            Authorization::Provider(provider) => {
                let answer = provider.clone().oneshot(request).await?;
                request = answer.into_body();
                None
            }
            Authorization::Plugin(_) => self.current().header.clone(),
        };
        if let Some(header) = header {
            request.headers_mut().insert(AUTHORIZATION, header);
        }
        Ok((self.current().http.clone(), request))
    }

    /// The server's time; before its first answer, the local one.
    fn now(&self) -> Timestamp {
        let (began, at) = self.began;
        let passed = SignedDuration::try_from(at.elapsed()).unwrap_or_default();
        self.clock
            .now()
            .unwrap_or_else(|| began.saturating_add(passed).unwrap_or(began))
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

/// The token of a file, unless the file is missing or empty.
pub(super) fn token_in(path: &Path) -> Option<SecretString> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(SecretString::from(text.trim())).filter(|token| !token.expose_secret().is_empty())
}

/// A token as a header.
pub(super) fn bearer(token: &SecretString) -> Result<HeaderValue> {
    let header = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()));
    let mut header =
        header.map_err(|_| Error::failed("the token for the cluster has characters that no token has"))?;
    header.set_sensitive(true);
    Ok(header)
}

/// The error of a request that was not sent, because the sign-in failed.
pub(super) fn unsent(error: Error) -> kube::Error {
    kube::Error::Auth(AuthError::AuthExecStart(io::Error::other(error)))
}

#[cfg(test)]
mod tests;
