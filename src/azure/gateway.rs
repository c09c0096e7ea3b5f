//! What a gateway does with its credential, done here to see whether Azure accepts it
//! before a pod depends on it.

use http::{HeaderValue, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::de::IgnoredAny;
use uuid::Uuid;

use super::arm::client::{Arm, https_url};
use super::connection::json;
use super::sign_in::assertion::{FederatedToken, Signer};
use super::sign_in::certificate::Certificate;
use super::sign_in::entra::Entra;
use super::sign_in::failure::FailureSlot;
use super::sign_in::identity::Assertion;
use super::transport::error::Error;
use super::transport::exchange::receive;
use super::transport::odata::encoded;
use crate::retry::Decision;

/// The header with the gateway's name beside an access token of Entra.
const GATEWAY_NAME: &str = "gateway-name";

/// How a gateway signs in to Entra.
#[derive(Clone, Debug)]
pub struct GatewaySignIn {
    pub tenant: Uuid,
    pub client_id: Uuid,
    /// That of the token which it requests.
    pub audience: String,
    pub proof: GatewayProof,
}

/// What a gateway proves with who it is.
#[derive(Clone, Debug)]
pub enum GatewayProof {
    Secret(SecretString),
    Certificate(Certificate),
    /// A token of its ServiceAccount.
    Federated(SecretString),
}

/// What the configuration endpoint answers to a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigurationAnswer {
    Served,
    /// With this status, 401 or 403.
    Refused(u16),
    /// Nothing that shows whether it would serve the gateway.
    Unclear {
        why: String,
        may_pass: bool,
    },
}

impl Arm {
    /// Requests an access token as the gateway does. Each call asks Entra.
    pub async fn sign_in_as_gateway(&self, gateway: &GatewaySignIn) -> Result<SecretString, Error> {
        let (tenant, client_id) = (gateway.tenant.to_string(), gateway.client_id.to_string());
        let failure = FailureSlot::default();
        let purpose = format!("sign in as the gateway's client {client_id} of tenant {tenant}");
        let entra = Entra {
            http: &self.connection().http,
            authority: &self.cloud().authority,
            tenant: &tenant,
            client_id: &client_id,
            purpose: purpose.clone(),
            failure: failure.clone(),
        };
        let credential = match &gateway.proof {
            GatewayProof::Secret(secret) => entra.by_secret(secret),
            GatewayProof::Certificate(certificate) => {
                let signer = Signer {
                    certificate: certificate.clone(),
                    send_chain: false,
                    client_id: client_id.clone(),
                    audience: entra.token_url(),
                };
                entra.by_assertion(signer)
            }
            GatewayProof::Federated(token) => entra.by_assertion(FederatedToken {
                token: Assertion::Token(token.clone()),
                failure: failure.clone(),
            }),
        };
        let credential = credential.map_err(|error| Error::Setup(format!("cannot {purpose}: {error}")))?;
        let scope = format!("{}/.default", gateway.audience);
        match credential.get_token(&[&scope], None).await {
            Ok(token) => Ok(token.token.secret().into()),
            Err(_) => Err(failure.take().unwrap_or_else(|| Error::SignIn {
                code: None,
                message: format!("cannot {purpose}: the answer contains no usable access token"),
                hint: None,
            })),
        }
    }

    /// Asks the configuration endpoint at `host` for the configuration of a gateway.
    ///
    /// Its protocol is not documented, nor is how a gateway names itself beside an access
    /// token. So only two answers count: a success with content, since no endpoint gives
    /// that to a token it has not judged, and 401 or 403, which Microsoft documents for a
    /// missing role or a wrong audience. A page is of a proxy.
    pub async fn gateway_configuration(
        &self,
        host: &str,
        gateway: &str,
        token: &SecretString,
    ) -> Result<ConfigurationAnswer, Error> {
        let url = https_url(&format!("https://{host}/gateways/{}", encoded(gateway)))?;
        let name = HeaderValue::from_bytes(gateway.as_bytes())
            .map_err(|_| Error::Setup(format!("`{gateway}` cannot be sent in a header")))?;
        let request = self.connection().http.get(url);
        let request = request
            .bearer_auth(token.expose_secret())
            .header(GATEWAY_NAME, name);
        let purpose = format!("read the configuration of the gateway from {host}");
        let (status, answer) = match receive("Azure", &purpose, request).await {
            Ok(received) => received,
            Err(error) => {
                return Ok(ConfigurationAnswer::Unclear {
                    may_pass: !matches!(error.retry_decision(), Decision::Stop),
                    why: error.to_string(),
                });
            }
        };
        self.connection().clock.observe(&answer.headers);
        Ok(match status {
            status if status.is_success() => match json::<IgnoredAny>(&answer) {
                Ok(_) => ConfigurationAnswer::Served,
                Err((came, _)) => ConfigurationAnswer::Unclear {
                    why: format!("{host} answered with {came}"),
                    may_pass: false,
                },
            },
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ConfigurationAnswer::Refused(status.as_u16()),
            status => ConfigurationAnswer::Unclear {
                why: format!("{host} answered {}", status.as_u16()),
                may_pass: status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS,
            },
        })
    }
}
