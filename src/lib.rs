//! Rotates the credentials of Azure API Management self-hosted gateways on
//! Kubernetes, and reports when each expires.
//!
//! Modules in reading order; `ARCHITECTURE.md` walks through one rotation.

mod process;

mod cli;
mod script;
mod settings;

mod apply;
mod commands;
mod discover;
mod manifest;
mod model;
mod plan;
mod report;

mod azure;
mod cluster;

mod clock;
mod environment;
mod error;
mod interrupt;
mod logging;
mod output;
mod retry;
mod termination;
mod yaml;

pub use process::main;
