//! The one writer: data to stdout, talk to stderr. A reader that goes away is
//! a quiet end.

use std::cell::Cell;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::error::Error;
use crate::model::one_line;
use crate::model::request::LogFormat;

const LABEL: Style = Style::new().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// How wide the label of a step is, the longest one and a space.
const LABEL_WIDTH: usize = 11;

/// What the user has chosen about all output.
#[derive(Clone, Copy, Debug, Default)]
pub struct OutputSettings {
    pub format: LogFormat,
    pub color: ColorChoice,
    /// The level of `-v`: from 1 on, errors come with their causes.
    pub verbose: u8,
}

/// The one writer to stdout and stderr.
#[derive(Clone, Debug)]
pub struct Output {
    format: LogFormat,
    color: ColorChoice,
    causes: bool,
    spin: bool,
    /// Of many things, what this is about; it stands before each line.
    about: Option<String>,
    /// Whether the steps of one thing among many would drown the others.
    hushed: bool,
}

impl Output {
    pub fn new(settings: OutputSettings) -> Self {
        let OutputSettings {
            format,
            color,
            verbose,
        } = settings;
        // A spinner would be torn apart by the lines of a log.
        let spin = format == LogFormat::Text && verbose < 1 && io::stderr().is_terminal();
        Self {
            format,
            color,
            causes: verbose > 0,
            spin,
            about: None,
            hushed: false,
        }
    }

    /// The output of one of many things that go on at once. Its steps are told
    /// to whoever asked for more than usual; how it ends is told by others.
    #[must_use]
    pub fn about(&self, what: &str) -> Self {
        Self {
            about: Some(what.to_owned()),
            hushed: !self.causes,
            spin: false,
            ..self.clone()
        }
    }

    /// Prints data to stdout. A reader that closed the pipe has what it wanted.
    pub fn data(&self, text: &str) -> Result<(), Error> {
        self.more_data(text).map(|_| ())
    }

    /// The same in a run that goes on; false when nobody reads any more.
    pub fn more_data(&self, text: &str) -> Result<bool, Error> {
        let mut stdout = AutoStream::new(io::stdout().lock(), self.color);
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(Error::failed(format!("cannot write to stdout: {error}")).caused_by(error)),
            Ok(()) => Ok(true),
        }
    }

    /// One step of a run: what was found or done.
    pub fn step(&self, label: &str, text: &str) {
        let text = one_line(text);
        match self.format {
            LogFormat::Text => self.line(&format!("{LABEL}{label:<LABEL_WIDTH$}{LABEL:#}{text}")),
            LogFormat::Json => self.record("info", &json!({"step": label, "message": text})),
        }
    }

    /// Something the user should know that stops nothing.
    pub fn warning(&self, text: &str) {
        let text = one_line(text);
        match self.format {
            LogFormat::Text => self.line(&format!("{WARNING}warning:{WARNING:#} {text}")),
            LogFormat::Json => self.record("warning", &json!({"message": text})),
        }
    }

    /// A next step for the reader, apart from any error.
    pub fn hint(&self, text: &str) {
        let text = one_line(text);
        match self.format {
            LogFormat::Text => self.line(&format!("{HINT}hint:{HINT:#} {text}")),
            LogFormat::Json => self.record("info", &json!({"hint": text})),
        }
    }

    /// A question, whose answer is typed on the same line.
    pub fn question(&self, text: &str) {
        let mut stderr = AutoStream::new(io::stderr().lock(), self.color);
        // There is nowhere left to complain to.
        let _ = write!(stderr, "{LABEL}{}{LABEL:#}", one_line(text)).and_then(|()| stderr.flush());
    }

    /// Ends the line of a question that got no answer.
    pub fn end_question(&self) {
        let mut stderr = AutoStream::new(io::stderr().lock(), self.color);
        // There is nowhere left to complain to.
        let _ = writeln!(stderr);
    }

    /// A plain sentence that is neither data nor a warning.
    pub fn note(&self, text: &str) {
        let text = one_line(text);
        match self.format {
            LogFormat::Text => self.line(&text),
            LogFormat::Json => self.record("info", &json!({"message": text})),
        }
    }

    /// What failed and what to do next; the causes when they were asked for.
    pub fn error(&self, error: &Error) {
        let message = error.to_string();
        if self.format == LogFormat::Json {
            let record = json!({
                "message": one_line(&message), "hints": error.hints(), "causes": error.causes(),
                "exitCode": error.kind().exit_code(),
            });
            return self.record("error", &record);
        }
        self.line(&format!("{ERROR}error:{ERROR:#} {}", one_line(&message)));
        if self.causes {
            for cause in error.causes() {
                self.line(&format!("  because: {}", one_line(&cause)));
            }
        }
        for hint in error.hints() {
            self.line(&format!("{HINT}hint:{HINT:#} {}", one_line(hint)));
        }
    }

    /// A spinner for a wait, on a terminal only; elsewhere it shows nothing.
    pub fn waiting(&self) -> Waiting {
        let bar = if self.spin {
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
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

    /// How far many things are: a bar on a terminal, elsewhere a line for each
    /// that has ended.
    pub fn progress(&self, all: usize) -> Progress {
        let bar = if self.spin && all > 1 {
            ProgressBar::with_draw_target(u64::try_from(all).ok(), ProgressDrawTarget::stderr())
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

    fn line(&self, line: &str) {
        if self.hushed {
            return;
        }
        let about = self
            .about
            .as_ref()
            .map(|about| format!("{about}: "))
            .unwrap_or_default();
        let line = format!("{about}{line}");
        let mut stderr = AutoStream::new(io::stderr().lock(), self.color);
        // There is nowhere left to complain to.
        let _ = writeln!(stderr, "{line}");
    }

    fn record(&self, level: &str, fields: &serde_json::Value) {
        if self.hushed {
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

/// Many things under way; the bar disappears when dropped.
#[derive(Debug)]
pub struct Progress {
    output: Output,
    bar: ProgressBar,
    all: usize,
    ended: Cell<usize>,
    failed: Cell<usize>,
}

impl Progress {
    /// One of them has ended: what came of it, and whether it failed.
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

/// A wait under way; it disappears when dropped.
#[derive(Debug)]
pub struct Waiting(ProgressBar);

impl Waiting {
    /// Says what is being waited for.
    pub fn on(&self, text: &str) {
        self.0.set_message(one_line(text).into_owned());
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
