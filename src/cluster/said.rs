//! What a credential plugin says on stderr: it is shown line by line while the
//! plugin runs, because it may ask the user to open a page, and secrets are cut
//! out.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use super::inputs::Show;
use super::kubeconfig::Exec;

/// How long the rest of a line is waited for. A prompt has no line break.
const PROMPT: Duration = Duration::from_millis(500);

/// A longer line is shown in parts.
const LONGEST_LINE: usize = 8192;

/// How many lines an error repeats.
const REPEATED: usize = 5;

/// The shortest part of a secret that is cut out.
const SLICE: usize = 8;

/// The shortest word that may be a token.
const TOKEN: usize = 20;

const HIDDEN: &str = "[hidden]";

pub(super) struct Said<'a> {
    show: Option<&'a Show>,
    /// Secrets that are known beforehand.
    secrets: Vec<String>,
    line: Vec<u8>,
    last: VecDeque<String>,
}

impl<'a> Said<'a> {
    /// The plugin's variables and arguments may be secrets.
    pub(super) fn new(show: Option<&'a Show>, exec: &Exec) -> Self {
        let Exec { args, env, .. } = exec;
        let of_env = env.iter().filter(|variable| names_secret(&variable.name));
        let of_env = of_env.map(|variable| variable.value.as_str());
        let following = args.iter().zip(args.iter().skip(1));
        let following =
            following.filter(|(flag, _)| flag.starts_with('-') && !flag.contains('=') && names_secret(flag));
        let joined = args.iter().filter_map(|arg| arg.split_once('='));
        let joined = joined.filter(|(flag, _)| names_secret(flag));
        let of_args = following.map(|(_, value)| value.as_str());
        let of_args = of_args.chain(joined.map(|(_, value)| value));
        let secrets = of_env.chain(of_args).flat_map(|secret| {
            let in_url = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
            [secret.to_owned(), in_url]
        });
        Self {
            show,
            secrets: secrets.collect(),
            line: Vec::new(),
            last: VecDeque::new(),
        }
    }

    /// Shows what arrives, until the end. What is in the answer so far is a secret.
    pub(super) async fn follow(&mut self, from: Option<impl AsyncRead + Unpin>, answer: &Mutex<Vec<u8>>) {
        let Some(mut from) = from else { return };
        let mut bytes = [0; 4096];
        loop {
            // The rest of a line is not waited for.
            let limit = if self.line.is_empty() {
                Duration::MAX
            } else {
                PROMPT
            };
            let Ok(read) = timeout(limit, from.read(&mut bytes)).await else {
                self.end_line(answer);
                continue;
            };
            let Ok(read @ 1..) = read else { break };
            for byte in bytes.iter().take(read) {
                if *byte == b'\n' || self.line.len() >= LONGEST_LINE {
                    self.end_line(answer);
                }
                if *byte != b'\n' {
                    self.line.push(*byte);
                }
            }
        }
        self.end_line(answer);
    }

    /// Shows the line that has not ended.
    pub(super) fn end_line(&mut self, answer: &Mutex<Vec<u8>>) {
        let line = std::mem::take(&mut self.line);
        let line = printable(&String::from_utf8_lossy(&line));
        if line.is_empty() {
            return;
        }
        let answer = answer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut secrets = self.secrets.clone();
        if let Ok(Value::Object(answer)) = serde_json::from_slice(&answer) {
            let status = answer.get("status").and_then(Value::as_object);
            let values =
                ["token", "clientKeyData"].map(|name| status.and_then(|status| status.get(name)?.as_str()));
            secrets.extend(values.into_iter().flatten().map(str::to_owned));
        }
        let line = without(&secrets, &line);
        if let Some(show) = self.show {
            show(&line);
        }
        self.last.push_back(line.chars().take(300).collect());
        if self.last.len() > REPEATED {
            self.last.pop_front();
        }
    }

    /// The last lines for an error: `: ` and the lines, or nothing.
    pub(super) fn last(&self) -> String {
        let lines: Vec<&str> = self.last.iter().map(String::as_str).collect();
        match lines.as_slice() {
            [] => String::new(),
            lines => format!(": {}", lines.join("; ")),
        }
    }
}

/// A text as one line without escape codes.
fn printable(text: &str) -> String {
    let stripped = anstream::adapter::strip_str(text).to_string();
    let spaced: String = stripped
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    spaced.trim().to_owned()
}

/// The same, shortened.
pub(super) fn plain(text: &str) -> String {
    let text: String = printable(text).chars().take(300).collect();
    text.trim().to_owned()
}

