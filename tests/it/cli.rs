//! Help and completion, without a cluster and without a login.
//! The transcripts are in `tests/cmd`.

use std::path::Path;
use std::process::{Command, Output};

const BINARY: &str = env!("CARGO_BIN_EXE_kubectl-apim");

#[test]
fn transcripts() {
    trycmd::TestCases::new()
        .register_bin("kubectl-apim", Path::new(BINARY))
        .env("COLUMNS", "100")
        .case("tests/cmd/*.md");
}

/// Runs with an environment that holds nothing.
fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(BINARY).args(arguments).env_clear().output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn help_is_data_and_a_wrong_command_line_is_not() {
    let (code, bare, complaint) = run(&[]);
    assert_eq!((code, complaint.as_str()), (Some(0), ""));
    let (code, asked, complaint) = run(&["-h"]);
    assert_eq!((code, complaint.as_str()), (Some(0), ""));
    assert_eq!(bare, asked);
    assert!(bare.contains("Usage: kubectl apim"), "{bare}");
    let (code, data, complaint) = run(&["rotate", "--token-sekret", "x"]);
    assert_eq!((code, data.as_str()), (Some(2), ""));
    assert!(complaint.contains("--token-secret"), "{complaint}");
}

/// All of it is on a terminal of the usual size, and what most people look for
/// comes first.
#[test]
fn the_short_help_fits_a_terminal() {
    for words in [
        &[][..],
        &["rotate"],
        &["status"],
        &["install-cronjob"],
        &["uninstall-cronjob"],
        &["entra"],
        &["entra", "setup"],
        &["render-rbac"],
        &["completion"],
        &["version"],
    ] {
        let output = Command::new(BINARY)
            .args(words)
            .arg("-h")
            .env_clear()
            .env("COLUMNS", "80")
            .output();
        let help = String::from_utf8(output.unwrap().stdout).unwrap();
        assert!(help.lines().count() <= 30, "{words:?}:\n{help}");
        assert!(help.lines().all(|line| line.len() <= 80), "{words:?}:\n{help}");
        assert!(help.contains("(see more with '--help')"), "{words:?}:\n{help}");
        let (examples, usage) = (help.find("Examples:"), help.find("Usage:"));
        assert!(examples < usage, "{words:?}:\n{help}");
    }
}

#[test]
fn help_is_a_command_too() {
    for (words, flags) in [
        (&["help"][..], &["--help"][..]),
        (&["help", "rotate"], &["rotate", "--help"]),
        (&["help", "completion", "bash"], &["completion", "bash", "--help"]),
    ] {
        assert_eq!(run(words), run(flags));
        assert_eq!(run(words).0, Some(0));
    }
    assert_eq!(run(&["help", "rotat"]).0, Some(2));
}

#[test]
fn the_version_is_that_of_the_package() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(run(&["version"]).1, format!("{version}\n"));
    assert_eq!(run(&["--version"]).1, format!("kubectl apim {version}\n"));
    let json: serde_json::Value = serde_json::from_str(&run(&["version", "-o", "json"]).1).unwrap();
    assert_eq!(json["version"], version);
}
