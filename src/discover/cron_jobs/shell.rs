//! What a shell runs, where that is certain: simple commands in sequence, without
//! pipes, conditions, loops and substitutions.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

use crate::model::request::UNKNOWN;

/// The values of variables.
pub(super) type Variables = BTreeMap<String, String>;

/// What stands for the value of a variable that may become several words.
pub(super) const SPLIT: char = '\0';

/// What a shell was started for.
pub(super) enum Started {
    Script {
        text: String,
        /// Whether it stops at the first command that fails.
        stops_at_errors: bool,
    },
    /// A file, with its arguments.
    File(Vec<String>),
}

/// Parses the arguments of a shell.
pub(super) fn started(arguments: &[String]) -> Result<Started, String> {
    let mut stops_at_errors = false;
    let mut is_command = false;
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let Some(options) = word.strip_prefix('-') else {
            return Ok(if is_command {
                let text = word.clone();
                Started::Script {
                    text,
                    stops_at_errors,
                }
            } else {
                Started::File([word].into_iter().chain(words).cloned().collect())
            });
        };
        is_command |= options.contains('c');
        stops_at_errors |= set_options(&options.replace('c', ""), &mut words)?;
    }
    Err(uncertain("what the shell reads"))
}

pub(super) fn uncertain(what: &str) -> String {
    format!("it is not certain what its shell runs, because of {what}")
}

/// Simple commands of which each runs if the one before succeeds.
pub(super) type Sequence = Vec<Vec<String>>;

/// Whether `set` makes the shell stop at errors.
pub(super) fn set(options: &[String]) -> Result<bool, String> {
    let mut stops = false;
    let mut words = options.iter();
    while let Some(word) = words.next() {
        let letters = word.strip_prefix('-').filter(|letters| !letters.is_empty());
        let letters = letters.ok_or_else(|| uncertain("an option"))?;
        stops |= set_options(letters, &mut words)?;
    }
    Ok(stops)
}

/// Whether options of one letter make the shell stop at errors.
fn set_options<'a>(letters: &str, words: &mut impl Iterator<Item = &'a String>) -> Result<bool, String> {
    let mut stops = false;
    for letter in letters.chars() {
        match letter {
            'e' => stops = true,
            'u' | 'x' | 'v' | 'l' => {}
            'o' => match words.next().map(String::as_str) {
                Some("errexit") => stops = true,
                Some("pipefail" | "nounset" | "xtrace") => {}
                _ => return Err(uncertain("an option")),
            },
            _ => return Err(uncertain("an option")),
        }
    }
    Ok(stops)
}

/// Parses a script, or says what makes it uncertain.
pub(super) fn sequences(script: &str, variables: &Variables) -> Result<Vec<Sequence>, String> {
    let mut parser = Parser {
        letters: script.chars().peekable(),
        variables,
        word: None,
        follows_and: false,
        command: Vec::new(),
        sequence: Vec::new(),
        sequences: Vec::new(),
    };
    parser.parse()?;
    Ok(parser.sequences)
}

struct Parser<'a> {
    letters: Peekable<Chars<'a>>,
    variables: &'a Variables,
    word: Option<String>,
    /// Whether the last thing was `&&`.
    follows_and: bool,
    command: Vec<String>,
    sequence: Sequence,
    sequences: Vec<Sequence>,
}

