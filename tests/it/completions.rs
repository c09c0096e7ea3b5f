//! The completion scripts in `completions/`, and what kubectl itself makes of
//! the plugin's answers.

use std::path::{Path, PathBuf};
use std::process::Command;

const FILES: [(&str, &str); 5] = [
    ("bash", "kubectl-apim.bash"),
    ("zsh", "_kubectl-apim"),
    ("fish", "kubectl-apim.fish"),
    ("powershell", "_kubectl-apim.ps1"),
    ("kubectl", "kubectl_complete-apim"),
];

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("completions")
}

fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_kubectl-apim"))
}

fn stdout(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_scripts_are_fresh() {
    #[expect(clippy::disallowed_methods, reason = "the switch for writing them again")]
    let update = std::env::var_os("UPDATE").is_some();
    for (shell, file) in FILES {
        let path = directory().join(file);
        let fresh = stdout(Command::new(binary()).args(["completion", shell]).env_clear());
        if update {
            std::fs::write(&path, &fresh).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == fresh,
            "completions/{file} is stale; write it again with: UPDATE=1 cargo test --test it completions"
        );
    }
}

/// Asks kubectl as a shell does, with the wrapper script on the PATH.
fn kubectl(words: &[&str]) -> String {
    let home = tempfile::tempdir().unwrap();
    let path = format!(
        "{}:{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        directory().display(),
        binary().parent().unwrap().display()
    );
    stdout(
        Command::new("kubectl")
            .arg("__complete")
            .args(words)
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", path),
    )
}

#[test]
fn kubectl_completes_commands() {
    let answer = kubectl(&["apim", ""]);
    let words: Vec<&str> = answer
        .lines()
        .map(|line| line.split('\t').next().unwrap())
        .collect();
    assert_eq!(
        words,
        [
            "rotate",
            "status",
            "install-cronjob",
            "uninstall-cronjob",
            "render-rbac",
            "completion",
            "version",
            ":4"
        ],
        "{answer}"
    );
    assert!(
        answer.contains("version\tPrint the version\n"),
        "a word comes with what it means: {answer}"
    );
}

#[test]
fn kubectl_completes_flags_and_their_values() {
    let flags = kubectl(&["apim", "rotate", "--to"]);
    for flag in ["--token-key\t", "--token-secret\t", "--token\t"] {
        assert!(flags.contains(flag), "{flag}: {flags}");
    }
    let values = kubectl(&["apim", "rotate", "--token-key", ""]);
    let words: Vec<&str> = values
        .lines()
        .map(|line| line.split('\t').next().unwrap())
        .collect();
    assert_eq!(
        words,
        ["last", "rotate", "primary", "secondary", ":4"],
        "{values}"
    );
}

#[test]
fn the_binary_completes_under_the_name_that_kubectl_calls() {
    let scratch = tempfile::tempdir().unwrap();
    let link = scratch.path().join("kubectl_complete-apim");
    std::os::unix::fs::symlink(binary(), &link).unwrap();
    let answer = stdout(Command::new(&link).args(["rotate", "--auth", "az"]).env_clear());
    assert!(answer.starts_with("azure-cli\t"), "{answer}");
    assert!(answer.ends_with("\n:4\n"), "{answer}");
}
