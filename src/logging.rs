//! The log, on stderr. Only this crate's own targets are enabled: libraries log
//! headers and bodies at their lowest levels.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::cli::{Cli, Command};
use crate::environment::Environment;
use crate::model::request::LogFormat;
use crate::settings::script_debug;

/// Starts the log at the level that the flags set; the default is warnings.
pub(crate) fn start(cli: &Cli, environment: &Environment, colored: bool) {
    let debug =
        matches!(&cli.command, Some(Command::Rotate(args)) if args.debug || script_debug(environment));
    let level = match cli.global.verbose {
        6.. => LevelFilter::DEBUG,
        _ if debug => LevelFilter::DEBUG,
        1.. => LevelFilter::INFO,
        0 => LevelFilter::WARN,
    };
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(colored);
    let lines = match cli.global.log_format.unwrap_or_default() {
        LogFormat::Json => lines.json().boxed(),
        LogFormat::Text if level == LevelFilter::WARN => lines.without_time().compact().boxed(),
        LogFormat::Text => lines.compact().boxed(),
    };
    let ours = Targets::new().with_target(env!("CARGO_CRATE_NAME"), level);
    tracing_subscriber::registry()
        .with(lines.with_filter(ours))
        .init();
}
