//! The one writer: data to stdout, talk to stderr. A reader that goes away is
//! a quiet end.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::time::Duration;

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::cli::{LogFormat, TalkArgs};
use crate::error::Error;
use crate::model::one_line;

const LABEL: Style = Style::new().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// How wide the label of a step is, the longest one and a space.
const LABEL_WIDTH: usize = 11;

/// The door to stdout and stderr.
#[derive(Clone, Debug)]
pub struct Output {
    format: LogFormat,
    color: anstream::ColorChoice,
    causes: bool,
    spin: bool,
}

impl Output {
    /// The output that the flags ask for.
    pub fn new(talk: &TalkArgs) -> Self {
        let color = match talk.color {
            clap::ColorChoice::Auto => anstream::ColorChoice::Auto,
            clap::ColorChoice::Always => anstream::ColorChoice::Always,
            clap::ColorChoice::Never => anstream::ColorChoice::Never,
        };
        // A spinner would be torn apart by the lines of a log.
        let spin = talk.log_format == LogFormat::Text && talk.verbose < 4 && io::stderr().is_terminal();
        Self {
            format: talk.log_format,
            color,
            causes: talk.verbose > 0,
            spin,
        }
    }

    /// Prints data to stdout. A reader that closed the pipe has what it wanted.
    pub fn data(&self, text: &str) -> Result<(), Error> {
        let mut stdout = AutoStream::new(io::stdout().lock(), self.color);
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        match written {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(Error::failed(format!("cannot write to stdout: {error}")).caused_by(error))
            }
            _ => Ok(()),
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

    fn line(&self, line: &str) {
        let mut stderr = AutoStream::new(io::stderr().lock(), self.color);
        // There is nowhere left to complain to.
        let _ = writeln!(stderr, "{line}");
    }

    fn record(&self, level: &str, fields: &serde_json::Value) {
        let mut record = fields.clone();
        record["level"] = json!(level);
        self.line(&record.to_string());
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
