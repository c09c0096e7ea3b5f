//! What a self-hosted gateway does with its settings when it starts.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Container;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use rustls::ClientConfig;
use serde_json::json;

use super::EmulatorEndpoint;
use super::environment::Environment;
use crate::tls;

const ENDPOINT: &str = "config.service.endpoint";
const AUTH: &str = "config.service.auth";
const AUTH_KEY: &str = "config.service.auth.key";
const PREFIX: &str = "GatewayKey ";

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

/// The configuration endpoints of all services, which the emulator serves at one address.
pub(crate) struct ConfigurationApi {
    address: SocketAddr,
    tls: ClientConfig,
}

/// How a credential was received.
pub(crate) struct Verdict {
    pub(crate) accepted: bool,
    /// What the gateway writes about it to standard output.
    pub(crate) log: Vec<String>,
}

impl ConfigurationApi {
    pub(crate) fn new(emulator: &EmulatorEndpoint) -> Result<Self> {
        Ok(Self {
            address: emulator.addr,
            tls: tls::client_config(&emulator.ca_pem)?,
        })
    }

    /// Presents the credential of `environment` once, as a starting gateway does.
    pub(crate) async fn present(&self, environment: &Environment) -> Verdict {
        let (accepted, events) = self.outcome(environment).await;
        let format = environment
            .get("telemetry.logs.std")
            .map_or("text", String::as_str);
        Verdict {
            accepted,
            log: events.iter().filter_map(|event| event.line(format)).collect(),
        }
    }

    async fn outcome(&self, environment: &Environment) -> (bool, Vec<Event>) {
        let Some(endpoint) = environment
            .get(ENDPOINT)
            .and_then(|endpoint| Endpoint::parse(endpoint))
        else {
            return (
                false,
                vec![Event::error(
                    "GatewayStartup",
                    "No configuration API endpoint was configured.",
                )],
            );
        };
        let token = match Credential::of(environment) {
            Credential::Token(token) => token,
            // Nothing here answers for Entra, and the pods of such a gateway need only exist.
            Credential::Entra => return (true, vec![Event::info("GatewayStartup", "Gateway started.")]),
            Credential::None => {
                let message = "No valid authentication was configured for the configuration API.";
                return (false, vec![Event::error("GatewayStartup", message)]);
            }
        };
        let url = endpoint.url(environment);
        match self.status(&endpoint.host, &url, &token).await {
            Ok(status) if status.is_success() => (
                true,
                vec![
                    Event::info("ConfigurationLoaded", &format!("uri: {url}")),
                    Event::info("GatewayStartup", "Gateway started."),
                ],
            ),
            Ok(status) => {
                let reason = status.canonical_reason().unwrap_or_default();
                let message = format!("uri: {url}, statusCode: {}, reason: {reason}", status.as_u16());
                (
                    false,
                    vec![Event::error("ConfigurationApiV2NotAvailable", &message)],
                )
            }
            Err(error) => {
                let message = format!("uri: {url}, exception: {error:#}");
                (
                    false,
                    vec![Event::error("ConfigurationApiV2NotAvailable", &message)],
                )
            }
        }
    }

    async fn status(&self, host: &str, url: &str, token: &str) -> Result<reqwest::StatusCode> {
        let mut authorization =
            HeaderValue::from_str(token).context("the token cannot be sent in a header")?;
        authorization.set_sensitive(true);
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .no_proxy()
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .resolve(host, self.address)
            .timeout(Duration::from_secs(100))
            .build()?;
        Ok(client
            .get(url)
            .header(AUTHORIZATION, authorization)
            .send()
            .await?
            .status())
    }
}

/// A configuration endpoint in any of its published spellings.
#[derive(Debug, PartialEq)]
struct Endpoint {
    host: String,
    /// The path of the gateway or of its service, without a slash at its end.
    path: String,
}

