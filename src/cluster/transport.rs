//! The connections to the API server: direct or through a proxy, with TLS or
//! without, all of one type.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::rt::{TokioExecutor, TokioIo};
use kube::client::Body;
use percent_encoding::percent_decode_str;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceExt};

use super::proxy::address;
use super::tls::Trust;
use crate::error::{Error, Result};

const CONNECT: Duration = Duration::from_secs(10);
const WRITE: Duration = Duration::from_secs(30);

/// A connection to the server or to a proxy, which may use TLS too.
type FirstHop = BoxCloneSyncService<Uri, MaybeHttpsStream<TokioIo<TcpStream>>, io::Error>;

pub(super) type Http = Client<TimeoutConnector<HttpsConnector<FirstHop>>, Body>;

/// How to connect.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    pub(super) trust: Trust,
    /// The name that the server's certificate must have, if it is not the host's.
    pub(super) server_name: Option<ServerName<'static>>,
    pub(super) proxy: Option<Uri>,
    /// How long to wait between two pieces of one response.
    pub(super) read_timeout: Option<Duration>,
}

impl Transport {
    /// A client with connections of its own.
    pub(super) fn client(&self, identity: Option<&Arc<CertifiedKey>>) -> Result<Http> {
        let tls = self.trust.settings(identity)?;
        let mut connector = TimeoutConnector::new(self.over_tls(self.first_hop(&tls)?, tls));
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_write_timeout(Some(WRITE));
        connector.set_read_timeout(self.read_timeout);
        // Otherwise the idle time of a connection counts against the next response.
        connector.set_reset_reader_on_write(true);
        Ok(Client::builder(TokioExecutor::new()).build(connector))
    }

    fn first_hop(&self, tls: &ClientConfig) -> Result<FirstHop> {
        let mut direct = HttpConnector::new();
        direct.enforce_http(false);
        let Some(proxy) = &self.proxy else {
            let direct = direct.map_response(MaybeHttpsStream::Http);
            return Ok(BoxCloneSyncService::new(direct.map_err(io::Error::other)));
        };
        let shown = address(proxy).unwrap_or_default();
        let failed = move |error: BoxError| {
            io::Error::other(ProxyFailed {
                proxy: shown.clone(),
                error,
            })
        };
        if proxy
            .scheme_str()
            .is_some_and(|scheme| scheme.starts_with("socks5"))
        {
            let mut through = SocksV5::new(proxy.clone(), direct);
            if let Some(login) = login(proxy) {
                let (user, password) = login.split_once(':').unwrap_or((&login, ""));
                through = through.with_auth(user.to_owned(), password.to_owned());
            }
            let through = through.map_response(MaybeHttpsStream::Http);
            return Ok(BoxCloneSyncService::new(
                through.map_err(move |error| failed(error.into())),
            ));
        }
        let mut through = Tunnel::new(proxy.clone(), self.over_tls(direct, tls.clone()));
        if let Some(login) = login(proxy) {
            let header = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(login)));
            let mut header = header.map_err(|_| Error::usage("the password of the proxy is not valid"))?;
            header.set_sensitive(true);
            through = through.with_auth(header);
        }
        Ok(BoxCloneSyncService::new(
            through.map_err(move |error| failed(error.into())),
        ))
    }

    fn over_tls<C>(&self, connector: C, tls: ClientConfig) -> HttpsConnector<C> {
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let builder = match &self.server_name {
            Some(name) => builder.with_server_name_resolver(FixedServerNameResolver::new(name.clone())),
            None => builder,
        };
        builder.enable_http1().wrap_connector(connector)
    }
}

/// The error of a proxy, before the server is reached.
#[derive(Debug)]
pub(super) struct ProxyFailed {
    /// Its URL, without a password.
    pub(super) proxy: String,
    error: BoxError,
}

impl fmt::Display for ProxyFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.proxy)
    }
}

impl StdError for ProxyFailed {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.error.as_ref())
    }
}

/// The user and the password of a proxy's URL, with a colon between them.
fn login(proxy: &Uri) -> Option<String> {
    let (login, _) = proxy.authority()?.as_str().rsplit_once('@')?;
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let [user, password] = [user, password].map(|it| percent_decode_str(it).decode_utf8_lossy());
    Some(format!("{user}:{password}"))
}