/// The line without the secrets, without parts of them, and without words that
/// look like tokens: a plugin may log its token before it answers with it.
fn without(secrets: &[String], line: &str) -> String {
    let characters: Vec<char> = line.chars().collect();
    let mut hidden = vec![false; characters.len()];
    for (start, window) in characters.windows(SLICE).enumerate() {
        let part: String = window.iter().collect();
        if secrets.iter().any(|secret| secret.contains(&part)) {
            hidden
                .iter_mut()
                .skip(start)
                .take(SLICE)
                .for_each(|hidden| *hidden = true);
        }
    }
    for place in after_their_names(&characters) {
        hidden
            .iter_mut()
            .skip(place.start)
            .take(place.len())
            .for_each(|hidden| *hidden = true);
    }
    let mut start = 0;
    for word in line.split_inclusive(|c: char| !is_of_token(c)) {
        let length = word.chars().count();
        let run = word.trim_end_matches(|c: char| !is_of_token(c));
        if looks_like_token(run) && !is_place(&characters, start) {
            hidden
                .iter_mut()
                .skip(start)
                .take(run.chars().count())
                .for_each(|hidden| *hidden = true);
        }
        start += length;
    }
    let mut shown = String::with_capacity(line.len());
    for (character, is_hidden) in characters.iter().zip(&hidden) {
        if !is_hidden {
            shown.push(*character);
        } else if !shown.ends_with(HIDDEN) {
            shown.push_str(HIDDEN);
        }
    }
    shown
}

fn is_of_token(character: char) -> bool {
    character.is_ascii_alphanumeric() || "+/_-.~=".contains(character)
}

/// Whether a word is in a URL or a path. The page to open must stay readable; a
/// token in it, which has three parts, does not.
fn is_place(line: &[char], word: usize) -> bool {
    let before: String = line.iter().take(word).collect();
    let begun = before.rsplit(char::is_whitespace).next().unwrap_or_default();
    let word: String = line
        .iter()
        .skip(word)
        .take_while(|c| !c.is_whitespace())
        .collect();
    let is_place = begun.contains(":/")
        || word.starts_with('/')
        || word.starts_with("./")
        || word.starts_with("~/")
        || (begun.ends_with(':') && word.starts_with("//"));
    is_place && !word.contains("eyJ")
}

fn looks_like_token(word: &str) -> bool {
    let count = |of: fn(&char) -> bool| word.chars().filter(of).count();
    let digits = count(char::is_ascii_digit);
    let (lower, upper) = (count(char::is_ascii_lowercase), count(char::is_ascii_uppercase));
    if word.starts_with("eyJ") {
        return word.len() > SLICE;
    }
    word.len() >= TOKEN
        && !is_code(word)
        && uuid::Uuid::parse_str(word).is_err()
        && lower + upper > 0
        && (word.len() >= 64 || digits * 6 >= word.len() || (digits > 0 && lower > 0 && upper > 0))
}

/// Whether a person is to type it: short groups of capitals and digits.
fn is_code(word: &str) -> bool {
    word.contains('-')
        && word.split('-').all(|group| {
            (1..=6).contains(&group.len())
                && group
                    .chars()
                    .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
        })
}

/// Whether a variable, a flag or a field has a secret, by its name.
fn names_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let parts = [
        "secret",
        "passw",
        "pwd",
        "token",
        "key",
        "credential",
        "assertion",
        "authorization",
    ];
    parts.iter().any(|part| name.contains(part)) || matches!(name.as_str(), "sig" | "bearer" | "basic")
}

/// Where the values are that the word before them names, as in `password=x`, `"token": "x"`
/// or `Bearer x`, and what is between `://` and `@`.
fn after_their_names(line: &[char]) -> Vec<Range<usize>> {
    let is_of_name = |c: &char| c.is_ascii_alphanumeric() || "_-".contains(*c);
    let mut found = Vec::new();
    let mut at = 0;
    while at < line.len() {
        let rest = line.get(at..).unwrap_or_default();
        let name: String = rest.iter().take_while(|c| is_of_name(c)).collect();
        if name.is_empty() {
            if rest.starts_with(&[':', '/', '/']) {
                found.extend(login(line, at + 3));
            }
            at += 1;
            continue;
        }
        at += name.len();
        if names_secret(&name) {
            found.extend(value(line, at, &name));
        }
    }
    found
}

/// The value after a name that ends here.
fn value(line: &[char], end: usize, name: &str) -> Option<Range<usize>> {
    let is_end = |c: &char| c.is_whitespace() || "\"'&,;)".contains(*c);
    let rest = line.get(end..)?;
    let between: String = rest.iter().take_while(|c| " =:\"'".contains(**c)).collect();
    let start = end + between.len();
    let length = line.get(start..)?.iter().take_while(|c| !is_end(c)).count();
    let is_last = line.len() == start + length;
    let is_scheme = matches!(name.to_ascii_lowercase().as_str(), "bearer" | "basic");
    // A sentence goes on after a colon and a space: "cannot get a token: not signed in".
    let is_value = match between.trim_matches(['"', '\'']) {
        " " => is_scheme && length >= SLICE,
        ": " => is_last || between.ends_with(['"', '\'']),
        marks => marks.contains(['=', ':']),
    };
    (is_value && length > 0).then(|| start..start + length)
}

/// The user and the password of a URL whose host would begin here.
fn login(line: &[char], start: usize) -> Option<Range<usize>> {
    let rest = line.get(start..)?.iter();
    let host: String = rest
        .take_while(|c| !c.is_whitespace() && !"/?#".contains(**c))
        .collect();
    let (login, _) = host.rsplit_once('@')?;
    Some(start..start + login.chars().count())
}

#[cfg(test)]
mod tests;
