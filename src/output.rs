//! Writes data to stdout and everything else to stderr. A closed pipe is not an
//! error.

mod screen;

use std::cell::Cell;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::LazyLock;
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::error::Error;
use crate::model::one_line;
use crate::model::request::{ConnectionFlags, LogFormat};

pub use screen::Screen;

/// What moves on the terminal. Every line on stderr is written above it.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

const LABEL: Style = Style::new().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// The width of the label of a step: the longest label and a space.
const LABEL_WIDTH: usize = 11;

/// The width of the terminal in columns, if stdout is one.
pub fn width_of_stdout() -> Option<usize> {
    let terminal = Term::stdout();
    let (_, columns) = terminal.size_checked().filter(|_| terminal.is_term())?;
    Some(columns.into())
}

/// The settings of the user for all output.
#[derive(Clone, Copy, Debug, Default)]
pub struct OutputSettings {
    pub format: LogFormat,
    pub color: ColorChoice,
    /// The level of `-v`. From 1 on, errors are printed with their causes.
    pub verbose: u8,
}

impl OutputSettings {
    /// Whether lines on stderr have colors, those of the log as well.
    pub fn colors_stderr(self) -> bool {
        let choice = match self.color {
            ColorChoice::Auto => AutoStream::choice(&io::stderr()),
            choice => choice,
        };
        choice != ColorChoice::Never
    }
}

/// The only writer to stdout and stderr.
#[derive(Clone, Debug)]
pub struct Output {
    format: LogFormat,
    color: ColorChoice,
    causes: bool,
    animated: bool,
    /// The prefix of each line: the gateway, if there are several.
    about: Option<String>,
    /// Whether all lines on stderr are dropped.
    quiet: bool,
    /// What printed commands need to reach the cluster of this run.
    connection: ConnectionFlags,
}

impl Output {
    pub fn new(settings: OutputSettings) -> Self {
        let OutputSettings {
            format,
            color,
            verbose,
        } = settings;
        // The lines of a log would break a spinner.
        let animated = format == LogFormat::Text && verbose < 1 && io::stderr().is_terminal();
        Self {
            format,
            color,
            causes: verbose > 0,
            animated,
            about: None,
            quiet: false,
            connection: ConnectionFlags::default(),
        }
    }

    /// The same, which prints each command with these flags.
    #[must_use]
    pub fn reaching(self, connection: ConnectionFlags) -> Self {
        Self { connection, ..self }
    }

    /// The output of one of several concurrent rotations. Its lines are shown
    /// with `-v` only; the caller prints the result.
    #[must_use]
    pub fn about(&self, what: &str) -> Self {
        Self {
            about: Some(what.to_owned()),
            quiet: !self.causes,
            animated: false,
            ..self.clone()
        }
    }

    /// Prints data to stdout. A closed pipe is a success.
    pub fn data(&self, text: &str) -> Result<(), Error> {
        self.more_data(text).map(|_| ())
    }

