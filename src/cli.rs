//! The command line as it is typed: clap types only. The doc comments are the
//! help.

mod brief;
pub mod complete;
mod completion;
pub mod entra;
mod gateway;
mod global;
mod install_cronjob;
pub mod kube;
mod program;
mod render_rbac;
mod root;
mod rotate;
mod select;
mod spelling;
mod status;
mod uninstall_cronjob;
mod values;
mod variables;
mod version;

#[cfg(test)]
mod tests;

pub use completion::CompletionArgs;
pub use gateway::{GatewayArgs, InstanceArgs};
pub use global::GlobalArgs;
pub use install_cronjob::{IdentityArgs, InstallCronjobArgs, PodArgs, PodAuth, PullPolicy, RunAs};
pub use kube::KubeArgs;
pub use program::{COMPLETION_VARIABLE, INDEX_VARIABLE, file_name};
pub use render_rbac::{AzureRoleArgs, RenderRbacArgs, RightsScope};
pub use root::{Cli, Command, Parsed, command, parse};
pub use rotate::{AuthMethod, AzureArgs, FleetArgs, RotateArgs, TargetArgs};
pub use select::SelectArgs;
pub use status::StatusArgs;
pub use uninstall_cronjob::UninstallCronjobArgs;
pub use variables::{as_words, behind, variable_of};
pub use version::VersionArgs;
