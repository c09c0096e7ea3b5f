//! Dispatch: one file a command.

mod completion;
mod install_cronjob;
mod render_rbac;
mod rotate;
mod sign_in;
mod status;
mod uninstall_cronjob;

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use clap::{ArgMatches, FromArgMatches};

use crate::cli::kube::KubeArgs;
use crate::cli::{self, Cli, Command, OutputFormat};
use crate::cluster::{self, Cluster, valid_namespace};
use crate::environment::Environment;
use crate::error::{Error, Kind, Result};
use crate::output::Output;
use crate::report;
use crate::settings::Selection;
use crate::yaml::to_yaml;

/// What every command is given.
pub struct Context {
    /// The variables of the process.
    pub environment: Environment,
    /// The door to stdout and stderr.
    pub output: Output,
    /// Whether the program was called by the old script's name.
    pub as_script: bool,
    /// Set before the first write to the cluster, so that a signal knows.
    pub wrote: Wrote,
    /// What a run that has a result leaves in the status of its pod.
    pub last_words: LastWords,
}

/// The result of a run, once there is one.
#[derive(Debug, Default)]
pub struct LastWords(OnceLock<report::last_words::LastWords>);

impl LastWords {
    /// There is a result, the only one.
    pub fn say(&self, words: report::last_words::LastWords) {
        let _ = self.0.set(words);
    }

    /// The result, if the run came to one.
    pub fn said(self) -> Option<report::last_words::LastWords> {
        self.0.into_inner()
    }
}

/// Whether a run may have changed the cluster.
#[derive(Clone, Debug, Default)]
pub struct Wrote(Arc<AtomicBool>, Arc<AtomicBool>);

impl Wrote {
    /// A write is about to be sent.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// An object is about to be installed or removed.
    pub fn set_object(&self) {
        self.1.store(true, Ordering::Relaxed);
    }

    /// Whether a write was sent.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The error of a run that a signal ended.
    pub fn interrupted(&self) -> Error {
        if self.is_set() {
            Error::new(
                Kind::Owed,
                "interrupted after the token was written: a restart or its proof may be owed",
            )
            .hint("run the same command again: it resumes where this run ended")
        } else if self.1.load(Ordering::Relaxed) {
            Error::failed("interrupted; some of the objects may be there already")
                .hint("run the same command again: it does what is left")
        } else {
            Error::failed("interrupted; nothing was changed")
        }
    }
}

/// Runs the command that was typed; returns the exit code.
pub async fn run(cli: Cli, matches: &ArgMatches, program: &str, context: &Context) -> Result<u8> {
    let subcommand = matches.subcommand().map(|(_, matches)| matches);
    match (cli.command, subcommand) {
        (Some(Command::Rotate(args)), Some(matches)) => {
            // A fleet keeps much beside each gateway.
            Box::pin(rotate::run(&args, matches, &cli.kube, context)).await
        }
        (Some(Command::Status(args)), Some(matches)) => status::run(&args, matches, &cli.kube, context).await,
        (Some(Command::RenderRbac(args)), Some(matches)) => {
            render_rbac::run(&args, matches, &cli.kube, context).await
        }
        (Some(Command::InstallCronjob(args)), Some(matches)) => {
            Box::pin(install_cronjob::run(&args, matches, &cli.kube, context)).await
        }
        (Some(Command::UninstallCronjob(args)), _) => uninstall_cronjob::run(&args, &cli.kube, context).await,
        (Some(Command::Completion { shell }), _) => {
            context.output.data(&completion::script(shell, program)?)?;
            Ok(0)
        }
        (Some(Command::Version { output }), _) => {
            context.output.data(&version(output)?)?;
            Ok(0)
        }
        _ => {
            let help = cli::command(program, &|_| false).render_help();
            context.output.data(&help.ansi().to_string())?;
            Ok(0)
        }
    }
}

/// There is no gateway where it was looked for.
fn nothing_found(selection: &Selection, cluster: &Cluster) -> Error {
    let labels = selection
        .labels
        .as_ref()
        .map(|labels| format!(" with the labels `{labels}`"))
        .unwrap_or_default();
    if selection.everywhere {
        return Error::failed(format!(
            "no self-hosted gateway{labels} was found in any namespace"
        ));
    }
    Error::failed(format!(
        "no self-hosted gateway{labels} was found in namespace {}",
        cluster.namespace
    ))
    .hint("choose the namespace with -n, or look in all with -A")
}

/// Reaches the cluster that the flags and the environment mean.
async fn connect(kube: &KubeArgs, context: &Context) -> Result<Cluster> {
    if let Some(namespace) = &kube.namespace {
        valid_namespace(namespace)?;
    }
    let variable = |name: &str| context.environment.get(name).map(str::to_owned);
    Cluster::connect(kube, around(&variable)).await
}

/// The namespace that the flags and the kubeconfig mean, without any request.
fn namespace(kube: &KubeArgs, context: &Context) -> Result<String> {
    if let Some(namespace) = &kube.namespace {
        valid_namespace(namespace)?;
        return Ok(namespace.clone());
    }
    let variable = |name: &str| context.environment.get(name).map(str::to_owned);
    cluster::config::namespace(kube, around(&variable))
        .map_err(|error| error.hint("or name the namespace, with -n"))
}

/// The contexts of the kubeconfig that these names or globs mean.
fn contexts(kube: &KubeArgs, context: &Context, patterns: &[String]) -> Result<Vec<String>> {
    let variable = |name: &str| context.environment.get(name).map(str::to_owned);
    cluster::config::contexts(kube, around(&variable), patterns)
}

/// What a connection takes from around the process.
fn around(variable: &(dyn Fn(&str) -> Option<String> + Sync)) -> cluster::Environment<'_> {
    let interactive = std::io::stdin().is_terminal();
    #[expect(
        clippy::disallowed_methods,
        reason = "a plugin's credential expires by the local clock"
    )]
    let now = jiff::Timestamp::now();
    cluster::Environment::new(variable, interactive, now)
}

/// The machine's own time, for what no server's clock is asked about.
fn local_now() -> jiff::Timestamp {
    #[expect(
        clippy::disallowed_methods,
        reason = "a schedule is judged by its distances, which are the same at any time"
    )]
    jiff::Timestamp::now()
}

/// Parses the command line.
pub fn parse(
    program: &str,
    arguments: Vec<std::ffi::OsString>,
    environment: &Environment,
) -> clap::error::Result<(Cli, ArgMatches)> {
    let is_set = |name: &str| environment.get(name).is_some();
    let matches = cli::command(program, &is_set).try_get_matches_from(arguments)?;
    Ok((Cli::from_arg_matches(&matches)?, matches))
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
