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
pub mod manifest;
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
mod termination;
mod yaml;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use cli::LogFormat;
use commands::{Context, Wrote};
use environment::Environment;
use error::{Error, Result};
use output::Output;
use report::last_words::LastWords;

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
    let Ended { code, words } = start(arguments, &program, as_script, &environment);
    // The script ended with 1 whatever had failed, and its callers know no
    // other code.
    let code = if as_script { code.min(1) } else { code };
    if let Some(words) = words {
        termination::leave(&environment, words, code);
    }
    ExitCode::from(code)
}

/// How a run has ended.
struct Ended {
    code: u8,
    /// What is to be left in the status of its pod.
    words: Option<LastWords>,
}

impl From<&Error> for Ended {
    fn from(error: &Error) -> Self {
        Self {
            code: error.kind().exit_code(),
            words: Some(LastWords::of_error(error)),
        }
    }
}

fn start(arguments: Vec<OsString>, program: &str, as_script: bool, environment: &Environment) -> Ended {
    let translated = if as_script {
        cli::script::translate(&arguments, environment)
    } else {
        Ok(arguments)
    };
    let arguments = match translated {
        Ok(arguments) => arguments,
        Err(error) => {
            Output::new(&cli::TalkArgs::default()).error(&error);
            return Ended::from(&error);
        }
    };
    let format = settings::log_format(environment, as_script, std::io::stderr().is_terminal());
    let (mut cli, matches) = match commands::parse(program, arguments, environment) {
        Ok(parsed) => parsed,
        Err(error) => return unparsed(&error, format),
    };
    cli.talk.log_format.get_or_insert(format);
    logging::start(&cli, environment);
    let context = Context {
        output: Output::new(&cli.talk),
        environment: environment.clone(),
        as_script,
        wrote: Wrote::default(),
        last_words: commands::LastWords::default(),
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
    match ended {
        Ok(code) => Ended {
            code,
            words: context.last_words.said(),
        },
        Err(error) => {
            context.output.error(&error);
            Ended::from(&error)
        }
    }
}

/// The end of a run whose command line clap did not take, or answered itself.
fn unparsed(error: &clap::Error, format: LogFormat) -> Ended {
    let code = u8::try_from(error.exit_code()).unwrap_or(2);
    if code == 0 {
        let _ = error.print();
        return Ended { code, words: None };
    }
    let text = error.to_string();
    let told = text.split("\n\nUsage:").next().unwrap_or(&text);
    let told = told.strip_prefix("error: ").unwrap_or(told);
    let words: Vec<&str> = told.split_whitespace().collect();
    let ours = Error::usage(words.join(" ")).hint("see --help");
    match format {
        // clap knows which stream its text belongs to, and its colours.
        LogFormat::Text => drop(error.print()),
        LogFormat::Json => Output::new(&cli::TalkArgs {
            log_format: Some(format),
            ..cli::TalkArgs::default()
        })
        .error(&ours),
    }
    Ended {
        code,
        ..Ended::from(&ours)
    }
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
