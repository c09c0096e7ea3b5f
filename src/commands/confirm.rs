//! The one prompt of the program.

use std::io::{self, BufRead, ErrorKind, IsTerminal};

use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::output::Output;

/// A longer answer is not a yes.
const LONGEST_ANSWER: usize = 16;

/// Whether there is a terminal that can be asked.
pub(super) fn has_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks on the terminal and returns only if the answer is yes.
pub(super) async fn confirm(question: &str, output: &Output) -> Result<()> {
    let mut asked = Asked {
        output,
        has_line: false,
    };
    output.question(&format!("{question} [y/N] "));
    let answer = answer().await;
    asked.has_line = answer.as_ref().is_some_and(|answer| answer.is_line);
    drop(asked);
    match answer {
        Some(answer) if answer.is_yes() => Ok(()),
        _ => Err(Error::failed("not confirmed; nothing was changed")),
    }
}

/// A question on the screen. Unless a line was typed after it, the next message
/// needs a line of its own, also after a signal has dropped the question.
struct Asked<'a> {
    output: &'a Output,
    has_line: bool,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if !self.has_line {
            self.output.end_question();
        }
    }
}

/// Reads a line on a thread of its own, so that the runtime can receive a signal
/// meanwhile. The end of the process does not wait for such a thread.
async fn answer() -> Option<Answer> {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        // After a signal nobody waits for the answer.
        let _ = sender.send(Answer::read(&mut io::stdin().lock()));
    });
    receiver.await.ok()?.ok()
}

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    /// The line, up to one byte more than the longest answer.
    text: Vec<u8>,
    /// Whether it ended with the Enter key, and not with the end of the input.
    is_line: bool,
}

impl Answer {
    /// Reads up to the end of the line, so that a later question does not get the rest.
    fn read(input: &mut impl BufRead) -> io::Result<Self> {
        let mut text = Vec::new();
        loop {
            let part = match input.fill_buf() {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                part => part?,
            };
            let end = part.iter().position(|byte| *byte == b'\n');
            let read = end.map_or(part.len(), |end| end + 1);
            let room = (LONGEST_ANSWER + 1).saturating_sub(text.len());
            text.extend(part.iter().take(read.min(room)));
            input.consume(read);
            if read == 0 || end.is_some() {
                let is_line = end.is_some();
                return Ok(Self { text, is_line });
            }
        }
    }

    fn is_yes(&self) -> bool {
        let text = self.text.trim_ascii().to_ascii_lowercase();
        self.text.len() <= LONGEST_ANSWER && matches!(text.as_slice(), b"y" | b"yes")
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn answers(input: &[u8]) -> Vec<bool> {
        // Small reads, as from a slow pipe.
        let mut input = BufReader::with_capacity(3, input);
        let mut answers = Vec::new();
        loop {
            let answer = Answer::read(&mut input).unwrap();
            answers.push(answer.is_yes());
            if !answer.is_line {
                return answers;
            }
        }
    }

    #[test]
    fn only_y_and_yes_mean_yes() {
        for yes in ["y\n", "Y\r\n", "yes\n", "  YES \n", "y"] {
            assert!(answers(yes.as_bytes())[0], "{yes:?}");
        }
        for no in ["", "\n", "n\n", "yy\n", "yes please\n", "да\n"] {
            assert!(!answers(no.as_bytes())[0], "{no:?}");
        }
        assert!(!answers(b"y\xff\n")[0] && !answers(b"\xffy\n")[0]);
    }

    #[test]
    fn a_long_line_is_one_answer() {
        let line = format!("{}y\ny\n", "n".repeat(100_000));
        assert_eq!(answers(line.as_bytes()), [false, true, false]);
        let blank = format!("{}y\n", " ".repeat(LONGEST_ANSWER));
        assert_eq!(answers(blank.as_bytes()), [false, false]);
        for blanks in [LONGEST_ANSWER - 1, LONGEST_ANSWER, 100] {
            let hidden = format!("y{}NO DO NOT\n", " ".repeat(blanks));
            assert_eq!(answers(hidden.as_bytes()), [false, false], "{blanks}");
        }
    }
}
