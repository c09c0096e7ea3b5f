use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use reqwest::{Client, Url};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::azure::connection::{self, Connection};
use crate::azure::sign_in::credential::Credential;
use crate::azure::sign_in::identity::SignIn;
use crate::azure::transport::api_versions::ApiVersions;
use crate::azure::transport::budget::Budget;
use crate::azure::transport::error::Error;
use crate::azure::transport::error::Flaw;
use crate::azure::transport::exchange::{Answer, Call};
use crate::azure::transport::http::client;
use crate::azure::transport::odata::query;
use crate::azure::transport::wire::{Resource, TokenAnswer};
use crate::clock::ServerClock;
use crate::model::{Cloud, GatewayId, KeySlot, ServiceId, Token};
use crate::retry::Decision;

/// The newest stable version of Microsoft.ApiManagement's API.
pub const DEFAULT_API_VERSION: &str = "2024-05-01";

/// The version of ARM's metadata, which describes one cloud.
const METADATA_VERSION: &str = "2022-09-01";

/// How long to wait for a connection that is made ahead.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// The options of an [`Arm`].
#[derive(Clone, Debug)]
pub struct Options {
    pub cloud: Cloud,
    pub identity: SignIn,
    /// A PEM file of CAs to trust besides the usual roots.
    pub extra_ca: Option<PathBuf>,
    /// The version of API Management's API, [`DEFAULT_API_VERSION`] unless
    /// the instance requires another.
    pub api_version: String,
    /// When every request must have ended, retries included.
    pub deadline: Instant,
    /// Whether to use up ARM's limits instead of leaving a fifth of them to
    /// others who sign in as the same identity.
    pub burst: bool,
}

/// A client of Azure Resource Manager that signs in as one identity. Clones
/// share connections, access token, clock and the budget of requests.
#[derive(Clone, Debug)]
pub struct Arm {
    shared: Arc<Shared>,
    deadline: Instant,
}

#[derive(Debug)]
struct Shared {
    connection: Connection,
    api_version: String,
    cloud: Cloud,
}

impl Arm {
    /// Checks the options; nothing is sent.
    pub fn new(options: Options) -> Result<Self, Error> {
        let http = client(options.extra_ca.as_deref())?;
        Self::with_client(options, http)
    }

    /// The same by an HTTP client of [`http_client`](crate::azure::http_client),
    /// which may be connected already.
    pub fn with_client(options: Options, http: Client) -> Result<Self, Error> {
        let base = https_url(&options.cloud.resource_manager)?;
        let credential = Credential::new(options.identity, http.clone(), options.cloud.clone())?;
        Ok(Self {
            shared: Arc::new(Shared {
                connection: Connection {
                    http,
                    base,
                    credential,
                    clock: ServerClock::default(),
                    budget: Budget::new(options.burst),
                    versions: ApiVersions::default(),
                },
                api_version: options.api_version,
                cloud: options.cloud,
            }),
            deadline: options.deadline,
        })
    }

    /// The same client with another deadline for its requests.
    #[must_use]
    pub fn until(&self, deadline: Instant) -> Self {
        Self {
            shared: self.shared.clone(),
            deadline,
        }
    }

    /// Fetches the access token now instead of at the first request, so that
    /// it can run at the same time as requests to other servers.
    pub async fn sign_in(&self) -> Result<(), Error> {
        self.shared
            .connection
            .credential
            .token(self.deadline)
            .await
            .map(|_| ())
    }

    /// Signs in and, at the same time, connects to ARM. What is sent there for
    /// that holds no credential; the answer sets the clock. Only a failed
    /// sign-in is an error.
    pub async fn prepare(&self) -> Result<(), Error> {
        let (signed_in, ()) = tokio::join!(self.sign_in(), self.connect());
        signed_in
    }

    async fn connect(&self) {
        let Ok(url) = self.url("/metadata/endpoints", METADATA_VERSION) else {
            return;
        };
        let call = Call::get(
            "connect to Azure".to_owned(),
            "the cloud's metadata".to_owned(),
            url,
        );
        if let Some(answer) = self.first_answer(&call).await {
            self.shared.connection.clock.observe(&answer.headers);
        }
    }

    /// Connects to another API of the cloud, so that its first request need not. What
    /// is sent there holds no credential.
    pub async fn connect_to(&self, address: &str) {
        let Ok(url) = https_url(address) else { return };
        let purpose = format!("connect to {address}");
        let call = Call::get(purpose, "the address".to_owned(), url);
        self.first_answer(&call).await;
    }

