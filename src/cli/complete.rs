//! The words that could come next on the command line, for kubectl and for
//! the shells.

mod names;

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::Path;

use clap::Command;
use clap_complete::CompletionCandidate;
use clap_complete::engine::complete;
use clap_complete::env::Shells;

use super::program::PROGRAM;
use names::with_names;

pub use names::{Names, Wanted};

/// The name under which kubectl looks for a completer of the plugin `apim`.
const COMPLETER: &str = "kubectl_complete-apim";

/// The hidden command by which the script of that name asks, after kubectl's
/// own.
const REQUEST: &str = "__complete";

/// Directives of kubectl's completion, as bits: no space after the word, and
/// no file names besides the words given.
const NO_SPACE: u8 = 2;
const NO_FILES: u8 = 4;

/// A shell's request for completion.
pub struct Shell<'a> {
    /// The value of the variable `COMPLETION_VARIABLE`.
    pub name: &'a str,
    /// The value of the variable `INDEX_VARIABLE`.
    pub index: Option<&'a str>,
}

/// The answer to a request for completion; `None` when the program was called
/// for something else. `names` is called only for an answer.
pub fn answer(
    arguments: &[OsString],
    shell: Option<&Shell<'_>>,
    names: impl FnOnce() -> Names,
) -> Option<String> {
    let (program, words) = arguments.split_first()?;
    match (shell, words) {
        (Some(shell), [escape, line @ ..]) if escape == "--" => for_shell(shell, line, names),
        _ => for_kubectl(program, words, names),
    }
}

fn for_shell(request: &Shell<'_>, line: &[OsString], names: impl FnOnce() -> Names) -> Option<String> {
    let shells = Shells::builtins();
    let shell = shells.completer(request.name)?;
    let mut answer = Vec::new();
    // What follows the cursor may become anything.
    let index = request.index.and_then(|index| index.parse::<usize>().ok());
    let line = index.and_then(|index| line.get(..=index)).unwrap_or(line);
    if !line.is_empty() {
        let is_bash = request.name == "bash";
        let words = if is_bash { joined(line) } else { line.to_vec() };
        let mut command = with_names(command(line), &words, &names());
        // A line that cannot be completed has no candidates: no error can be shown
        // while somebody types.
        let _ = shell.write_complete(&mut command, line.to_vec(), Some(Path::new(".")), &mut answer);
    }
    Some(String::from_utf8_lossy(&answer).into_owned())
}

/// The words of a line that bash has split at `=` and `:` too.
fn joined(line: &[OsString]) -> Vec<OsString> {
    let is_mark = |word: &OsString| word == "=" || word == ":";
    let mut words: Vec<OsString> = Vec::with_capacity(line.len());
    let mut continues = false;
    for word in line {
        match words.last_mut() {
            Some(last) if continues || is_mark(word) => last.push(word),
            _ => words.push(word.clone()),
        }
        continues = is_mark(word);
    }
    words
}

/// For kubectl each line is a word and, after a tab, what it means; the last
/// line is the directive.
fn for_kubectl(program: &OsStr, words: &[OsString], names: impl FnOnce() -> Names) -> Option<String> {
    let words = if Path::new(program).file_stem()? == COMPLETER {
        words
    } else {
        let (request, words) = words.split_first()?;
        if request != REQUEST {
            return None;
        }
        words
    };
    let candidates = candidates(words, &names());
    let mut directive = NO_FILES;
    if candidates.iter().any(is_directory) {
        directive |= NO_SPACE;
    }
    let mut text: String = candidates.iter().map(line).collect();
    // Writing to a String cannot fail.
    let _ = writeln!(text, ":{directive}");
    Some(text)
}

