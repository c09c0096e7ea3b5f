//! Tests of the Azure emulator, each by an HTTPS client against its real listeners.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod arm;
mod assertions;
mod azure_cli;
mod azure_cli_entra;
mod configuration;
mod entra;
mod faults;
mod federation;
mod fixture;
mod graph;
mod graph_credentials;
mod graph_rights;
mod instance;
mod inventory;
mod javascript;
mod lag;
mod managed_identities;
mod python;
mod recorded;
mod role_assignments;
mod roles;
mod throttle;
mod tokens;
mod transport;
mod wire;
