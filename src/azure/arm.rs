//! The requests to Azure Resource Manager.

#[allow(dead_code, reason = "for the set-up of Entra, which is not there yet")]
pub mod authorization;
#[allow(dead_code, reason = "for the set-up of Entra, which is not there yet")]
pub mod caller;
pub mod client;
#[allow(dead_code, reason = "for the set-up of Entra, which is not there yet")]
mod enable_identity;
pub mod endpoints;
mod find;
#[allow(dead_code, reason = "for the set-up of Entra, which is not there yet")]
mod gateways;
mod identity;
pub mod inventory;
#[allow(dead_code, reason = "for the set-up of Entra, which is not there yet")]
mod locks;
#[allow(dead_code, reason = "for the set-up of Entra, which is not there yet")]
pub mod managed_identity;
mod permissions;
