//! The connected cluster.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, Uri};
use hyper::body::Incoming;
use jiff::Timestamp;
use kube::Client;
use kube::client::Body;
use kube::client::middleware::BaseUriLayer;
use tokio::time::Instant;
use tower::{BoxError, Layer, ServiceExt, service_fn};

use super::config::{Connection, load};
use super::inputs::ConnectInputs;
use super::observe::Observe;
use super::proxy::address;
use super::session::Session;
use crate::clock::ServerClock;
use crate::error::Result;
use crate::model::request::KubeConnection;
use crate::retry::NotBefore;

type Answer = Pin<Box<dyn Future<Output = Result<Response<Incoming>, BoxError>> + Send>>;

/// A client for one cluster and what goes with it.
#[derive(Clone)]
pub struct Cluster {
    /// It retries no request by itself.
    pub client: Client,
    /// The namespace of all requests that name none.
    pub namespace: String,
    pub clock: ServerClock,
    /// The source of the connection: "context prod of ~/.kube/config".
    pub origin: String,
    /// The flag, the variable or the place that set it: "KUBECONFIG".
    pub set_by: &'static str,
    /// The context, if it alone names the cluster.
    pub context: Option<Arc<str>>,
    pub server: Arc<str>,
    /// How the API server is reached, which is the same for all contexts of one
    /// cluster.
    pub route: Arc<str>,
    /// Whether the requests are sent in the name of another user already.
    pub(super) impersonates: bool,
    /// When every request must have ended.
    pub(super) deadline: Option<Instant>,
    /// Whether a request that failed is not repeated.
    pub(super) tries_once: bool,
    /// When the server is to be asked again.
    pub(super) not_before: NotBefore,
    /// How long one request may take, retries included, if that is set.
    pub(super) request_timeout: Option<Duration>,
    /// How long one attempt may take.
    pub(super) attempt: Duration,
    pub(super) session: Arc<Session>,
}

impl Cluster {
    /// Finds the cluster, and signs in with the kubeconfig's exec plugin if it
    /// has one. No request is sent yet.
    pub async fn connect(args: &KubeConnection, environment: ConnectInputs<'_>) -> Result<Self> {
        let cluster = Self::build(load(args, environment)?, environment)?;
        cluster.session.sign_in(environment.deadline).await?;
        Ok(match environment.deadline {
            Some(deadline) => cluster.until(deadline),
            None => cluster,
        })
    }

    fn build(connection: Connection, environment: ConnectInputs<'_>) -> Result<Self> {
        let route = Arc::from(route(&connection));
        let Connection {
            server: base,
            namespace,
            origin,
            set_by,
            context,
            transport,
            identity,
            authorization,
            headers,
            impersonates,
            answer_within,
            request_timeout,
            attempt,
        } = connection;
        let clock = ServerClock::default();
        let server: Arc<str> = Arc::from(base.to_string().trim_end_matches('/'));
        let not_before = NotBefore::default();
        let observe = Observe {
            clock: clock.clone(),
            not_before: not_before.clone(),
            server: server.clone(),
            proxy: transport.proxy.as_ref().and_then(address).map(Arc::from),
            answer_within,
        };
        tracing::debug!(target: "kubectl_apim::cluster", "server {server}, {origin}, namespace {namespace}");
        let since = (environment.now, environment.deadline);
        let session = Session::new(authorization, transport, identity.as_ref(), clock.clone(), since)?;
        let session = Arc::new(session);
        let sender = session.clone();
        // The time for an answer begins after the sign-in.
        let service = service_fn(move |mut request: Request<Body>| {
            let (session, observe, base) = (sender.clone(), observe.clone(), BaseUriLayer::new(base.clone()));
            request.headers_mut().extend(headers.clone());
            let answer: Answer = Box::pin(async move {
                match session.prepared(request).await {
                    Ok((http, request)) => observe.layer(base.layer(http)).oneshot(request).await,
                    Err(error) => Err(error.into()),
                }
            });
            answer
        });
        Ok(Self {
            client: Client::new(service, namespace.clone()),
            namespace,
            clock,
            origin,
            set_by,
            context: context.map(Arc::from),
            server,
            route,
            impersonates,
            deadline: None,
            tries_once: false,
            not_before,
            request_timeout,
            attempt,
            session,
        })
    }

    /// The cluster for a question, with its address.
    pub fn in_words(&self) -> String {
        let Self { origin, server, .. } = self;
        if origin.contains(&**server) {
            origin.clone()
        } else {
            format!("{origin} ({server})")
        }
    }

    /// The same cluster with another namespace.
    #[must_use]
    pub fn in_namespace(&self, namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            ..self.clone()
        }
    }

    /// The API server's time; before its first response, the local one.
    #[expect(
        clippy::disallowed_methods,
        reason = "the fallback before the first response of the server"
    )]
    pub fn now(&self) -> Timestamp {
        self.clock.now().unwrap_or_else(Timestamp::now)
    }
}

/// The address of the API server in one form. Behind one address there may be
/// several clusters, which a proxy or the name in TLS tells apart.
fn route(connection: &Connection) -> String {
    let transport = &connection.transport;
    let name = transport
        .server_name
        .as_ref()
        .map(|name| name.to_str().into_owned());
    route_to(&connection.server, name, transport.proxy.as_ref())
}

fn route_to(url: &Uri, server_name: Option<String>, proxy: Option<&Uri>) -> String {
    let scheme = url.scheme_str().unwrap_or_default();
    let host = url.host().unwrap_or_default().to_lowercase();
    let port = url.port_u16().unwrap_or(if scheme == "http" { 80 } else { 443 });
    let path = url.path().trim_end_matches('/');
    let proxy = proxy.and_then(|proxy| {
        Some(format!(
            "{}:{}",
            proxy.host()?,
            proxy.port_u16().unwrap_or_default()
        ))
    });
    let others = [server_name, proxy].into_iter().flatten();
    others.fold(format!("{scheme}://{host}:{port}{path}"), |route, other| {
        format!("{route} {other}")
    })
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("origin", &self.origin)
            .field("server", &self.server)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::cluster::explain;

    fn args(server: &str) -> KubeConnection {
        KubeConnection {
            server: Some(server.to_owned()),
            request_timeout: Some(std::time::Duration::from_secs(5)),
            insecure_skip_tls_verify: true,
            ..KubeConnection::default()
        }
    }

    #[test]
    fn one_api_server_has_one_route() {
        let of = |server: &str, name: Option<&str>| {
            route_to(&server.parse().unwrap(), name.map(str::to_owned), None)
        };
        let one = of("https://prod.example", None);
        assert_eq!(one, of("https://PROD.example:443/", None));
        for other in [
            of("https://prod.example:6443", None),
            of("http://prod.example:443", None),
            of("https://prod.example/k8s/clusters/eu", None),
            of("https://prod.example", Some("eu.prod.example")),
        ] {
            assert_ne!(one, other);
        }
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_named_with_the_reason() {
        let environment = ConnectInputs::new(&|_| None, false, Timestamp::UNIX_EPOCH);
        // Port 1 is reserved and nothing listens there.
        let cluster = Cluster::connect(&args("https://127.0.0.1:1"), environment)
            .await
            .unwrap();
        let error = cluster.client.apiserver_version().await.unwrap_err();
        let error = explain(error, "reading the version");
        assert_eq!(
            error.to_string(),
            "reading the version: no answer from https://127.0.0.1:1: the connection was refused"
        );
        assert_eq!(error.hints().len(), 1);
    }
}
