//! `entra`: the commands about a gateway's sign-in by Microsoft Entra.

mod setup;

use clap::ArgMatches;

use super::Context;
use crate::cli::entra::{EntraArgs, EntraCommand};
use crate::error::Result;
use crate::model::request::KubeConnection;

/// Runs a command of the group; returns the exit code.
pub(super) async fn run(
    args: &EntraArgs,
    matches: &ArgMatches,
    kube: &KubeConnection,
    context: &Context,
) -> Result<u8> {
    let EntraCommand::Setup(args) = &args.command;
    let matches = matches.subcommand().map_or(matches, |(_, matches)| matches);
    Box::pin(setup::run(args, matches, kube, context)).await
}
