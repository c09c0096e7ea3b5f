//! The log, on stderr. Only this crate's own targets are enabled: libraries log
//! headers and bodies at their lowest levels.

use std::fmt::{Debug, Result, Write as _};

use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{FormatEvent, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::cli::{Cli, Command};
use crate::environment::Environment;
use crate::model::request::LogFormat;
use crate::output::LogWriter;
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
        .with_writer(|| LogWriter)
        .with_target(false)
        .with_ansi(colored);
    let lines = match cli.global.log_format.unwrap_or_default() {
        LogFormat::Json => lines.event_format(Records).boxed(),
        LogFormat::Text if level == LevelFilter::WARN => lines.without_time().compact().boxed(),
        LogFormat::Text => lines.compact().boxed(),
    };
    let ours = Targets::new().with_target(env!("CARGO_CRATE_NAME"), level);
    tracing_subscriber::registry()
        .with(lines.with_filter(ours))
        .init();
}

/// One JSON object a line, with the fields of those that `Output` prints.
struct Records;

impl<S, N> FormatEvent<S, N> for Records
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> Result {
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        let mut message = Message::default();
        event.record(&mut message);
        writeln!(writer, "{}", json!({"level": level, "message": message.0}))
    }
}

/// The message of an event, and its other fields after it.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a String cannot fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}
