//! Reads of the API server. Each is repeated while the server is busy, objects
//! that were named are read one by one where they are few or cannot be listed,
//! and what one object or one kind lacks does not end the run.

mod accounts;
mod config_maps;
mod failure;
mod place;
mod secrets;
mod workloads;

pub(super) use accounts::{Identity, accounts};
pub(super) use config_maps::{ConfigMapReads, Sought};
pub(super) use failure::{is_forbidden, unread};
pub(super) use place::{Key, scopes};
pub use secrets::OF_CREDENTIALS;
pub(super) use secrets::{Held, Secrets, read_secret};
pub use workloads::missing_namespace;
pub(super) use workloads::{listed, named, named_as, requested};