fn candidates(words: &[OsString], names: &Names) -> Vec<CompletionCandidate> {
    let mut line = vec![OsString::from(PROGRAM)];
    line.extend_from_slice(words);
    if words.is_empty() {
        line.push(OsString::new());
    }
    let typed_dash = line
        .last()
        .is_some_and(|word| word.to_string_lossy().starts_with('-'));
    let index = line.len() - 1;
    let mut command = with_names(command(&line), &line, names);
    let mut found = complete(&mut command, line, index, Some(Path::new("."))).unwrap_or_default();
    // As in kubectl, flags are offered once a dash is typed.
    found.retain(|candidate| typed_dash || !candidate.get_value().to_string_lossy().starts_with('-'));
    found
}

fn command(line: &[OsString]) -> Command {
    super::command(PROGRAM, line, &|_| None)
}

fn line(candidate: &CompletionCandidate) -> String {
    let word = candidate.get_value().to_string_lossy();
    match candidate.get_help().map(ToString::to_string) {
        Some(help) => format!("{word}\t{}\n", help.lines().next().unwrap_or_default()),
        None => format!("{word}\n"),
    }
}

fn is_directory(candidate: &CompletionCandidate) -> bool {
    candidate.get_value().to_string_lossy().ends_with('/')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn ask(line: &[&str]) -> Option<String> {
        ask_for(None, line)
    }

    fn ask_for(shell: Option<&str>, line: &[&str]) -> Option<String> {
        let line: Vec<OsString> = line.iter().map(OsString::from).collect();
        let shell = shell.map(|name| Shell { name, index: None });
        answer(&line, shell.as_ref(), || Arc::new(|_, _| Vec::new()))
    }

    #[test]
    fn only_a_request_is_answered() {
        assert_eq!(ask(&["kubectl-apim"]), None);
        assert_eq!(ask(&["kubectl-apim", "rotate", "__complete"]), None);
        assert_eq!(ask(&["kubectl-apim", "--", "kubectl-apim", ""]), None);
        assert!(ask(&["/x/kubectl-apim", "__complete", ""]).is_some());
        assert!(ask(&["/x/kubectl_complete-apim", ""]).is_some());

        let fish = |line: &[&str]| ask_for(Some("fish"), line);
        assert_eq!(fish(&["kubectl-apim"]), None);
        assert_eq!(fish(&["kubectl-apim", "rotate", "--"]), None);
        assert_eq!(fish(&["kubectl-apim", "--"]).as_deref(), Some(""));
        assert_eq!(
            ask_for(Some("no-shell"), &["kubectl-apim", "--", "kubectl-apim", ""]),
            None
        );
    }

    #[test]
    fn words_that_bash_has_split_are_joined() {
        let words: Vec<OsString> = "rotate --context = arn : aws -t"
            .split(' ')
            .map(OsString::from)
            .collect();
        assert_eq!(joined(&words), ["rotate", "--context=arn:aws", "-t"]);
    }

    #[test]
    fn commands_flags_and_values() {
        let commands = ask(&["kubectl_complete-apim", ""]).unwrap();
        assert!(commands.starts_with("rotate\tMint a new token"), "{commands}");
        assert!(!commands.contains("--"), "{commands}");
        let flags = ask(&["kubectl_complete-apim", "rotate", "--token-"]).unwrap();
        let words: Vec<&str> = flags.lines().filter_map(|line| line.split('\t').next()).collect();
        assert_eq!(words, ["--token-secret", "--token-key", ":4"]);
        let values = ask(&["kubectl_complete-apim", "rotate", "-k", "p"]).unwrap();
        assert!(values.starts_with("primary"), "{values}");
    }

    #[test]
    fn a_line_that_makes_no_sense_is_answered_all_the_same() {
        for line in [
            &["no-such", "x", ""][..],
            &["rotate", "--", "--", "-"],
            &["--", "\u{fffd}"],
        ] {
            let words: Vec<&str> = [COMPLETER].iter().chain(line).copied().collect();
            let text = ask(&words).unwrap();
            assert!(text.ends_with(":4\n"), "{words:?}: {text}");
            let words: Vec<&str> = ["kubectl-apim", "--"].iter().chain(line).copied().collect();
            for shell in ["bash", "zsh", "fish", "powershell"] {
                assert!(ask_for(Some(shell), &words).is_some(), "{shell}: {words:?}");
            }
        }
    }
}
