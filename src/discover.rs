//! The cluster and Azure as plain facts. References in pod specs are followed;
//! nothing is guessed from names.

pub mod api_server;
mod certificate;
mod cron_jobs;
pub mod directory;
pub mod entra;
pub mod evidence;
pub mod facts;
pub mod failed_call;
pub mod fleet;
pub mod gateways;
pub mod installed;
pub mod inventory;
mod names;
mod no_gateway;
mod owners;
mod pod_spec;
mod pods;
mod read;
mod reference;
pub mod sign_ins;
mod stale_pods;
mod survey;
mod suspects;
mod target;
mod target_facts;
pub mod users;

pub use names::gateway_names;
pub use no_gateway::with_places;
pub use read::{OF_CREDENTIALS, missing_namespace};
pub use target::target;
pub use target_facts::TargetFacts;

#[cfg(test)]
mod tests;
