//! Which gateways of many.

use clap::Args;

/// Where to look, and for what.
#[derive(Args, Debug, Default)]
pub struct SelectArgs {
    /// Look in all namespaces
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,

    /// Only workloads with these labels, such as app=gw,tier!=test
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub selector: Option<String>,
}
