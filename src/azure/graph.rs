//! Microsoft Graph v1.0: app registrations, service principals and their
//! credentials (reference "applications" and "servicePrincipals" on Microsoft
//! Learn).

mod applications;
mod certificates;
mod federated;
mod filter;
mod passwords;
mod policies;
mod refusal;
mod service_principals;
mod wire;

use std::sync::Arc;

use http::Method;
use reqwest::Url;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::arm::client::{Arm, https_url};
use super::connection::{Connection, Reading, json};
use super::transport::api_versions::ApiVersions;
use super::transport::budget::Budget;
use super::transport::error::Error;
use super::transport::exchange::{Answer, Call};
use super::transport::odata::query;
use crate::clock::ServerClock;
use crate::retry::Decision;

pub use certificates::NewCertificate;
#[cfg(test)]
pub use refusal::{GraphRefusal, graph_refusal};

/// A client of Microsoft Graph. It signs in as the same identity as an [`Arm`],
/// with an access token of its own. Clones share connections, access token and
/// the budget of requests.
#[derive(Clone, Debug)]
pub struct Graph {
    connection: Arc<Connection>,
    deadline: Instant,
}

impl Graph {
    /// A client for the cloud of `arm`. `url` is the address of Graph, which a
    /// custom cloud may not name. Nothing is sent.
    pub async fn beside(arm: &Arm, url: Option<&str>) -> Result<Self, Error> {
        let address = url.or(arm.cloud().graph.as_deref()).ok_or_else(|| {
            Error::Setup(format!(
                "the metadata of {} does not name Microsoft Graph: give its address with --graph-url",
                arm.cloud().resource_manager
            ))
        })?;
        let base = https_url(address)?;
        let scope = format!("{}/.default", base.origin().ascii_serialization());
        let of_arm = arm.connection();
        Ok(Self {
            connection: Arc::new(Connection {
                http: of_arm.http.clone(),
                credential: of_arm.credential.for_scope(scope).await?,
                base,
                clock: ServerClock::default(),
                // Graph allows more than ARM: 3,000 writes in 2.5 minutes. What
                // counts here is that a wait applies to every request.
                budget: Budget::new(false),
                versions: ApiVersions::default(),
            }),
            deadline: arm.deadline(),
        })
    }

    /// Until when a request may be sent.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The same client with another deadline for its requests.
    #[must_use]
    pub fn until(&self, deadline: Instant) -> Self {
        Self {
            connection: self.connection.clone(),
            deadline,
        }
    }

    /// The origin that requests, and with them the access token, are sent to.
    pub fn origin(&self) -> String {
        self.connection.base.origin().ascii_serialization()
    }

    /// The address of a path below the version.
    fn url(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Url, Error> {
        self.connection.url(&format!("/v1.0{path}"), &query(parameters))
    }

    /// A request whose 404 reports `what`.
    fn request(&self, method: Method, path: &str, purpose: String, what: &str) -> Result<Call, Error> {
        Ok(Call::new(method, purpose, what.to_owned(), self.url(path, &[])?))
    }

    async fn call<T>(
        &self,
        call: &Call,
        decide: impl Fn(&Error) -> Decision,
        read: impl Fn(&Answer) -> Reading<T>,
    ) -> Result<T, Error> {
        self.connection.call(call, self.deadline, decide, read).await
    }

    /// Reads an object; `None` if Graph has none, or none yet.
    async fn find<T: DeserializeOwned>(&self, call: &Call) -> Result<Option<T>, Error> {
        match self.call(call, Error::retry_decision, json).await {
            Err(Error::NotFound { .. }) => Ok(None),
            outcome => outcome.map(Some),
        }
    }

    /// Reads a list from its first page to its last.
    async fn list<T: DeserializeOwned>(&self, first: &Call) -> Result<Vec<T>, Error> {
        self.connection.list(first, self.deadline).await
    }
}
