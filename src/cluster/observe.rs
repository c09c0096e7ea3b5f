//! The layer around every request to the API server: it reads the server's
//! clock, limits the wait, logs one line, and adds the server to errors.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{Request, Response};
use rustls::{AlertDescription, CertificateError};
use tower::{BoxError, Layer, Service};

use super::authority::Distrust;
use super::transport::ProxyFailed;
use crate::clock::ServerClock;
use crate::retry::{NotBefore, retry_after};

#[derive(Clone)]
pub(super) struct Observe {
    pub(super) clock: ServerClock,
    pub(super) server: Arc<str>,
    /// The proxy, if there is one, without its password.
    pub(super) proxy: Option<Arc<str>>,
    /// Extended by every answer that asks for a wait.
    pub(super) not_before: NotBefore,
    /// How long to wait for an answer that is not a stream.
    pub(super) answer_within: Option<Duration>,
}

impl<S> Layer<S> for Observe {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed {
            inner,
            observe: self.clone(),
        }
    }
}

/// A service inside the layer.
pub(super) struct Observed<S> {
    inner: S,
    observe: Observe,
}

impl<S, B, R> Service<Request<B>> for Observed<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let method = request.method().clone();
        let path = request
            .uri()
            .path_and_query()
            .map_or_else(String::new, ToString::to_string);
        let observe = self.observe.clone();
        // The headers of a stream may arrive only with its first line.
        let streams = path.contains("watch=") || path.contains("follow=");
        let limit = observe.answer_within.filter(|_| !streams);
        let answer = self.inner.call(request);
        Box::pin(async move {
            // Nothing is sent before `answer` is polled.
            observe.not_before.over().await;
            let begun = Instant::now();
            let result = match limit {
                None => answer.await.map_err(Into::into),
                Some(limit) => match tokio::time::timeout(limit, answer).await {
                    Ok(result) => result.map_err(Into::into),
                    Err(elapsed) => Err(elapsed.into()),
                },
            };
            let took = begun.elapsed().as_millis();
            match result {
                Ok(response) => {
                    observe.clock.observe(response.headers());
                    let status = response.status();
                    if (status.is_client_error() || status.is_server_error())
                        && let Some(wait) = retry_after(response.headers())
                    {
                        observe.not_before.postpone(wait);
                    }
                    let status = status.as_u16();
                    tracing::debug!(target: "kubectl_apim::cluster", "{method} {path} {status} in {took} ms");
                    Ok(response)
                }
                Err(error) => {
                    let error = NoAnswer::from(&observe, error);
                    tracing::debug!(target: "kubectl_apim::cluster", "{method} {path} failed in {took} ms: {error}");
                    Err(error)
                }
            }
        })
    }
}

/// The error of a request without an answer.
#[derive(Debug)]
pub(super) struct NoAnswer {
    pub(super) server: Arc<str>,
    pub(super) proxy: Option<Arc<str>>,
    pub(super) reason: Reason,
    source: BoxError,
}

/// Why there was no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Refused,
    /// There was no connection in time.
    TimedOut,
    /// There was a connection, and no whole answer in time.
    Unanswered,
    NoSuchHost,
    Closed,
    UnknownIssuer,
    CertificateExpired,
    OtherName,
    Certificate(String),
    ClientCertificate,
    NoTls,
    /// The proxy at this URL was not reached, or it does not reach the server.
    Proxy(String, Box<Self>),
    Other(String),
}

