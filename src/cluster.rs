//! The Kubernetes client, built from kubectl's flags, the kubeconfig and the
//! environment, and the requests that the product makes.

pub mod access;
mod answer;
mod authority;
mod config;
mod connect;
pub mod described;
pub mod entra;
mod events;
mod exec;
mod explain;
mod impersonate;
mod inputs;
mod items;
pub mod jobs;
mod kubeconfig;
pub mod last_applied;
pub mod lean;
pub mod list;
mod name;
mod names;
pub mod objects;
mod observe;
mod oidc;
pub mod own_pod;
pub mod pod_spec;
pub mod pods;
mod proxy;
mod read;
pub mod rollout;
mod running_pods;
mod said;
pub mod secret;
mod session;
mod source;
pub mod template_change;
mod tls;
mod transport;
pub mod watch;
pub mod workload;

pub use config::namespace;
pub use connect::Cluster;
pub use explain::{explain, reason};
pub use inputs::{ConnectInputs, Show};
pub use name::{valid_name, valid_namespace};
pub use source::{contexts, kubeconfig_names};
