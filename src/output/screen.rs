//! A part of the terminal that is drawn in place again and again.

use std::io::{self, ErrorKind};

use console::{Term, measure_text_width};

use crate::error::Error;

/// The size of a terminal that does not say its own, in rows and columns.
const USUAL_SIZE: (u16, u16) = (24, 80);

/// The last lines of the terminal.
pub struct Screen {
    terminal: Term,
    /// What is shown there now.
    shown: String,
}

impl Screen {
    /// `None` if stdout is no terminal, or its cursor cannot be moved or is not to be.
    pub(super) fn of_stdout() -> Option<Self> {
        let terminal = Term::buffered_stdout();
        // `NO_COLOR` and the terminal `dumb` ask for plain text.
        terminal.features().colors_supported().then(|| Self {
            terminal,
            shown: String::new(),
        })
    }

    /// In rows and columns.
    pub fn size(&self) -> (usize, usize) {
        let (rows, columns) = self.terminal.size_checked().unwrap_or(USUAL_SIZE);
        (rows.into(), columns.into())
    }

    /// Replaces what is shown by a text whose lines fit. False if the terminal is gone.
    pub fn draw(&mut self, text: &str) -> Result<bool, Error> {
        if text == self.shown {
            return Ok(true);
        }
        let drawn = self
            .clear()
            .and_then(|()| self.terminal.write_str(text))
            .and_then(|()| self.terminal.flush());
        text.clone_into(&mut self.shown);
        match drawn {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(Error::failed(format!("cannot write to stdout: {error}")).caused_by(error)),
            Ok(()) => Ok(true),
        }
    }

    /// Prints something that stays, above what is shown.
    pub fn above(&mut self, print: impl FnOnce()) {
        // The next drawing has the same error.
        let _ = self.clear().and_then(|()| self.terminal.flush());
        let shown = std::mem::take(&mut self.shown);
        print();
        let _ = self.draw(&shown);
    }

    /// Puts the cursor where the first line begins, and removes the lines. A terminal that has
    /// become narrower shows some of them on several rows.
    fn clear(&self) -> io::Result<()> {
        let (_, columns) = self.size();
        let rows = self
            .shown
            .lines()
            .map(|line| measure_text_width(line).div_ceil(columns).max(1));
        self.terminal.clear_last_lines(rows.sum())
    }
}
