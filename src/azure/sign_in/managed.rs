//! Managed identities: a token for the asking, from an address that only
//! this machine reaches. It is never asked through a proxy.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use azure_core::http::{AsyncRawResponse, HttpClient, Request};
use azure_identity::{ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId};
use http::StatusCode;
use reqwest::{Client, Url};
use serde::Deserialize;

use super::entra::{client_options, hand_over};
use super::failure::FailureSlot;
use crate::azure::transport::error::Flaw;
use crate::azure::transport::error::{Error, Fault, Refusal};
use crate::azure::transport::exchange;
use crate::azure::transport::exchange::Answer;
use crate::azure::transport::wire;
use crate::azure::transport::wire::Grant;

/// The address of the Instance Metadata Service (IMDS) of every Azure VM.
/// Other clouds have a service of their own there.
const IMDS: &str = "169.254.169.254";

/// A VM of Azure says so in its firmware, wherever it runs.
const ASSET_TAG_FILE: &str = "/sys/class/dmi/id/chassis_asset_tag";
const ASSET_TAG_OF_AZURE: &str = "7783-7084-3265-9085-8269-3286-77";

/// How long a metadata service may take to answer at all: it is on the same
/// host.
const PROBE: Duration = Duration::from_secs(1);

/// How long it may take to fetch a token from Entra.
const LIMIT: Duration = Duration::from_secs(30);

/// Whether this is a VM of Azure, as far as its firmware can be read.
pub fn on_a_vm_of_azure() -> bool {
    std::fs::read_to_string(ASSET_TAG_FILE).is_ok_and(|tag| tag.trim() == ASSET_TAG_OF_AZURE)
}

/// The identity of this machine or app, or the user-assigned one.
pub(crate) fn credential(
    http: Client,
    client_id: Option<&str>,
    purpose: String,
    failure: FailureSlot,
) -> azure_core::Result<Arc<dyn TokenCredential>> {
    let transport = LocalTransport {
        http,
        purpose,
        failure,
        probe: !on_a_vm_of_azure(),
    };
    let options = ManagedIdentityCredentialOptions {
        user_assigned_id: client_id.map(|id| UserAssignedId::ClientId(id.to_owned())),
        client_options: client_options(transport),
    };
    Ok(ManagedIdentityCredential::new(Some(options))?)
}

/// Carries the request of `azure_identity`, which would repeat it for 72 s
/// where nothing answers. An error of ours ends its attempts.
#[derive(Debug)]
struct LocalTransport {
    http: Client,
    purpose: String,
    failure: FailureSlot,
    /// Whether it is unknown that there is an IMDS here.
    probe: bool,
}

#[async_trait]
impl HttpClient for LocalTransport {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        hand_over(self.exchange(request).await, &self.failure)
    }
}

impl LocalTransport {
    async fn exchange(&self, request: &Request) -> Result<(StatusCode, Answer), Error> {
        let url = request.url().clone();
        let is_imds = url.host_str() == Some(IMDS);
        if is_imds && self.probe {
            self.probe(&url).await?;
        }
        let path = url.path().to_owned();
        let mut ours = self.http.get(url).timeout(LIMIT);
        for (name, value) in request.headers().iter() {
            ours = ours.header(name.as_str(), value.as_str());
        }
        let (status, answer) = match exchange::receive("managed identity endpoint", &self.purpose, ours).await
        {
            Err(Error::Transport {
                fault: Fault::Connect,
                ..
            }) if is_imds => return Err(absent()),
            outcome => outcome?,
        };
        if !status.is_success() {
            return Err(self.refused(&path, is_imds, status, &answer));
        }
        match serde_json::from_slice::<Grant<'_>>(&answer.body) {
            Ok(grant) if !grant.access_token.is_empty() => Ok((status, answer)),
            // Some other service is at the same address.
            _ if is_imds && self.probe => Err(absent()),
            _ => Err(Error::Wire {
                purpose: self.purpose.clone(),
                problem: format!(
                    "its endpoint answered {status} with {}",
                    wire::shape(&answer.headers, &answer.body)
                ),
                flaw: Flaw::Form,
            }),
        }
    }

    /// IMDS refuses a request without its header at once. Any answer will do;
    /// what it is worth shows with the next.
    async fn probe(&self, url: &Url) -> Result<(), Error> {
        let begun = std::time::Instant::now();
        let answer = self.http.get(url.clone()).timeout(PROBE).send().await;
        tracing::debug!(
            "probed {IMDS}: {} after {} ms",
            if answer.is_ok() { "an answer" } else { "nothing" },
            begun.elapsed().as_millis()
        );
        answer.map(|_| ()).map_err(|_| absent())
    }

    fn refused(&self, path: &str, is_imds: bool, status: StatusCode, answer: &Answer) -> Error {
        let told = serde_json::from_slice::<Told>(&answer.body).ok();
        let told = told.and_then(|told| told.error_description.or(told.message));
        let passing =
            status.is_server_error() || matches!(status, StatusCode::GONE | StatusCode::TOO_MANY_REQUESTS);
        // 404 is also IMDS while it is updated, but far more often a
        // metadata service that is not Azure's.
        if is_imds && !passing && (told.is_none() || status == StatusCode::NOT_FOUND) {
            return absent();
        }
        let message = told.map_or_else(
            || wire::shape(&answer.headers, &answer.body),
            |told| wire::line(&told),
        );
        if status == StatusCode::BAD_REQUEST {
            return Error::NoIdentity {
                message: format!("no managed identity here: none is assigned that fits ({message})"),
                hint: Some(
                    "assign one to this machine or app (`az vm identity assign`); --client-id names the client id of \
                     a user-assigned one"
                        .to_owned(),
                ),
            };
        }
        let refusal = Box::new(Refusal {
            purpose: self.purpose.clone(),
            request: format!("GET {path}"),
            // IMDS answers 410 while it is updated, for 70 s at most.
            status: if status == StatusCode::GONE {
                503
            } else {
                status.as_u16()
            },
            code: None,
            message,
            correlation: "unknown".to_owned(),
            retry_after: wire::retry_after(&answer.headers),
        });
        if status == StatusCode::TOO_MANY_REQUESTS {
            Error::Throttled { refusal }
        } else {
            Error::Status { refusal }
        }
    }
}

/// What IMDS and App Service say about a failure.
#[derive(Deserialize)]
struct Told {
    error_description: Option<String>,
    message: Option<String>,
}

fn absent() -> Error {
    Error::NoIdentity {
        message: format!(
            "no managed identity here: not on Azure (its metadata service does not answer at {IMDS})"
        ),
        hint: Some("name a service principal by --client-id, or use --auth azure-cli".to_owned()),
    }
}

#[cfg(test)]
mod tests;
