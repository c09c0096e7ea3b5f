//! The requests to Azure Resource Manager.

pub mod authorization;
pub mod caller;
pub mod client;
mod enable_identity;
pub mod endpoints;
mod find;
mod gateways;
mod identity;
pub mod inventory;
mod locks;
pub mod managed_identity;
mod permissions;
