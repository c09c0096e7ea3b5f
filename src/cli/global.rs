//! Flags of ours that every command takes.

use clap::{Args, ColorChoice};

use crate::model::request::LogFormat;

/// What a run writes to the terminal or the log.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// Log more: -v shows the causes of an error, -v=6 every request; secrets are never logged
    #[arg(short, long, global = true, value_name = "LEVEL")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "1", default_value = "0")]
    #[arg(hide_default_value = true)]
    pub verbose: u8,

    /// Format of progress and warnings on stderr; by default text, or json in a pod
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,

    /// When to use color
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: ColorChoice,
}
