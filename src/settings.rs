//! Turns flags and variables into checked settings, each value with its source.
//! Nothing here uses the network.

mod azure;
mod command_line;
pub mod entra_setup;
mod fleet;
mod gateway_list;
mod install_cronjob;
mod kube;
mod log;
mod render_rbac;
mod rotate;
mod selection;
mod status;
mod typed;

pub use azure::AzureSettings;
pub use command_line::rotate_request;
pub use fleet::FleetSettings;
pub use gateway_list::GatewayList;
pub use install_cronjob::{InstallSettings, Targets};
pub use kube::kube_connection;
pub use log::{log_format, output_settings, script_debug};
pub use render_rbac::{Covered, KubernetesRights, RenderSettings};
pub use rotate::{RotateSettings, script_namespace};
pub use status::{StatusSettings, Then};
