//! Runs the process, from its arguments to its exit code.

use std::cell::OnceCell;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::mem;
use std::process::ExitCode;
use std::sync::Arc;

use clap::ArgMatches;

use crate::cli::complete::Shell;
use crate::cli::{self, Cli, Parsed};
use crate::commands::{self, Context};
use crate::environment::Environment;
use crate::error::Error;
use crate::interrupt::{Interrupt, interrupted};
use crate::model::request::{ConnectionFlags, KubeConnection, LogFormat};
use crate::output::{Output, OutputSettings};
use crate::report::TerminationMessage;
use crate::{logging, script, settings, termination};

/// Runs the program. The first argument is its own name.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let environment = Environment::of_this_process();
    let program = arguments
        .first()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    // kubectl and the shells ask at every press of the tab key; clap must not
    // see their words.
    if let Some(words) = completion(&arguments, &environment) {
        // Without colors, Output would drop bash's separator of words too.
        let settings = OutputSettings {
            color: anstream::ColorChoice::Always,
            ..OutputSettings::default()
        };
        let _ = Output::new(settings).data(&words);
        return ExitCode::SUCCESS;
    }
    let as_script = cli::file_name(&program) == script::LINK;
    let Ended { code, message } = start(arguments, &program, as_script, &environment);
    // The script exits with 1 after any failure, and its callers expect no
    // other code.
    let code = if as_script { code.min(1) } else { code };
    if let Some(message) = message {
        termination::write_message(&environment, message, code);
    }
    ExitCode::from(code)
}

/// The words that complete a line, if that is what the program was called for.
fn completion(arguments: &[OsString], environment: &Environment) -> Option<String> {
    let shell = environment.get(cli::COMPLETION_VARIABLE).map(|name| Shell {
        name,
        index: environment.get(cli::INDEX_VARIABLE),
    });
    cli::complete::answer(arguments, shell.as_ref(), || {
        install_crypto_provider();
        let environment = environment.clone();
        Arc::new(move |wanted, kube| commands::names(wanted, kube, &environment))
    })
}

/// There is one crypto provider. If another one was installed before, the first TLS
/// connection fails.
fn install_crypto_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The end of a run.
struct Ended {
    code: u8,
    /// The termination message of the pod.
    message: Option<TerminationMessage>,
}

impl From<&Error> for Ended {
    fn from(error: &Error) -> Self {
        Self {
            code: error.kind().exit_code(),
            message: Some(TerminationMessage::of_error(error)),
        }
    }
}

fn start(arguments: Vec<OsString>, program: &str, as_script: bool, environment: &Environment) -> Ended {
    let translated = if as_script {
        script::translate(&arguments, environment)
    } else {
        Ok(arguments)
    };
    let arguments = match translated {
        Ok(arguments) => arguments,
        Err(error) => {
            Output::new(OutputSettings::default()).error(&error);
            return Ended::from(&error);
        }
    };
    // The value of another option is attached to it.
    if as_script && arguments.iter().any(|word| word == "--help") {
        let _ = Output::new(OutputSettings::default()).data(script::HELP);
        return Ended {
            code: 0,
            message: None,
        };
    }
    let format = settings::log_format(environment, as_script, std::io::stderr().is_terminal());
    let variables = |name: &str| environment.get(name).map(str::to_owned);
    let Parsed {
        mut cli,
        matches,
        notes,
    } = match cli::parse(program, &arguments, &variables) {
        Ok(parsed) => parsed,
        Err(error) => return unparsed(&error, &cli::behind(&error, &arguments, &variables), format),
    };
    cli.global.log_format.get_or_insert(format);
    let output = settings::output_settings(&cli.global);
    logging::start(&cli, environment, output.colors_stderr());
    let kube = settings::kube_connection(mem::take(&mut cli.kube));
    let connection = ConnectionFlags::of(&kube);
    let context = Context {
        output: Output::new(output).reaching(connection.clone()),
        connection,
        environment: environment.clone(),
        as_script,
        interrupt: Interrupt::default(),
        termination_message: OnceCell::new(),
    };
    for note in &notes {
        context.output.note(note);
    }
    run(cli, &matches, &kube, program, context)
}

fn run(cli: Cli, matches: &ArgMatches, kube: &KubeConnection, program: &str, context: Context) -> Ended {
    install_crypto_provider();
    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::failed(format!("cannot start: {error}")).caused_by(error))
        .and_then(|runtime| {
            let ended = runtime.block_on(async {
                tokio::select! {
                    ended = commands::run(cli, matches, kube, program, &context) => ended,
                    ended = interrupted(&context.interrupt) => ended,
                }
            });
            // Dropping it would wait for the resolver, which may hang.
            runtime.shutdown_background();
            ended
        });
    match ended {
        Ok(code) => Ended {
            code,
            message: context.termination_message.into_inner(),
        },
        Err(error) => {
            context.output.error(&error);
            Ended::from(&error)
        }
    }
}

/// The end of a run that clap refused, or for which it has printed the help.
fn unparsed(error: &clap::Error, hints: &[String], format: LogFormat) -> Ended {
    let code = u8::try_from(error.exit_code()).unwrap_or(2);
    if code == 0 {
        let _ = error.print();
        return Ended { code, message: None };
    }
    let text = error.to_string();
    let message = text.split("\n\nUsage:").next().unwrap_or(&text);
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let message: Vec<&str> = message.split_whitespace().collect();
    let ours = Error::usage(message.join(" "));
    let ours = hints.iter().fold(ours, Error::hint).hint("see --help");
    match format {
        // clap chooses the stream and the colours of its text.
        LogFormat::Text => {
            let _ = error.print();
            let output = Output::new(OutputSettings::default());
            for hint in hints {
                output.hint(hint);
            }
        }
        LogFormat::Json => Output::new(OutputSettings {
            format: LogFormat::Json,
            ..OutputSettings::default()
        })
        .error(&ours),
    }
    Ended {
        code,
        ..Ended::from(&ours)
    }
}
