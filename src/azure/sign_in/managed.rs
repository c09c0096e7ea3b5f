//! Managed identities. Their tokens come from an address that only this machine
//! reaches, without a credential and never through a proxy.

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
use crate::retry::retry_after;

/// The address of the Instance Metadata Service (IMDS) of every Azure VM.
/// Other cloud providers have their own service at the same address.
const IMDS: &str = "169.254.169.254";

/// Where the firmware identifies a VM of Azure.
const ASSET_TAG_FILE: &str = "/sys/class/dmi/id/chassis_asset_tag";
const ASSET_TAG_OF_AZURE: &str = "7783-7084-3265-9085-8269-3286-77";

/// How long to wait for any answer of the metadata service, which is on the
/// same host.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// Whether the firmware identifies this machine as a VM of Azure; false if it
/// cannot be read.
pub fn on_a_vm_of_azure() -> bool {
    std::fs::read_to_string(ASSET_TAG_FILE).is_ok_and(|tag| tag.trim() == ASSET_TAG_OF_AZURE)
}

/// The credential of the system-assigned identity of this machine or app, or
/// of the user-assigned one.
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

/// Sends the request of `azure_identity`, which would repeat it for 72 s if
/// nothing answers. An error from here ends its attempts.
#[derive(Debug)]
struct LocalTransport {
    http: Client,
    purpose: String,
    failure: FailureSlot,
    /// Whether to check first that IMDS answers, because this machine is not
    /// known to be a VM of Azure.
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
        let mut ours = self.http.get(url);
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
            // Another service has the same address.
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

    /// Checks that something answers. IMDS refuses a request without its header
    /// at once; whether it is IMDS shows with the next request.
    async fn probe(&self, url: &Url) -> Result<(), Error> {
        let begun = std::time::Instant::now();
        let answer = self.http.get(url.clone()).timeout(PROBE_TIMEOUT).send().await;
        tracing::debug!(
            "probed {IMDS}: {} after {} ms",
            if answer.is_ok() { "an answer" } else { "no answer" },
            begun.elapsed().as_millis()
        );
        answer.map(|_| ()).map_err(|_| absent())
    }

    fn refused(&self, path: &str, is_imds: bool, status: StatusCode, answer: &Answer) -> Error {
        let body = serde_json::from_slice::<ErrorBody>(&answer.body).ok();
        let text = body.and_then(|body| body.error_description.or(body.message));
        let passing =
            status.is_server_error() || matches!(status, StatusCode::GONE | StatusCode::TOO_MANY_REQUESTS);
        // IMDS also answers 404 while it is updated, but far more often a 404
        // comes from a metadata service that is not Azure's.
        if is_imds && !passing && (text.is_none() || status == StatusCode::NOT_FOUND) {
            return absent();
        }
        let message = text.map_or_else(
            || wire::shape(&answer.headers, &answer.body),
            |text| wire::line(&text),
        );
        if status == StatusCode::BAD_REQUEST {
            return Error::NoIdentity {
                message: format!("no managed identity here: no matching identity is assigned ({message})"),
                hint: Some(
                    "assign one to this machine or app (`az vm identity assign`); for a user-assigned one, pass its \
                     client id with --client-id"
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
            reason: None,
            message,
            correlation: "unknown".to_owned(),
            retry_after: retry_after(&answer.headers),
            challenge: None,
        });
        if status == StatusCode::TOO_MANY_REQUESTS {
            Error::Throttled { refusal }
        } else {
            Error::Status { refusal }
        }
    }
}

/// The error body of IMDS (`error_description`) and App Service (`message`).
#[derive(Deserialize)]
struct ErrorBody {
    error_description: Option<String>,
    message: Option<String>,
}

fn absent() -> Error {
    Error::NoIdentity {
        message: format!(
            "no managed identity here: not on Azure (its metadata service does not answer at {IMDS})"
        ),
        hint: Some("sign in as a service principal with --client-id, or use --auth azure-cli".to_owned()),
    }
}

#[cfg(test)]
mod tests;
