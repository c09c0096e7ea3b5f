//! The requests to Azure Resource Manager.

pub mod client;
pub mod endpoints;
mod find;
pub mod inventory;
mod permissions;