impl Parser<'_> {
    fn parse(&mut self) -> Result<(), String> {
        while let Some(letter) = self.letters.next() {
            match letter {
                ' ' | '\t' => self.end_word(),
                '\n' => self.end_sequence()?,
                ';' => {
                    self.end_command()?;
                    self.end_sequence()?;
                }
                '&' if self.letters.next_if_eq(&'&').is_some() => {
                    self.end_command()?;
                    self.follows_and = true;
                }
                '|' => return Err(uncertain("a pipe or an alternative")),
                '&' => return Err(uncertain("a command in the background")),
                '>' if self.is_stderr_to_stdout() => self.word = None,
                '<' | '>' => return Err(uncertain("a redirection")),
                '(' | ')' | '`' | '{' | '}' | '*' | '?' | '[' | ']' | '!' | '~' => {
                    return Err(uncertain("its shell syntax"));
                }
                '#' if self.word.is_none() => {
                    while self.letters.next_if(|letter| *letter != '\n').is_some() {}
                }
                '\\' => match self.letters.next() {
                    Some('\n') | None => {}
                    Some(letter) => self.push(letter),
                },
                '\'' => self.quoted()?,
                '"' => self.double_quoted()?,
                '$' => {
                    let value = self.variable()?;
                    let is_plain =
                        |letter: char| letter.is_ascii_alphanumeric() || "-_./:@,+".contains(letter);
                    if value.chars().all(is_plain) {
                        value.chars().for_each(|letter| self.push(letter));
                    } else {
                        self.push(SPLIT);
                    }
                }
                letter => self.push(letter),
            }
        }
        self.end_sequence()?;
        if self.follows_and {
            return Err(uncertain("its shell syntax"));
        }
        Ok(())
    }

    fn push(&mut self, letter: char) {
        self.word.get_or_insert_default().push(letter);
    }

    fn end_word(&mut self) {
        self.command.extend(self.word.take());
    }

    /// Ends a command after which another one must follow.
    fn end_command(&mut self) -> Result<(), String> {
        self.end_word();
        if self.command.is_empty() {
            return Err(uncertain("its shell syntax"));
        }
        self.follows_and = false;
        self.sequence.push(std::mem::take(&mut self.command));
        Ok(())
    }

    fn end_sequence(&mut self) -> Result<(), String> {
        self.end_word();
        if !self.command.is_empty() {
            self.end_command()?;
        } else if self.follows_and {
            // A line break may follow `&&`.
            return Ok(());
        }
        if self.sequence.is_empty() {
            return Ok(());
        }
        self.sequences.push(std::mem::take(&mut self.sequence));
        Ok(())
    }

    /// Whether `2>&1` is complete.
    fn is_stderr_to_stdout(&mut self) -> bool {
        self.word.as_deref() == Some("2")
            && self.letters.next_if_eq(&'&').is_some()
            && self.letters.next_if_eq(&'1').is_some()
            && self
                .letters
                .peek()
                .is_none_or(|letter| letter.is_whitespace() || *letter == ';')
    }

    fn quoted(&mut self) -> Result<(), String> {
        self.word.get_or_insert_default();
        loop {
            match self.letters.next() {
                Some('\'') => return Ok(()),
                Some(letter) => self.push(letter),
                None => return Err(uncertain("a quote without an end")),
            }
        }
    }

    fn double_quoted(&mut self) -> Result<(), String> {
        self.word.get_or_insert_default();
        loop {
            match self.letters.next() {
                Some('"') => return Ok(()),
                Some('`') => return Err(uncertain("a substitution")),
                Some('$') => {
                    let value = self.variable()?;
                    value.chars().for_each(|letter| self.push(letter));
                }
                Some('\\') => match self.letters.next() {
                    Some('\n') => {}
                    Some(letter @ ('"' | '\\' | '$' | '`')) => self.push(letter),
                    Some(letter) => {
                        self.push('\\');
                        self.push(letter);
                    }
                    None => return Err(uncertain("a quote without an end")),
                },
                Some(letter) => self.push(letter),
                None => return Err(uncertain("a quote without an end")),
            }
        }
    }

    /// The value of the variable whose name follows. One that the container does
    /// not set may come from its image.
    fn variable(&mut self) -> Result<String, String> {
        let is_braced = self.letters.next_if_eq(&'{').is_some();
        let mut name = String::new();
        while let Some(letter) = self
            .letters
            .next_if(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
        {
            name.push(letter);
        }
        let is_closed = !is_braced || self.letters.next_if_eq(&'}').is_some();
        if !is_closed || !is_variable(&name) {
            return Err(uncertain("a substitution"));
        }
        let value = self.variables.get(&name).cloned();
        Ok(value.unwrap_or_else(|| UNKNOWN.to_owned()))
    }
}

/// The words after assignments such as `A=b`, and the variables with these.
pub(super) fn with_assignments<'a>(words: &'a [String], variables: &Variables) -> (Variables, &'a [String]) {
    let mut variables = variables.clone();
    let mut rest = words;
    while let Some((word, after)) = rest.split_first() {
        let assignment = word.split_once('=').filter(|(name, _)| is_variable(name));
        let Some((name, value)) = assignment else { break };
        variables.insert(name.to_owned(), value.to_owned());
        rest = after;
    }
    (variables, rest)
}

/// Whether a shell accepts it as the name of a variable.
pub(super) fn is_variable(name: &str) -> bool {
    let mut letters = name.bytes();
    letters
        .next()
        .is_some_and(|first| first == b'_' || first.is_ascii_alphabetic())
        && letters.all(|letter| letter == b'_' || letter.is_ascii_alphanumeric())
}
