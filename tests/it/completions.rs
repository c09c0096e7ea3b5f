//! The completion scripts in `completions/`, and what kubectl and the shells
//! make of the program's answers.

mod names;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::documents::is_current;

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
    for (shell, file) in FILES {
        let fresh = stdout(Command::new(binary()).args(["completion", shell]).env_clear());
        is_current(&format!("completions/{file}"), &fresh, "completions");
    }
}

/// Asks kubectl as a shell does, with the wrapper script on the PATH.
fn kubectl(words: &[&str]) -> String {
    let home = tempfile::tempdir().unwrap();
    stdout(
        Command::new("kubectl")
            .arg("__complete")
            .args(words)
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", path()),
    )
}

/// With the wrapper script and the program on it.
fn path() -> String {
    format!(
        "{}:{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        directory().display(),
        binary().parent().unwrap().display()
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
            "entra",
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

/// Asks bash as a press of the tab key does, in a folder with the files `ca.pem` and `certs/key.pem`. The first word
/// of the answer is `nospace` where no space may follow.
fn bash(words: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("certs")).unwrap();
    for file in ["ca.pem", "certs/key.pem"] {
        std::fs::write(folder.path().join(file), "").unwrap();
    }
    // compopt works in a real completion alone.
    let script = r#"
        source "$SCRIPTS/kubectl-apim.bash"
        [[ "$(complete -p kubectl-apim)" =~ -F\ ([^ ]+)\ kubectl-apim$ ]] || exit 3
        compopt() { [ "$1" = +o ] || COMPREPLY=(nospace "${COMPREPLY[@]}"); }
        COMP_WORDS=(kubectl-apim "$@") COMP_CWORD=$# COMP_TYPE=9
        "${BASH_REMATCH[1]}" kubectl-apim "${@: -1}" "${@: -2:1}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let answer = stdout(
        Command::new("bash")
            .args(["--norc", "-c", script, "bash"])
            .args(words)
            .env_clear()
            .env("PATH", path())
            .env("SCRIPTS", directory())
            .current_dir(folder.path()),
    );
    answer.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_flags_values_and_files() {
    let commands = bash(&[""]);
    assert_eq!(commands[..2], ["rotate", "status"]);
    assert_eq!(bash(&["rot"]), ["rotate"]);
    assert_eq!(
        bash(&["--context", "x", "rotate", "--token-s"]),
        ["--token-secret"]
    );
    assert_eq!(
        bash(&["rotate", "--token-key", ""]),
        ["last", "rotate", "primary", "secondary"]
    );
    assert_eq!(bash(&["status", "-o", "pro"]), ["prometheus"]);
    let file = ["rotate", "--azure-ca-file", "c"];
    assert_eq!(bash(&file), ["ca.pem", "certs/"]);
    assert_eq!(bash(&[&file[..2], &["ce"]].concat()), ["nospace", "certs/"]);
    assert_eq!(bash(&[&file[..2], &["certs/"]].concat()), ["certs/key.pem"]);
}

/// What the script of a shell asks, and the answer.
fn asked(shell: &str, variables: &[(&str, &str)], words: &[&str]) -> String {
    stdout(
        Command::new(binary())
            .args(["--", "kubectl-apim"])
            .args(words)
            .env_clear()
            .env("KUBECTL_APIM_COMPLETE", shell)
            .envs(variables.iter().copied()),
    )
}

#[test]
fn the_other_shells_are_answered() {
    let keys = ["rotate", "--token-key", "s"];
    let zsh = [("_CLAP_COMPLETE_INDEX", "3"), ("_CLAP_IFS", "\n")];
    assert_eq!(asked("zsh", &zsh, &keys), "secondary:The secondary key");
    for shell in ["fish", "powershell"] {
        assert_eq!(
            asked(shell, &[], &keys),
            "secondary\tThe secondary key\n",
            "{shell}"
        );
    }
    for (shell, file) in FILES.iter().take(4) {
        let script = std::fs::read_to_string(directory().join(file)).unwrap();
        let request = "KUBECTL_APIM_COMPLETE";
        assert!(
            script.contains(request) && script.contains("kubectl-apim"),
            "{shell}: {script}"
        );
        assert!(
            script.lines().count() < 50,
            "{shell}: flags belong into no script"
        );
    }
}
