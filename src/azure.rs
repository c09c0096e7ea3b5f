//! Azure: sign-in at Entra, and the few calls of Azure Resource Manager (ARM) and
//! of Microsoft Graph that the product makes. A command needs only [`Arm`] and
//! [`Graph`].

mod arm;
mod connection;
mod gateway;
mod graph;
mod issuer;
#[allow(
    clippy::indexing_slicing,
    reason = "places in a chain that the program built itself"
)]
mod sign_in;
mod transport;

pub use arm::authorization::RoleAddition;
pub use arm::caller::Caller;
pub use arm::client::{Arm, DEFAULT_API_VERSION, Options};
pub use arm::endpoints::endpoints;
pub use arm::inventory::{GatewayInService, ServiceDetails};
pub use gateway::{ConfigurationAnswer, GatewayProof, GatewaySignIn};
pub use graph::{Graph, NewCertificate};
pub use sign_in::certificate::{Certificate, MadeCertificate, looks_like_a_certificate};
pub use sign_in::identity::{
    Assertion, Candidate, ClientCredential, Identity, SignIn, WORKLOAD_IDENTITY_WEBHOOK,
};
pub use sign_in::managed::on_a_vm_of_azure;
pub use transport::error::Error;
pub use transport::gate::Gate;
pub use transport::http::{client as http_client, gated_client};

#[cfg(test)]
mod tests;
