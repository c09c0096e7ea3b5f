//! Rotates the credentials of Azure API Management self-hosted gateways on
//! Kubernetes, and says what lapses when.
//!
//! Modules in reading order; `ARCHITECTURE.md` walks one rotation through
//! them.

pub mod apply;
pub mod cli;
pub mod commands;
pub mod discover;
pub mod error;
pub mod model;
pub mod output;
pub mod plan;
pub mod report;
pub mod settings;

pub mod azure;
pub mod cluster;

mod clock;
mod environment;
mod logging;
mod retry;
mod yaml;

use std::ffi::OsString;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use commands::{Context, Wrote};
use environment::Environment;
use error::{Error, Result};
use output::Output;

/// Runs the program with its arguments, the first being its own name.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let environment = Environment::of_this_process();
    let program = arguments
        .first()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    // kubectl asks at every press of the tab key; clap must not see its words.
    if let Some(words) = cli::complete::answer(&arguments) {
        let _ = Output::new(&cli::TalkArgs::default()).data(&words);
        return ExitCode::SUCCESS;
    }
    let as_script = cli::file_name(&program) == cli::script::LINK;
    let code = start(arguments, &program, as_script, environment);
    // The script ended with 1 whatever had failed, and its callers know no
    // other code.
    ExitCode::from(if as_script { code.min(1) } else { code })
}

fn start(arguments: Vec<OsString>, program: &str, as_script: bool, environment: Environment) -> u8 {
    let translated = if as_script {
        cli::script::translate(&arguments, &environment)
    } else {
        Ok(arguments)
    };
    let arguments = match translated {
        Ok(arguments) => arguments,
        Err(error) => {
            Output::new(&cli::TalkArgs::default()).error(&error);
            return error.kind().exit_code();
        }
    };
    let (cli, matches) = match commands::parse(program, arguments, &environment) {
        Ok(parsed) => parsed,
        // clap knows which stream its text belongs to: help is data.
        Err(error) => {
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(2);
        }
    };
    logging::start(&cli, &environment);
    let context = Context {
        output: Output::new(&cli.talk),
        environment,
        as_script,
        wrote: Wrote::default(),
    };
    // The one crypto provider; a second installation would be a bug of ours
    // that the first TLS connection reports.
    let _ = rustls::crypto::ring::default_provider().install_default();

    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::failed(format!("cannot start: {error}")).caused_by(error))
        .and_then(|runtime| {
            runtime.block_on(async {
                tokio::select! {
                    ended = commands::run(cli, &matches, program, &context) => ended,
                    error = interrupted(&context.wrote) => Err(error?),
                }
            })
        });
    ended.unwrap_or_else(|error| {
        context.output.error(&error);
        error.kind().exit_code()
    })
}

/// Resolves when the process is told to stop.
async fn interrupted(wrote: &Wrote) -> Result<Error> {
    let listen = |kind| {
        signal(kind)
            .map_err(|error| Error::failed(format!("cannot listen to signals: {error}")).caused_by(error))
    };
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(wrote.interrupted())
}
