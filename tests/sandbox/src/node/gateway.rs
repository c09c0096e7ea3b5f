//! What a self-hosted gateway does with its settings.
//!
//! It reads them once, when it starts, with the files that they name. Then it asks for its configuration until it has
//! got it. A gateway that signs in by Entra gets an access token each time: how long the real one keeps a token that the
//! endpoint refuses is not documented.

mod certificate;
mod credential;
mod endpoint;
mod entra;
mod event;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Container;
use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use rustls::ClientConfig;

use self::credential::Credential;
use self::endpoint::Endpoint;
use self::event::Event;
use super::EmulatorEndpoint;
use super::environment::Environment;
use super::volumes::Files;
use crate::azure::GATEWAY_NAME;
use crate::tls;

const ENDPOINT: &str = "config.service.endpoint";

/// Whether `container` is a self-hosted gateway, by its image in any registry
/// or by the one setting that no gateway can do without.
pub(crate) fn is_gateway(container: &Container, environment: &Environment) -> bool {
    has_gateway_image(container) || environment.contains_key(ENDPOINT)
}

/// The part of [`is_gateway`] that can be checked before the environment is known.
pub(crate) fn has_gateway_image(container: &Container) -> bool {
    container
        .image
        .as_deref()
        .unwrap_or_default()
        .contains("azure-api-management/gateway")
}

/// The authorities and configuration endpoints, which the emulator serves at one address.
pub(crate) struct ConfigurationApi {
    address: SocketAddr,
    tls: ClientConfig,
}

impl ConfigurationApi {
    pub(crate) fn new(emulator: &EmulatorEndpoint) -> Result<Self> {
        Ok(Self {
            address: emulator.addr,
            tls: tls::client_config(&emulator.ca_pem)?,
        })
    }

    /// A client for one host of Azure.
    fn client(&self, host: &str) -> Result<reqwest::Client> {
        Ok(reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .no_proxy()
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .resolve(host, self.address)
            .timeout(Duration::from_secs(100))
            .build()?)
    }
}

/// A gateway that has read its settings.
pub(crate) struct Gateway<'a> {
    environment: &'a Environment,
    endpoint: Endpoint,
    url: String,
    credential: Credential,
}

/// How a credential was received.
pub(crate) struct Verdict {
    pub(crate) accepted: bool,
    /// What the gateway writes about it to standard output.
    pub(crate) log: Vec<String>,
}

impl<'a> Gateway<'a> {
    /// Reads the settings; without usable ones a gateway writes the lines of the error, and asks for nothing.
    pub(crate) async fn start(
        container: &Container,
        environment: &'a Environment,
        files: &Files<'_>,
    ) -> Result<Self, Vec<String>> {
        let failed = |event| event::lines(&[event], environment);
        let endpoint = environment
            .get(ENDPOINT)
            .and_then(|endpoint| Endpoint::parse(endpoint));
        let endpoint = endpoint.ok_or_else(|| {
            failed(Event::error(
                "GatewayStartup",
                "No configuration API endpoint was configured.",
            ))
        })?;
        let credential = credential::read(container, environment, files)
            .await
            .map_err(|reason| failed(Event::no_authentication(&reason)))?;
        // Without a name in the settings the token names its gateway.
        let gateway = match (environment.get(credential::NAME), &credential) {
            (Some(name), _) => name,
            (None, Credential::Token(token)) => credential::gateway_of(token),
            (None, Credential::Entra(entra)) => &entra.gateway,
        };
        Ok(Self {
            url: endpoint.url(gateway),
            environment,
            endpoint,
            credential,
        })
    }

    /// Asks for the configuration once.
    pub(crate) async fn ask(&self, api: &ConfigurationApi) -> Verdict {
        let status = self.status(api).await;
        let (accepted, events) = match status {
            Ok(status) if status.is_success() => (
                true,
                vec![
                    Event::info("ConfigurationLoaded", &format!("uri: {}", self.url)),
                    Event::info("GatewayStartup", "Gateway started."),
                ],
            ),
            Ok(status) => {
                let reason = status.canonical_reason().unwrap_or_default();
                let cause = format!("statusCode: {}, reason: {reason}", status.as_u16());
                (false, vec![Event::unavailable(&self.url, &cause)])
            }
            // That a refused sign-in is this event too is not documented.
            Err(error) => {
                let cause = format!("exception: {error:#}");
                (false, vec![Event::unavailable(&self.url, &cause)])
            }
        };
        Verdict {
            accepted,
            log: event::lines(&events, self.environment),
        }
    }

    async fn status(&self, api: &ConfigurationApi) -> Result<StatusCode> {
        let (authorization, gateway) = match &self.credential {
            Credential::Token(token) => (token.clone(), None),
            Credential::Entra(entra) => {
                let token = entra.sign_in(api).await?;
                (format!("Bearer {token}"), Some(&entra.gateway))
            }
        };
        let mut authorization =
            HeaderValue::from_str(&authorization).context("the token cannot be sent in a header")?;
        authorization.set_sensitive(true);
        let mut request = api.client(&self.endpoint.host)?.get(&self.url);
        // How the real gateway names itself beside an access token is not documented; this header is ours.
        if let Some(name) = gateway {
            request = request.header(GATEWAY_NAME, HeaderValue::from_bytes(name.as_bytes())?);
        }
        let request = request.header(AUTHORIZATION, authorization);
        Ok(request.send().await?.status())
    }
}