    /// Prints data to stdout in a run that continues. False if the pipe is closed.
    pub fn more_data(&self, text: &str) -> Result<bool, Error> {
        let mut stdout = AutoStream::new(io::stdout().lock(), self.color);
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(Error::failed(format!("cannot write to stdout: {error}")).caused_by(error)),
            Ok(()) => Ok(true),
        }
    }

    /// The part of the terminal for what is drawn in place; `None` where stdout is no terminal,
    /// where plain text is asked for, and where a log would break it.
    pub fn screen(&self) -> Option<Screen> {
        let color = match self.color {
            ColorChoice::Auto => AutoStream::choice(&io::stdout()),
            choice => choice,
        };
        let may = color != ColorChoice::Never && !self.causes && self.format == LogFormat::Text;
        may.then(Screen::of_stdout).flatten()
    }

    /// Prints a line of another run's log to stdout: a record as text, unless this run
    /// logs records too.
    pub fn relay(&self, line: &str) -> Result<(), Error> {
        let text = match self.format {
            LogFormat::Text => record_as_text(line),
            LogFormat::Json => None,
        };
        let text = text.as_deref().unwrap_or(line);
        self.data(&format!("{text}\n"))
    }

    /// Prints a step of a run: a fact or a change.
    pub fn step(&self, label: &str, text: &str) {
        let text = self.pasted(text);
        match self.format {
            LogFormat::Text => self.line(&format!("{LABEL}{label:<LABEL_WIDTH$}{LABEL:#}{text}")),
            LogFormat::Json => self.record("info", &json!({"step": label, "message": text})),
        }
    }

    /// Prints a warning, which does not stop the run.
    pub fn warning(&self, text: &str) {
        let text = self.pasted(text);
        match self.format {
            LogFormat::Text => self.line(&format!("{WARNING}warning:{WARNING:#} {text}")),
            LogFormat::Json => self.record("warning", &json!({"message": text})),
        }
    }

    /// Prints a next step without an error.
    pub fn hint(&self, text: &str) {
        let text = self.pasted(text);
        match self.format {
            LogFormat::Text => self.line(&format!("{HINT}hint:{HINT:#} {text}")),
            LogFormat::Json => self.record("info", &json!({"hint": text})),
        }
    }

    /// Prints a question. The answer is typed on the same line.
    pub fn question(&self, text: &str) {
        let mut stderr = AutoStream::new(io::stderr().lock(), self.color);
        // There is no other place for an error.
        let _ = write!(stderr, "{LABEL}{}{LABEL:#}", self.pasted(text)).and_then(|()| stderr.flush());
    }

    /// Ends the line of a question that got no answer.
    pub fn end_question(&self) {
        let mut stderr = AutoStream::new(io::stderr().lock(), self.color);
        // There is nowhere left to complain to.
        let _ = writeln!(stderr);
    }

    /// Prints a sentence that is neither data nor a warning.
    pub fn note(&self, text: &str) {
        let text = self.pasted(text);
        match self.format {
            LogFormat::Text => self.line(&text),
            LogFormat::Json => self.record("info", &json!({"message": text})),
        }
    }

    /// Prints an error and its hints, and its causes with `-v`.
    pub fn error(&self, error: &Error) {
        let message = self.pasted(&error.to_string());
        let hints: Vec<String> = error.hints().iter().map(|hint| self.pasted(hint)).collect();
        if self.format == LogFormat::Json {
            let record = json!({
                "message": message, "hints": hints, "causes": error.causes(),
                "exitCode": error.kind().exit_code(),
            });
            return self.record("error", &record);
        }
        self.line(&format!("{ERROR}error:{ERROR:#} {message}"));
        if self.causes {
            for cause in error.causes() {
                self.line(&format!("  because: {}", one_line(&cause)));
            }
        }
        for hint in hints {
            self.line(&format!("{HINT}hint:{HINT:#} {hint}"));
        }
    }

    /// Starts a spinner, on a terminal only.
    pub fn waiting(&self) -> Waiting {
        let bar = if self.animated {
            BARS.add(ProgressBar::no_length())
        } else {
            ProgressBar::hidden()
        };
        let template = format!("{{prefix:<{LABEL_WIDTH}}}{{spinner}} {{wide_msg}} {{elapsed}}");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        bar.set_prefix("waiting");
        bar.enable_steady_tick(Duration::from_millis(120));
        Waiting(bar)
    }

    /// Starts a progress bar on a terminal. Elsewhere, a line is printed for each
    /// result.
    pub fn progress(&self, all: usize) -> Progress {
        let bar = if self.animated && all > 1 {
            BARS.add(ProgressBar::new(u64::try_from(all).unwrap_or(u64::MAX)))
        } else {
            ProgressBar::hidden()
        };
        let template =
            format!("{{prefix:<{LABEL_WIDTH}}}{{bar:30}} {{pos}}/{{len}}  {{per_sec}}  {{msg}}  {{eta}}");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        bar.set_prefix("rotating");
        bar.enable_steady_tick(Duration::from_millis(120));
        Progress {
            output: self.clone(),
            bar,
            all,
            ended: Cell::new(0),
            failed: Cell::new(0),
        }
    }

    /// The text on one line, its commands as they can be pasted.
    fn pasted(&self, text: &str) -> String {
        self.connection.completed(&one_line(text)).into_owned()
    }

    fn line(&self, line: &str) {
        if self.quiet {
            return;
        }
        let about = self
            .about
            .as_ref()
            .map(|about| format!("{about}: "))
            .unwrap_or_default();
        let line = format!("{about}{line}");
        BARS.suspend(|| {
            let mut stderr = AutoStream::new(io::stderr().lock(), self.color);
            // There is no other place for an error.
            let _ = writeln!(stderr, "{line}");
        });
    }

    fn record(&self, level: &str, fields: &serde_json::Value) {
        if self.quiet {
            return;
        }
        let mut record = fields.clone();
        record["level"] = json!(level);
        if let Some(about) = &self.about {
            record["about"] = json!(about);
        }
        let unnamed = Self {
            about: None,
            ..self.clone()
        };
        unnamed.line(&record.to_string());
    }
}

