//! What was requested, as plain data. `settings` makes it from the command
//! line; nothing that acts on it knows how it was typed.

mod cloud;
mod command_line;
mod connection_flags;
mod format;
mod kube;
mod target;

pub use cloud::CloudRequest;
pub use command_line::{CommandLine, Invocation, Program, ReadCommandLine, RotateRequest, UNKNOWN};
pub use connection_flags::ConnectionFlags;
pub use format::{
    AzureForm, DryRun, LogFormat, ObjectFormat, OutputFormat, ProveMode, RotateFormat, SortBy, StatusFormat,
};
pub use kube::{BearerToken, KubeConnection};
pub use target::{Scope, Selection, TargetRequest, WorkloadRequest};