impl Endpoint {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.split_once("://").map_or(text, |(_scheme, rest)| rest);
        let text = text.split_once('?').map_or(text, |(rest, _query)| rest);
        let (authority, path) = text.split_at(text.find('/').unwrap_or(text.len()));
        // The port is not that of the emulator.
        let host = authority.split_once(':').map_or(authority, |(host, _port)| host);
        let host = host.to_ascii_lowercase();
        (!host.is_empty()).then(|| Self {
            host,
            path: path.trim_end_matches('/').to_owned(),
        })
    }

    /// The address of the gateway's configuration.
    fn url(&self, environment: &Environment) -> String {
        let Self { host, path } = self;
        if path.to_ascii_lowercase().contains("/gateways/") {
            return format!("https://{host}{path}");
        }
        // Without a name in the settings the token names its gateway.
        let token = Credential::of(environment);
        let gateway = match (environment.get("gateway.name"), &token) {
            (Some(name), _) => name,
            (None, Credential::Token(token)) => token
                .trim_start_matches(PREFIX)
                .split('&')
                .next()
                .unwrap_or_default(),
            (None, _) => "",
        };
        let gateway = percent_encoding::utf8_percent_encode(gateway, percent_encoding::NON_ALPHANUMERIC);
        format!("https://{host}{path}/gateways/{gateway}")
    }
}

enum Credential {
    /// The token as it goes into the header.
    Token(String),
    Entra,
    None,
}

impl Credential {
    fn of(environment: &Environment) -> Self {
        match environment.get(AUTH).map(String::as_str) {
            Some("azureAdApp" | "workloadIdentity") => Self::Entra,
            Some("key") => environment
                .get(AUTH_KEY)
                .map_or(Self::None, |token| Self::token(token)),
            Some(token) => Self::token(token),
            None => Self::None,
        }
    }

    fn token(text: &str) -> Self {
        match text {
            text if text.starts_with(PREFIX) => Self::Token(text.to_owned()),
            text if text.contains('&') => Self::Token(format!("{PREFIX}{text}")),
            _ => Self::None,
        }
    }
}

/// One line of the gateway's log.
struct Event {
    level: &'static str,
    kind: &'static str,
    message: String,
    time: Timestamp,
}

impl Event {
    fn info(kind: &'static str, message: &str) -> Self {
        Self {
            level: "Info",
            kind,
            message: message.to_owned(),
            time: Timestamp::now(),
        }
    }

    fn error(kind: &'static str, message: &str) -> Self {
        Self {
            level: "Error",
            ..Self::info(kind, message)
        }
    }

    /// The line in the format that `telemetry.logs.std` names.
    fn line(&self, format: &str) -> Option<String> {
        let Self {
            level,
            kind,
            message,
            time,
        } = self;
        match format {
            "none" => None,
            "json" => {
                let time = format!("{time:.7}");
                let source = "ConfigurationApiClient";
                let line = json!({
                    "level": level, "timestamp": time, "eventType": kind, "message": message, "source": source,
                });
                Some(line.to_string())
            }
            _ => Some(format!("[{level}] {time:.7} [{kind}], message: {message}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, Environment};

    #[test]
    fn an_endpoint_is_found_in_every_spelling() {
        let arm = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ApiManagement/service/svc";
        let environment = Environment::from([(
            "config.service.auth".to_owned(),
            "GatewayKey gw&202601010000&c2ln".to_owned(),
        )]);
        for (text, expected) in [
            (
                "svc.configuration.azure-api.net".to_owned(),
                "https://svc.configuration.azure-api.net/gateways/gw".to_owned(),
            ),
            (
                "https://svc.configuration.azure-api.net/".to_owned(),
                "https://svc.configuration.azure-api.net/gateways/gw".to_owned(),
            ),
            (
                "HTTPS://Svc.Configuration.azure-api.net:443".to_owned(),
                "https://svc.configuration.azure-api.net/gateways/gw".to_owned(),
            ),
            (
                format!("https://svc.management.azure-api.net{arm}?api-version=2021-08-01"),
                format!("https://svc.management.azure-api.net{arm}/gateways/gw"),
            ),
            (
                format!("https://svc.management.azure-api.net{arm}/gateways/Other"),
                format!("https://svc.management.azure-api.net{arm}/gateways/Other"),
            ),
        ] {
            let endpoint = Endpoint::parse(&text).unwrap();
            assert_eq!(endpoint.url(&environment), expected);
        }
        assert_eq!(Endpoint::parse("https://"), None);
    }
}
