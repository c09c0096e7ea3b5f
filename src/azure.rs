//! Azure: sign-in at Entra and the few calls of Azure Resource Manager (ARM)
//! that the product makes.
//!
//! [`Arm`] is all that a command needs. Below it, `exchange` is one request
//! and its answer, `budget` when it may be sent, `identity` who signs in, `credential` the sign-in, `wire`
//! what the bodies look like.

mod aadsts;
mod assertion;
mod az_cli;
mod budget;
mod certificate;
mod client;
mod credential;
mod endpoints;
mod entra;
mod error;
mod exchange;
mod find;
mod http;
mod identity;
mod inventory;
mod managed;
mod permissions;
mod roots;
mod wire;

pub use certificate::{Certificate, CertificateError, looks_like_a_certificate};
pub use client::{Arm, DEFAULT_API_VERSION, Options};
pub use endpoints::endpoints;
pub use error::{Error, Fault, Flaw, Refusal};
pub use http::client as http_client;
pub use identity::{Assertion, Candidate, Identity, Proof, SignIn};
pub use inventory::{GatewayInService, ServiceDetails};
pub use managed::on_a_vm_of_azure;

/// What the webhook of Azure Workload Identity needs to set up a pod.
pub const WEBHOOK: &str = "the webhook of Azure Workload Identity sets it, and the file, in pods with the label \
     azure.workload.identity/use: \"true\" whose ServiceAccount has the annotation azure.workload.identity/client-id";
