//! Names with values, as `kubectl describe` lays them out.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use crate::model::one_line;
use crate::report::table::Severity;

pub(super) const NONE: &str = "<none>";
pub(super) const UNKNOWN: &str = "<unknown>";

/// The space between the longest name of a section and the values.
const GAP: usize = 2;

/// How much further the lines of a section begin than its name.
const INDENT: usize = 2;

/// Some facts about one thing, each with its name.
#[derive(Default)]
pub(super) struct Section(Vec<(String, Value)>);

enum Value {
    /// At least one line.
    Lines(Vec<String>),
    Section(Section),
}

impl Section {
    pub(super) fn line(&mut self, name: &str, text: &str) {
        self.lines(name, [text]);
    }

    pub(super) fn colored(&mut self, name: &str, text: &str, severity: Severity) {
        let text = painted(&one_line(text), severity);
        self.0.push((name.to_owned(), Value::Lines(vec![text])));
    }

    /// A value that may be absent.
    pub(super) fn optional(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.line(name, text);
        }
    }

    /// Values below each other; none are `<none>`.
    pub(super) fn lines<'a>(&mut self, name: &str, texts: impl IntoIterator<Item = &'a str>) {
        let mut lines: Vec<String> = texts
            .into_iter()
            .map(|text| one_line(text).into_owned())
            .collect();
        if lines.is_empty() {
            lines.push(NONE.to_owned());
        }
        self.0.push((one_line(name).into_owned(), Value::Lines(lines)));
    }

    pub(super) fn section(&mut self, name: &str, section: Self) {
        self.0
            .push((one_line(name).into_owned(), Value::Section(section)));
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        self.print(0, &mut text);
        text
    }

    fn print(&self, indent: usize, text: &mut String) {
        let names = self
            .0
            .iter()
            .filter(|(_, value)| matches!(value, Value::Lines(_)));
        let longest = names.map(|(name, _)| name.chars().count()).max();
        let width = longest.unwrap_or(0) + ":".len() + GAP;
        for (name, value) in &self.0 {
            let label = format!("{name}:");
            match value {
                Value::Lines(lines) => {
                    for (at, line) in lines.iter().enumerate() {
                        let label = if at == 0 { label.as_str() } else { "" };
                        // Writing to a String cannot fail.
                        let _ = writeln!(text, "{:indent$}{label:<width$}{line}", "");
                    }
                }
                Value::Section(section) => {
                    let _ = writeln!(text, "{:indent$}{label}", "");
                    section.print(indent + INDENT, text);
                }
            }
        }
    }
}

/// A value, and where it was read.
pub(super) fn sourced(text: &str, place: &str) -> String {
    format!("{text}  [{place}]")
}

fn painted(text: &str, severity: Severity) -> String {
    let style: Style = match severity {
        Severity::None => return text.to_owned(),
        Severity::Good => AnsiColor::Green.on_default(),
        Severity::Warning => AnsiColor::Yellow.on_default(),
        Severity::Bad => AnsiColor::Red.on_default(),
    };
    format!("{style}{text}{style:#}")
}
