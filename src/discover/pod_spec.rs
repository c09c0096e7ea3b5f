//! What a pod spec shows of the gateway that it runs: its endpoint, its name,
//! and above all where its credential comes from. Only the references in the
//! pod spec count; names and labels of Secrets prove nothing.

mod containers;
mod credential;
mod entra;
mod references;
mod variables;

pub use containers::{GatewayContainer, gateway_containers, gateway_containers_with};
pub use credential::{CredentialSource, EntraCredential, EnvFromSecret};
pub use entra::{ClientId, SecretKeys};
pub use references::{
    SecretReference, config_maps_named, missing_config_map, references_to, secret_references, secrets_used,
    settings_in_config_maps,
};
pub use variables::{ConfigMaps, ImportedSecrets, Value as Setting, settings_of};

#[cfg(test)]
mod tests;
