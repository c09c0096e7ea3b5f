use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, retry};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

use super::gate::Gate;
use super::roots;
use crate::azure::transport::error::Error;
use crate::retry::ATTEMPT;

const USER_AGENT: &str = concat!("kubectl-apim/", env!("CARGO_PKG_VERSION"));

/// The HTTP client of every request to Azure. `extra_ca` is a PEM file of
/// CAs to trust besides the usual roots; proxies come from the environment.
///
/// A request ends after [`ATTEMPT`], even if its answer arrives byte by byte.
///
/// It follows no redirects, since one could carry a credential to another
/// host, and has no retries of its own: those are in [`crate::retry`].
pub fn client(extra_ca: Option<&Path>) -> Result<Client, Error> {
    build(extra_ca, |builder| builder)
}

/// The same client behind a gate.
pub fn gated_client(extra_ca: Option<&Path>, gate: &Gate) -> Result<Client, Error> {
    build(extra_ca, |builder| builder.connector_layer(gate.clone()))
}

fn build(
    extra_ca: Option<&Path>,
    with: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> Result<Client, Error> {
    check_proxy_variables()?;
    let builder = builder(roots::roots(extra_ca)?)?;
    with(builder)
        .connect_timeout(Duration::from_secs(10))
        .build()
        .map_err(|error| setup(&error))
}

/// The client for addresses of this host itself, which uses no proxy.
pub(crate) fn local_client() -> Result<Client, Error> {
    let builder = builder(RootCertStore::empty())?;
    builder
        .no_proxy()
        .connect_timeout(Duration::from_secs(1))
        .build()
        .map_err(|error| setup(&error))
}

fn builder(roots: RootCertStore) -> Result<ClientBuilder, Error> {
    // With an explicit provider none has to be installed, and with the
    // configuration built here the roots are parsed only once.
    let mut tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| setup(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // A run makes few requests to a host, one after the other: HTTP/2 would add
    // half a megabyte of code and save no time.
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(USER_AGENT)
        .timeout(ATTEMPT)
        .redirect(Policy::none())
        .referer(false)
        .retry(retry::never()))
}

fn setup(error: &dyn std::error::Error) -> Error {
    Error::Setup(format!("cannot set up TLS: {error}"))
}

/// reqwest ignores a proxy whose address it cannot parse, and would then
/// connect directly, against the user's intent.
fn check_proxy_variables() -> Result<(), Error> {
    for name in ["HTTPS_PROXY", "https_proxy"] {
        #[expect(
            clippy::disallowed_methods,
            reason = "the client reads the two variables itself"
        )]
        let value = std::env::var(name).unwrap_or_default();
        if !value.is_empty() && reqwest::Proxy::https(value).is_err() {
            return Err(Error::Setup(format!(
                "{name} is not the address of a proxy, such as http://proxy:8080"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_needs_no_installed_provider() {
        assert!(client(None).is_ok());
    }
}
