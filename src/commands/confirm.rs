//! The prompts of the program.

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
    if agrees(question, output).await {
        Ok(())
    } else {
        Err(Error::failed("not confirmed; nothing was changed"))
    }
}

/// Whether the answer on the terminal is yes.
pub(super) async fn agrees(question: &str, output: &Output) -> bool {
    let answer = ask(&format!("{question} [y/N] "), output).await;
    answer.is_some_and(|answer| answer.is(&["y", "yes"]))
}

/// What to do with one of several things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Yes,
    No,
    /// Yes to this one and to all that follow.
    All,
    Quit,
}

/// Asks on the terminal until the answer is one of those that are offered. The end of
/// the input is `Quit`.
pub(super) async fn choose(question: &str, output: &Output) -> Choice {
    let question = format!("{question} [y]es, [n]o, [a]ll of them, [q]uit: ");
    loop {
        let answer = ask(&question, output).await;
        let Some(answer) = answer.filter(|answer| answer.is_line) else {
            return Choice::Quit;
        };
        if let Some(choice) = answer.choice() {
            return choice;
        }
    }
}

/// Asks a question on the terminal; `None` if its input cannot be read.
async fn ask(question: &str, output: &Output) -> Option<Answer> {
    let mut asked = Asked {
        output,
        has_line: false,
    };
    output.question(question);
    let answer = answer().await;
    asked.has_line = answer.as_ref().is_some_and(|answer| answer.is_line);
    answer
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

    fn is(&self, words: &[&str]) -> bool {
        let text = self.text.trim_ascii();
        self.text.len() <= LONGEST_ANSWER
            && words
                .iter()
                .any(|word| text.eq_ignore_ascii_case(word.as_bytes()))
    }

    fn choice(&self) -> Option<Choice> {
        let choices = [
            (Choice::Yes, ["y", "yes"]),
            (Choice::No, ["n", "no"]),
            (Choice::All, ["a", "all"]),
            (Choice::Quit, ["q", "quit"]),
        ];
        let mut choices = choices.into_iter();
        choices.find_map(|(choice, words)| self.is(&words).then_some(choice))
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
            answers.push(answer.is(&["y", "yes"]));
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
    fn a_choice_is_a_letter_or_its_word() {
        for (line, choice) in [
            ("y\n", Some(Choice::Yes)),
            (" YES \r\n", Some(Choice::Yes)),
            ("n\n", Some(Choice::No)),
            ("All\n", Some(Choice::All)),
            ("a\n", Some(Choice::All)),
            ("q\n", Some(Choice::Quit)),
            ("\n", None),
            ("ya\n", None),
            ("y n\n", None),
            ("yes, all of them\n", None),
        ] {
            let answer = Answer::read(&mut line.as_bytes()).unwrap();
            assert_eq!(answer.choice(), choice, "{line:?}");
        }
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
