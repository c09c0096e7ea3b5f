//! Colors are for terminals and for those who ask for them, in the log as well.

use std::process::Command;

/// Asks a server that does not answer, and logs each request.
const LINE: &str = "status -v=6 --server=https://127.0.0.1:1 --token=none --request-timeout=1s";

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-apim"));
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .args(LINE.split(' '));
    command
}

/// Both streams of the same line on a terminal, with these words and variables.
fn on_a_terminal(words: &str, variables: &[(&str, &str)]) -> String {
    let line = format!("'{}' {LINE} {words}", env!("CARGO_BIN_EXE_kubectl-apim"));
    let output = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn is_colored(text: &str) -> bool {
    assert!(text.contains("DEBUG"), "the log is missing: {text}");
    assert!(text.contains("error:"), "the error is missing: {text}");
    text.contains('\u{1b}')
}

#[test]
fn a_log_in_a_file_has_no_colors() {
    let stderr = |command: &mut Command| String::from_utf8(command.output().unwrap().stderr).unwrap();
    assert!(!is_colored(&stderr(&mut program())));
    assert!(!is_colored(&stderr(program().env("TERM", "xterm"))));
    assert!(!is_colored(&stderr(
        program().arg("--color=never").env("CLICOLOR_FORCE", "1")
    )));
    assert!(is_colored(&stderr(program().arg("--color=always"))));
}

#[test]
fn a_log_on_a_terminal_has_colors_unless_they_are_turned_off() {
    assert!(is_colored(&on_a_terminal("", &[("TERM", "xterm")])));
    assert!(!is_colored(&on_a_terminal("--color=never", &[("TERM", "xterm")])));
    assert!(!is_colored(&on_a_terminal("", &[("TERM", "dumb")])));
    assert!(!is_colored(&on_a_terminal(
        "",
        &[("TERM", "xterm"), ("NO_COLOR", "1")]
    )));
}