/// Stderr for the log.
#[derive(Debug)]
pub struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        BARS.suspend(|| io::stderr().write(line))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// A record of the log as the text that stands for it; `None` if the line is none.
fn record_as_text(line: &str) -> Option<String> {
    let record: Value = serde_json::from_str(line).ok()?;
    let text = |name: &str| record[name].as_str();
    let level = text("level")?;
    let about = text("about")
        .map(|about| format!("{about}: "))
        .unwrap_or_default();
    let mut lines = Vec::new();
    match (text("step"), text("message"), level) {
        (Some(step), Some(message), _) => lines.push(format!("{step:<LABEL_WIDTH$}{message}")),
        (None, Some(message), "info") => lines.push(message.to_owned()),
        (None, Some(message), level) => lines.push(format!("{level}: {message}")),
        (_, None, _) => {}
    }
    let hints = record["hints"].as_array().into_iter().flatten();
    let hints = hints.filter_map(Value::as_str).chain(text("hint"));
    lines.extend(hints.map(|hint| format!("hint: {hint}")));
    let shown = lines.iter().map(|line| format!("{about}{}", one_line(line)));
    let shown: Vec<String> = shown.collect();
    (!shown.is_empty()).then(|| shown.join("\n"))
}

/// A progress bar, which disappears when dropped.
#[derive(Debug)]
pub struct Progress {
    output: Output,
    bar: ProgressBar,
    all: usize,
    ended: Cell<usize>,
    failed: Cell<usize>,
}

impl Progress {
    /// Counts a result.
    pub fn ended(&self, text: &str, failed: bool) {
        self.ended.set(self.ended.get() + 1);
        self.failed.set(self.failed.get() + usize::from(failed));
        if self.bar.is_hidden() {
            let count = format!("{}/{}", self.ended.get(), self.all);
            self.output.step(&count, text);
        }
        self.bar.inc(1);
        let left = self.all.saturating_sub(self.ended.get());
        self.bar
            .set_message(format!("{} failed  {left} left", self.failed.get()));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A spinner, which disappears when dropped.
#[derive(Debug)]
pub struct Waiting(ProgressBar);

impl Waiting {
    /// Shows the reason of the wait.
    pub fn on(&self, text: &str) {
        self.0.set_message(one_line(text).into_owned());
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::record_as_text;

    #[test]
    fn a_record_of_a_log_is_shown_as_the_text_that_stands_for_it() {
        for (line, text) in [
            (
                r#"{"level":"info","message":"gw","step":"gateway"}"#,
                "gateway    gw",
            ),
            (r#"{"level":"info","message":"a sentence"}"#, "a sentence"),
            (
                r#"{"level":"warning","message":"m","about":"shop/t"}"#,
                "shop/t: warning: m",
            ),
            (r#"{"level":"info","hint":"h"}"#, "hint: h"),
            (
                r#"{"level":"error","message":"m","hints":["a","b"],"causes":["c"],"exitCode":1}"#,
                "error: m\nhint: a\nhint: b",
            ),
            ("{\"level\":\"info\",\"message\":\"\\u001b[2Jx\"}", " [2Jx"),
        ] {
            assert_eq!(record_as_text(line).as_deref(), Some(text), "{line}");
        }
        for other in ["secret/gw rotated", "{}", "{\"level\":\"info\"}", "[1]", "1", ""] {
            assert_eq!(record_as_text(other), None, "{other}");
        }
    }
}
