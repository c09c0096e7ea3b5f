//! The Kubernetes side: from kubectl's flags and the environment to a client.

pub mod config;
pub mod connect;
mod events;
pub mod exec;
mod explain;
pub mod jobs;
pub mod list;
mod name;
pub mod objects;
mod observe;
pub mod pods;
mod proxy;
mod read;
pub mod rollout;
pub mod secret;
mod source;
pub mod watch;
pub mod workload;

pub use config::ConnectInputs;
pub use connect::Cluster;
pub use explain::explain;
pub use name::{valid_name, valid_namespace};

/// The field manager of every write. Flux strips the managers whose names
/// begin with `kubectl`.
pub const FIELD_MANAGER: &str = "apim-rotate";
