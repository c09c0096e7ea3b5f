//! The words that could come next on the command line, for kubectl. Nothing
//! is asked of a cluster or of Azure.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;

use clap_complete::CompletionCandidate;
use clap_complete::engine::complete;

/// The name under which kubectl looks for a completer of the plugin `apim`.
const COMPLETER: &str = "kubectl_complete-apim";

/// The hidden command by which the script of that name asks, after kubectl's
/// own.
const REQUEST: &str = "__complete";

/// Directives of kubectl's completion, as bits: no space after the word, and
/// no file names besides the words given.
const NO_SPACE: u8 = 2;
const NO_FILES: u8 = 4;

/// The answer to a request for completion; `None` when the program was called
/// for something else. Each line is a word and, after a tab, what it means;
/// the last line is the directive.
pub fn answer(arguments: &[OsString]) -> Option<String> {
    let (program, words) = arguments.split_first()?;
    let file = Path::new(program).file_stem()?;
    let words = if file == COMPLETER {
        words
    } else {
        let (request, words) = words.split_first()?;
        if request != REQUEST {
            return None;
        }
        words
    };
    let candidates = candidates(words);
    let mut directive = NO_FILES;
    if candidates.iter().any(is_directory) {
        directive |= NO_SPACE;
    }
    let mut text: String = candidates.iter().map(line).collect();
    // Writing to a String cannot fail.
    let _ = writeln!(text, ":{directive}");
    Some(text)
}

fn candidates(words: &[OsString]) -> Vec<CompletionCandidate> {
    let mut line = vec![OsString::from("kubectl-apim")];
    line.extend_from_slice(words);
    if words.is_empty() {
        line.push(OsString::new());
    }
    let typed_dash = line
        .last()
        .is_some_and(|word| word.to_string_lossy().starts_with('-'));
    let index = line.len() - 1;
    let mut command = super::command("kubectl-apim", &line, &|_| false);
    // A line that cannot be completed has no candidates; there is nobody to
    // complain to in the middle of typing.
    let mut found = complete(&mut command, line, index, Some(Path::new("."))).unwrap_or_default();
    // As kubectl does: flags are offered to whoever begins to type one.
    found.retain(|candidate| typed_dash || !candidate.get_value().to_string_lossy().starts_with('-'));
    found
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
    use super::*;

    fn ask(line: &[&str]) -> Option<String> {
        answer(&line.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn only_a_request_is_answered() {
        assert_eq!(ask(&["kubectl-apim"]), None);
        assert_eq!(ask(&["kubectl-apim", "rotate", "__complete"]), None);
        assert!(ask(&["/x/kubectl-apim", "__complete", ""]).is_some());
        assert!(ask(&["/x/kubectl_complete-apim", ""]).is_some());
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
        }
    }
}