    async fn first_answer(&self, call: &Call) -> Option<Answer> {
        let sent = call.send(&self.shared.connection.http, None, |_, _| ());
        match timeout(CONNECT_TIME, sent).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => tracing::debug!("{error}"),
            Err(_) => tracing::debug!("no answer in {} s: {}", CONNECT_TIME.as_secs(), call.purpose),
        }
        None
    }

    /// Who signs in and why: `as service principal X of tenant Y  [auto:
    /// client secret in variable SP_SECRET]`. With several candidates it is
    /// final only after [`Self::sign_in`].
    pub async fn describe(&self) -> String {
        self.shared.connection.credential.describe().await
    }

    /// ARM's time, by its latest successful answer; `None` before the first.
    pub fn now(&self) -> Option<Timestamp> {
        self.shared.connection.clock.now()
    }

    /// Reads a gateway and returns its id as ARM spells it.
    pub async fn gateway(&self, gateway: &GatewayId) -> Result<GatewayId, Error> {
        let url = self.url(&gateway.path(), &self.shared.api_version)?;
        let call = gateway_call(
            gateway,
            format!("read {}", gateway_title(gateway)),
            Method::GET,
            url,
            None,
        );
        let answer: Resource = self.call(&call).await?;
        GatewayId::parse(&answer.id)
            .ok()
            .filter(|found| found.same_as(gateway))
            .ok_or_else(|| call.malformed("Azure answered with another object", Flaw::Form))
    }

    /// Has Azure mint a token that is signed with the key in `slot` and valid
    /// until `expires`. A retry is safe: earlier tokens stay valid.
    pub async fn generate_token(
        &self,
        gateway: &GatewayId,
        slot: KeySlot,
        expires: Timestamp,
    ) -> Result<Token, Error> {
        let path = format!("{}/generateToken", gateway.path());
        let url = self.url(&path, &self.shared.api_version)?;
        let body = json!({
            "keyType": slot.as_str(),
            "expiry": expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        });
        let purpose = format!("mint a token for {}", gateway_title(gateway));
        let call = gateway_call(gateway, purpose, Method::POST, url, Some(body));
        let answer: TokenAnswer = self.call(&call).await?;
        Token::parse(&answer.value).map_err(|error| {
            let problem = format!("Azure's answer holds no valid token: {error}");
            call.malformed(problem, Flaw::Form)
        })
    }

    /// Makes a call whose answer is JSON and which is safe to repeat.
    pub(crate) async fn call<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Error> {
        self.call_while(call, Error::retry_decision).await
    }

    /// The same for a call that is repeated as `decide` finds.
    pub(crate) async fn call_while<T: DeserializeOwned>(
        &self,
        call: &Call,
        decide: impl Fn(&Error) -> Decision,
    ) -> Result<T, Error> {
        let connection = &self.shared.connection;
        connection
            .call(call, self.deadline, decide, connection::json)
            .await
    }

    /// Reads a list from its first page to its last.
    pub(crate) async fn list<T: DeserializeOwned>(&self, first: &Call) -> Result<Vec<T>, Error> {
        self.shared.connection.list(first, self.deadline).await
    }

    /// The address of a path of ARM.
    pub(crate) fn url(&self, path: &str, api_version: &str) -> Result<Url, Error> {
        self.filtered(path, api_version, &[])
    }

    /// The same with parameters of `OData`.
    pub(crate) fn filtered(
        &self,
        path: &str,
        api_version: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Url, Error> {
        let version = [("api-version", api_version)];
        self.shared
            .connection
            .url(path, &query(&[&version[..], parameters].concat()))
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.shared.connection
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The cloud that this signs in to.
    pub(crate) fn cloud(&self) -> &Cloud {
        &self.shared.cloud
    }

    pub(crate) fn api_version(&self) -> &str {
        &self.shared.api_version
    }
}

/// Parses an address that credentials may be sent to: it must be https.
pub(crate) fn https_url(address: &str) -> Result<Url, Error> {
    Url::parse(address)
        .ok()
        .filter(|url| url.scheme() == "https" && url.has_host())
        .ok_or_else(|| Error::Setup(format!("`{address}` is not an https:// address")))
}

fn gateway_call(gateway: &GatewayId, purpose: String, method: Method, url: Url, body: Option<Value>) -> Call {
    Call {
        purpose,
        what: in_resource_group(&gateway_title(gateway), &gateway.service),
        method,
        url,
        body,
        prefer: None,
    }
}

/// The object that a 404 reports as missing, with the scope of its service.
pub(crate) fn in_resource_group(what: &str, service: &ServiceId) -> String {
    format!(
        "{what} in resource group `{}` of subscription {}",
        service.resource_group, service.subscription
    )
}

pub(crate) fn gateway_title(gateway: &GatewayId) -> String {
    format!("gateway `{}` of service `{}`", gateway.name, gateway.service.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::sign_in::identity::Identity;
    use crate::model::CloudName;

    fn arm(resource_manager: &str) -> Result<Arm, Error> {
        Arm::new(Options {
            cloud: Cloud {
                resource_manager: resource_manager.into(),
                ..Cloud::known(CloudName::Public)
            },
            identity: SignIn::only(
                Identity::AzureCli {
                    tenant: None,
                    subscription: None,
                },
                "--auth",
            ),
            extra_ca: None,
            api_version: DEFAULT_API_VERSION.into(),
            deadline: Instant::now(),
            burst: false,
        })
    }

    #[test]
    fn credentials_are_sent_over_https_only() {
        let error = arm("http://management.azure.com").unwrap_err().to_string();
        assert_eq!(error, "`http://management.azure.com` is not an https:// address");
    }

    #[test]
    fn a_name_cannot_change_the_path() {
        let arm = arm("https://management.azure.com").unwrap();
        let id = "/subscriptions/s/resourceGroups/r/providers/Microsoft.ApiManagement/service/v/gateways/g";
        let service = GatewayId::parse(id).unwrap().service;
        let url = |name: &str| arm.url(&service.gateway(name).path(), "2024-05-01");
        assert!(
            url("a/b?")
                .unwrap()
                .as_str()
                .ends_with("/service/v/gateways/a%2Fb%3F?api-version=2024-05-01")
        );
        for name in ["..", "."] {
            assert!(matches!(url(name), Err(Error::Setup(_))), "{name}");
        }
    }
}