impl Reason {
    /// Whether the certificates are at fault, which no retry changes.
    pub(super) fn is_about_trust(&self) -> bool {
        if let Self::Proxy(_, why) = self {
            return why.is_about_trust();
        }
        matches!(
            self,
            Self::UnknownIssuer
                | Self::CertificateExpired
                | Self::OtherName
                | Self::Certificate(_)
                | Self::ClientCertificate
                | Self::NoTls
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "the connection was refused",
            Self::TimedOut | Self::Unanswered => "it did not answer in time",
            Self::NoSuchHost => "its host name does not resolve",
            Self::Closed => "the connection was closed",
            Self::UnknownIssuer => "its certificate was issued by an authority that is not trusted",
            Self::CertificateExpired => "its certificate has expired",
            Self::OtherName => "its certificate is for another host name",
            Self::ClientCertificate => "it does not accept the client certificate",
            Self::NoTls => "it does not use TLS",
            Self::Certificate(why) => return write!(f, "its certificate {why}"),
            Self::Proxy(proxy, why) => return write!(f, "the proxy {proxy}: {why}"),
            Self::Other(why) => why,
        })
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, reason, .. } = self;
        match (&self.proxy, reason) {
            (None, _) | (_, Reason::Proxy(..)) => write!(f, "no answer from {server}: {reason}"),
            (Some(proxy), _) => write!(f, "no answer from {server} through the proxy {proxy}: {reason}"),
        }
    }
}

impl StdError for NoAnswer {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.source.as_ref())
    }
}

impl NoAnswer {
    /// The error of a request that was given up.
    pub(super) fn unanswered(server: &Arc<str>) -> Self {
        Self {
            server: server.clone(),
            proxy: None,
            reason: Reason::Unanswered,
            source: io::Error::from(io::ErrorKind::TimedOut).into(),
        }
    }

    /// Wraps the error of the connection.
    fn from(observe: &Observe, error: BoxError) -> BoxError {
        Box::new(Self {
            server: observe.server.clone(),
            proxy: observe.proxy.clone(),
            reason: reason(error.as_ref()),
            source: error,
        })
    }
}

/// The first known reason in the chain of causes, else the text of the root.
fn reason(error: &(dyn StdError + 'static)) -> Reason {
    let mut next = Some(error);
    let mut last = String::new();
    while let Some(cause) = next {
        if let Some(reason) = known(cause) {
            return reason;
        }
        last = cause.to_string();
        // The `source` of an I/O error skips the error that it wraps.
        let inside = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match inside {
            Some(inside) => Some(inside),
            None => cause.source(),
        };
    }
    Reason::Other(last)
}

fn known(cause: &(dyn StdError + 'static)) -> Option<Reason> {
    if cause.is::<tokio::time::error::Elapsed>() {
        return Some(Reason::Unanswered);
    }
    if let Some(failed) = cause.downcast_ref::<ProxyFailed>() {
        let why = failed.source().map_or(Reason::Closed, reason);
        return Some(Reason::Proxy(failed.proxy.clone(), Box::new(why)));
    }
    if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
        return Some(tls_reason(tls));
    }
    // Errors whose types are private.
    match cause.to_string().as_str() {
        "dns error" => return Some(Reason::NoSuchHost),
        "tunnel error: proxy authorization required" => {
            return Some(Reason::Other("it asks for a user name and a password".to_owned()));
        }
        "tunnel error: unsuccessful" => {
            return Some(Reason::Other("it does not connect to the server".to_owned()));
        }
        _ => {}
    }
    match cause.downcast_ref::<io::Error>()?.kind() {
        io::ErrorKind::ConnectionRefused => Some(Reason::Refused),
        io::ErrorKind::TimedOut => Some(Reason::TimedOut),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
            Some(Reason::Closed)
        }
        _ => None,
    }
}

fn tls_reason(error: &rustls::Error) -> Reason {
    match error {
        rustls::Error::InvalidCertificate(why) => match why {
            // `openssl req -x509` makes one that may sign, which nobody else has issued.
            CertificateError::Other(why) if why.0.to_string() == "CaUsedAsEndEntity" => Reason::UnknownIssuer,
            CertificateError::UnknownIssuer => Reason::UnknownIssuer,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Reason::CertificateExpired,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Reason::OtherName
            }
            why => Reason::Certificate(distrust(why)),
        },
        rustls::Error::InvalidMessage(_) => Reason::NoTls,
        rustls::Error::AlertReceived(
            AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRequired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA,
        ) => Reason::ClientCertificate,
        rustls::Error::AlertReceived(_) => Reason::Other("it ended the TLS handshake".to_owned()),
        rustls::Error::PeerIncompatible(_) => {
            Reason::Other("it speaks neither TLS 1.2 nor TLS 1.3 as this program does".to_owned())
        }
        other => Reason::Other(other.to_string()),
    }
}

