//! The flags of `version`.

use clap::Args;

use crate::model::request::OutputFormat;

/// Print the version
#[derive(Args, Debug)]
pub struct VersionArgs {
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    pub output: OutputFormat,
}
