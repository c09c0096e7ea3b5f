//! The sandbox of kubectl-apim: a real Kubernetes control plane, a stand-in
//! for a node, and an emulator of the parts of Azure that the plugin talks to.

pub mod azure;
pub mod control_plane;
pub mod documented;
pub mod fleet;
pub mod gallery;
pub mod javascript;
mod made;
pub mod manifests;
pub mod node;
pub mod observer;
pub mod pki;
pub mod plugin;
mod progress;
pub mod python;
pub mod relay;
mod sandbox;
pub mod tls;
pub mod wait;
pub mod wire;
pub mod workload_identity;

pub use self::node::EmulatorEndpoint;
pub use self::sandbox::{Sandbox, shared};
