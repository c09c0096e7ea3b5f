//! The objects to install and the roles that they need in Azure, as pure
//! functions: no client, no clock, no environment.

pub mod admission;
pub mod azure;
pub mod cronjob;
mod document;
pub mod installation;
pub mod ownership;
pub mod rbac;

pub use ownership::MANAGER;
