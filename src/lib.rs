//! Rotates the credentials of Azure API Management self-hosted gateways on
//! Kubernetes, and says what lapses when.
//!
//! Modules in reading order; `ARCHITECTURE.md` walks one rotation through
//! them.

pub mod azure;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod environment;
pub mod error;
pub mod model;
pub mod plan;
pub mod retry;
pub mod yaml;
