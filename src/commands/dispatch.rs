//! Runs the command that the command line names.

use clap::ArgMatches;

use super::{Context, entra, install_cronjob, render_rbac, rotate, status, uninstall_cronjob};
use crate::cli::{self, Cli, Command};
use crate::error::Result;
use crate::model::request::{KubeConnection, OutputFormat};
use crate::yaml::to_yaml;

/// Runs the command that was typed; returns the exit code.
pub async fn run(
    cli: Cli,
    matches: &ArgMatches,
    kube: &KubeConnection,
    program: &str,
    context: &Context,
) -> Result<u8> {
    let subcommand = matches.subcommand().map(|(_, matches)| matches);
    match (cli.command, subcommand) {
        (Some(Command::Rotate(args)), Some(matches)) => {
            // A fleet keeps much beside each gateway.
            Box::pin(rotate::run(&args, matches, kube, context)).await
        }
        (Some(Command::Status(args)), Some(matches)) => status::run(&args, matches, kube, context).await,
        (Some(Command::RenderRbac(args)), Some(matches)) => {
            render_rbac::run(&args, matches, kube, context).await
        }
        (Some(Command::InstallCronjob(args)), Some(matches)) => {
            Box::pin(install_cronjob::run(&args, matches, kube, context)).await
        }
        (Some(Command::Entra(args)), Some(matches)) => {
            Box::pin(entra::run(&args, matches, kube, context)).await
        }
        (Some(Command::UninstallCronjob(args)), _) => uninstall_cronjob::run(&args, kube, context).await,
        (Some(Command::Completion(args)), _) => {
            context.output.data(&args.shell.script())?;
            Ok(0)
        }
        (Some(Command::Version(args)), _) => {
            context.output.data(&version(args.output)?)?;
            Ok(0)
        }
        _ => {
            let help = cli::command::<&str>(program, &[], &|_| None).render_help();
            context.output.data(&help.ansi().to_string())?;
            Ok(0)
        }
    }
}

fn version(format: OutputFormat) -> Result<String> {
    let version = env!("CARGO_PKG_VERSION");
    let value = serde_json::json!({"apiVersion": "kubectl-apim/v1", "kind": "Version", "version": version});
    match format {
        OutputFormat::Json => Ok(format!("{value:#}\n")),
        OutputFormat::Yaml => to_yaml(&value),
        OutputFormat::Table | OutputFormat::Wide | OutputFormat::Name => Ok(format!("{version}\n")),
    }
}
