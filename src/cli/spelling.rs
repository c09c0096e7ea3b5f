//! Flags and commands as people write them for other tools, in the form that clap takes.
//! clap lets a value that may be left out follow after `=` only.

use std::ffi::OsString;

use clap::ValueEnum;
use clap::error::{ContextKind, ContextValue};

use crate::model::request::DryRun;

/// The words of a line with `-v 6`, `-v6`, `--v=6`, `--dry-run client` and
/// `--insecure-skip-tls-verify=true` written out.
pub(super) fn written_out(line: &[OsString]) -> Vec<OsString> {
    let mut words = line.iter().peekable();
    let mut written = Vec::with_capacity(line.len());
    while let Some(word) = words.next() {
        let text = word.to_str().unwrap_or_default();
        if text == "--" {
            written.push(word.clone());
            written.extend(words.cloned());
            break;
        }
        // Not to be given is what `false` means for kubectl.
        match text {
            "--insecure-skip-tls-verify=false" => continue,
            "--insecure-skip-tls-verify=true" => {
                written.push("--insecure-skip-tls-verify".into());
                continue;
            }
            _ => {}
        }
        let next = words.peek().and_then(|next| next.to_str()).unwrap_or_default();
        let flag = match text {
            "-v" | "--v" | "--verbose" if is_number(next) => format!("--verbose={next}"),
            "--dry-run" if DryRun::from_str(next, false).is_ok() => format!("--dry-run={next}"),
            _ => {
                written.push(verbosity(text).map_or_else(|| word.clone(), OsString::from));
                continue;
            }
        };
        words.next();
        written.push(flag.into());
    }
    written
}

/// A level in one word that clap does not take: `-v6`, `--v=6`, `--v`.
fn verbosity(word: &str) -> Option<String> {
    let attached = word.strip_prefix("-v").filter(|level| is_number(level));
    let level = attached.or_else(|| word.strip_prefix("--v="));
    match level {
        Some(level) => Some(format!("--verbose={level}")),
        None => (word == "--v").then(|| "--verbose".to_owned()),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The command that other tools have this word for.
pub(super) fn meant(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else {
        return None;
    };
    let command = match word.as_str() {
        "renew" | "refresh" | "cycle" => "rotate",
        "get" | "list" | "ls" | "describe" | "show" | "check" => "status",
        "install" | "schedule" | "cronjob" => "install-cronjob",
        "uninstall" | "remove" | "delete" => "uninstall-cronjob",
        "setup" | "workload-identity" => "entra setup",
        "rbac" | "rights" => "render-rbac",
        _ => return None,
    };
    Some(format!("use `kubectl apim {command}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(line: &str) -> String {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let words: Vec<String> = written_out(&words)
            .into_iter()
            .map(|word| word.into_string().unwrap())
            .collect();
        words.join(" ")
    }

    #[test]
    fn flags_of_kubectl_are_written_out() {
        for line in [
            "apim status -v 6",
            "apim status -v6",
            "apim status --v=6",
            "apim status --v 6",
            "apim status --verbose 6",
        ] {
            assert_eq!(written(line), "apim status --verbose=6", "{line}");
        }
        assert_eq!(
            written("apim rotate --dry-run client"),
            "apim rotate --dry-run=client"
        );
        assert_eq!(
            written("apim rotate --dry-run server gw"),
            "apim rotate --dry-run=server gw"
        );
    }

    #[test]
    fn a_flag_with_false_is_left_out() {
        let line = |value: &str| written(&format!("apim --insecure-skip-tls-verify={value} status"));
        assert_eq!(line("false"), "apim status");
        assert_eq!(line("true"), "apim --insecure-skip-tls-verify status");
    }

    #[test]
    fn other_words_stay() {
        for line in [
            "apim -v rotate",
            "apim rotate -v=6 -owide",
            "apim rotate --dry-run gw",
            "apim rotate --dry-run=server",
            "apim rotate -- -v 6",
            "apim rotate --verbose=2 6",
            "apim version",
        ] {
            assert_eq!(written(line), line);
        }
    }
}