/// Why a certificate is not accepted, after "its certificate". The texts of rustls
/// are for programmers.
fn distrust(why: &CertificateError) -> String {
    let why = match why {
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "is not valid yet",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is not for servers: its extended key usage lacks serverAuth"
        }
        CertificateError::BadEncoding => "cannot be read",
        CertificateError::UnhandledCriticalExtension => "has a critical extension that is not supported",
        CertificateError::BadSignature
        | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "has a signature that is wrong or of a kind that is not supported: \
             RSA from 2048 bits, P-256, P-384 and Ed25519 are, with SHA-256 or SHA-384"
        }
        CertificateError::Other(why) => match why.0.downcast_ref::<Distrust>() {
            Some(why) => return why.to_string(),
            None => of_webpki(&why.0.to_string()),
        },
        _ => "is not accepted",
    };
    why.to_owned()
}

/// What webpki alone has a name for.
fn of_webpki(name: &str) -> &'static str {
    match name {
        "UnsupportedCriticalExtension" => "has a critical extension that is not supported",
        "EndEntityUsedAsCa" | "PathLenConstraintViolated" => {
            "was issued by an authority that may not issue it"
        }
        "NameConstraintViolation" => "is for a name that its authority may not issue for",
        _ => "is not accepted",
    }
}

#[cfg(test)]
mod tests {
    use http::header::DATE;
    use tower::{ServiceExt, service_fn};

    use super::*;

    fn observe(answer_within: Option<Duration>) -> Observe {
        Observe {
            clock: ServerClock::default(),
            server: Arc::from("https://prod:6443"),
            proxy: None,
            not_before: NotBefore::default(),
            answer_within,
        }
    }

    fn request(path: &str) -> Request<()> {
        Request::get(path).body(()).unwrap()
    }

    #[tokio::test]
    async fn every_answer_sets_the_clock() {
        let layer = observe(None);
        let inner = service_fn(|_: Request<()>| async {
            let response = Response::builder().header(DATE, "Sun, 22 Nov 2026 10:00:00 GMT");
            Ok::<_, BoxError>(response.body(())?)
        });
        layer.layer(inner).oneshot(request("/version")).await.unwrap();
        assert!(layer.clock.now().is_some());
    }

    #[tokio::test]
    async fn the_wait_is_limited_except_for_streams() {
        let slow = service_fn(|_: Request<()>| async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok::<_, BoxError>(Response::new(()))
        });
        let layer = observe(Some(Duration::from_millis(10)));
        let error = layer.layer(slow).oneshot(request("/version")).await.unwrap_err();
        assert_eq!(error.downcast::<NoAnswer>().unwrap().reason, Reason::Unanswered);
        layer
            .layer(slow)
            .oneshot(request("/api/v1/pods?&watch=true"))
            .await
            .unwrap();
    }

    #[test]
    fn the_reason_is_found_in_the_chain_of_causes() {
        let tls = |error: rustls::Error| io::Error::other(error);
        for (error, expected) in [
            (io::Error::from(io::ErrorKind::ConnectionRefused), Reason::Refused),
            (
                io::Error::other(io::Error::from(io::ErrorKind::TimedOut)),
                Reason::TimedOut,
            ),
            (tls(CertificateError::UnknownIssuer.into()), Reason::UnknownIssuer),
            (tls(CertificateError::Expired.into()), Reason::CertificateExpired),
            (io::Error::other("dns error"), Reason::NoSuchHost),
            (io::Error::other("odd"), Reason::Other("odd".to_owned())),
        ] {
            assert_eq!(reason(&error), expected);
        }
    }
}
