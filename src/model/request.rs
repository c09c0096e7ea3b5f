//! What was requested, as plain data. `settings` makes it from the command
//! line; nothing that acts on it knows how it was typed.

mod cloud;
mod format;
mod kube;
mod target;

pub use cloud::CloudRequest;
pub use format::{AzureForm, DryRun, LogFormat, ObjectFormat, OutputFormat, ProveMode, SortBy, StatusFormat};
pub use kube::{BearerToken, KubeConnection};
pub use target::{ReadCommandLine, RotateRequest, Scope, Selection, TargetRequest, WorkloadRequest};
