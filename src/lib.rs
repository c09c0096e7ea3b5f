//! Rotates the credentials of Azure API Management self-hosted gateways on
//! Kubernetes, and reports when each expires.
//!
//! Modules in reading order; `ARCHITECTURE.md` walks through one rotation.

// No input panics. Tests may index what they have made.
#![cfg_attr(not(test), warn(clippy::string_slice))]

mod process;

mod cli;
mod script;
#[cfg_attr(not(test), warn(clippy::indexing_slicing))]
mod settings;

mod apply;
mod commands;
#[cfg_attr(not(test), warn(clippy::indexing_slicing))]
mod discover;
mod manifest;
mod model;
#[cfg_attr(not(test), warn(clippy::indexing_slicing))]
mod plan;
#[cfg_attr(not(test), warn(clippy::indexing_slicing))]
mod report;

#[cfg_attr(not(test), warn(clippy::indexing_slicing))]
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
