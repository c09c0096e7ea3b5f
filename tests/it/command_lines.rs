//! Every command line of `kubectl apim` in the documents is one that the
//! program takes. A shell runs it against a cluster that does not answer, so
//! that whatever is wrong with the line itself ends in exit code 2 before.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::documents::{Document, Part, for_users};

/// The shell finds nothing but these: kubectl, which passes the plugin's words
/// on to it and records its exit code, and the script's name.
const KUBECTL: &str = "#!/bin/sh
[ \"$1\" = apim ] || exit 0
shift
\"$LINKS/kubectl-apim\" \"$@\" $MORE
code=$?
echo \"$code\" >> \"$LOG\"
exit $code
";
const SCRIPT: &str = "#!/bin/sh
exec \"$LINKS/apim-shg-rotate\" \"$@\"
";

const KUBECONFIG: &str = r#"{
  "apiVersion": "v1", "kind": "Config", "current-context": "prod",
  "clusters": [{"name": "dead", "cluster": {"server": "https://127.0.0.1:1"}}],
  "users": [{"name": "nobody", "user": {"token": "none"}}],
  "contexts": [
    {"name": "prod", "context": {"cluster": "dead", "user": "nobody", "namespace": "apim"}},
    {"name": "prod-eu", "context": {"cluster": "dead", "user": "nobody"}},
    {"name": "dr", "context": {"cluster": "dead", "user": "nobody"}}
  ]
}"#;

/// The files that the command lines name, and what they must hold to be read.
const FILES: [(&str, &str); 3] = [
    (
        "gateways.txt",
        "shop deployment/orders /subscriptions/s/resourceGroups/r/providers/Microsoft.ApiManagement/service/c/gateways/g",
    ),
    ("secret.txt", "secret"),
    ("FILE", "secret"),
];

/// A placeholder must have the form of a real id to be parsed.
const PLACEHOLDERS: [(&str, &str); 5] = [
    ("-s SUBSCRIPTION ", "-s 11111111-2222-3333-4444-555555555555 "),
    ("-s ID ", "-s 11111111-2222-3333-4444-555555555555 "),
    ("--app CLIENT-ID", "--app 99999999-8888-7777-6666-555555555555"),
    (
        "--client-id ID",
        "--client-id 99999999-8888-7777-6666-555555555555",
    ),
    (" -c ID ", " -c 99999999-8888-7777-6666-555555555555 "),
];

struct Shell {
    scratch: tempfile::TempDir,
}

impl Shell {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path();
        for folder in ["bin", "links", "work", ".cargo/bin", ".local/bin"] {
            fs::create_dir_all(path.join(folder)).unwrap();
        }
        for (name, text) in [("kubectl", KUBECTL), ("apim-shg-rotate", SCRIPT)] {
            let file = path.join("bin").join(name);
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        for name in ["kubectl-apim", "apim-shg-rotate"] {
            let link = path.join("links").join(name);
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kubectl-apim"), link).unwrap();
        }
        fs::write(path.join("kubeconfig"), KUBECONFIG).unwrap();
        Self { scratch }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// What is wrong with a command line, if anything is.
    fn fault(&self, line: &str, more: &str) -> Option<String> {
        let log = self.file("log");
        fs::write(&log, "").unwrap();
        // Some lines write them.
        for (name, text) in FILES {
            fs::write(self.file("work").join(name), text).unwrap();
        }
        let output = Command::new("/bin/sh")
            .args(["-c", line])
            .env_clear()
            .env("PATH", self.file("bin"))
            .env("HOME", self.scratch.path())
            .env("KUBECONFIG", self.file("kubeconfig"))
            .env("LINKS", self.file("links"))
            .env("LOG", &log)
            .env("MORE", more)
            .current_dir(self.file("work"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        let codes = fs::read_to_string(&log).unwrap();
        let codes: Vec<&str> = codes.lines().collect();
        let expected = line.matches("kubectl apim").count();
        if codes.len() != expected {
            return Some(format!(
                "{} of {expected} commands were run: {stderr}",
                codes.len()
            ));
        }
        // The script has one exit code for everything.
        let is_refused = codes.contains(&"2") || stderr.contains("apim-shg-rotate --help");
        is_refused.then(|| stderr.into_owned())
    }
}

/// The command lines in the blocks of a document.
fn lines(document: &Document) -> Vec<String> {
    let mut lines = document.commands();
    for part in document.parts() {
        if let Part::Block(language, content) = part
            && language != "console"
        {
            let content = content.replace("\\\n", " ");
            lines.extend(content.lines().map(|line| line.trim_start().to_owned()));
        }
    }
    // Every command can take these, so what shows them is no example of them.
    lines.retain(|line| !line.contains("[OPTIONS]"));
    lines.retain(|line| line.contains("kubectl apim ") || line.starts_with("apim-shg-rotate"));
    lines
}

/// What the reader of an example has, and this test has not: a terminal to be asked on, where the cluster may name the
/// gateway.
fn more(line: &str) -> &'static str {
    if line.contains(" --fix") {
        return "--help";
    }
    match (line.contains("apim entra setup"), line.contains(" -g ")) {
        (false, _) => "",
        (true, true) => "--yes",
        (true, false) => "-s 11111111-2222-3333-4444-555555555555 -r r -a a -g g --yes",
    }
}

/// The command lines that are part of a sentence.
fn mentions(document: &Document) -> Vec<String> {
    let mut mentions = Vec::new();
    for (_, line) in document.prose() {
        let spans = line.split('`').skip(1).step_by(2);
        mentions.extend(
            spans
                .filter(|span| span.starts_with("kubectl apim "))
                // In a table a pipe would end the cell.
                .map(|span| span.replace("\\|", "|")),
        );
    }
    mentions
}

#[test]
fn every_command_line_is_taken() {
    let shell = Shell::new();
    let (mut faults, mut count) = (Vec::new(), 0);
    for document in for_users() {
        let shown = lines(&document).into_iter().map(|line| {
            let filled = |line: String, (word, id): &(&str, &str)| line.replace(word, id);
            let line = PLACEHOLDERS.iter().fold(line, filled);
            let more = more(&line);
            (line, more)
        });
        // In a sentence a value may be left out, so only what is there is read.
        let mentioned = mentions(&document).into_iter().map(|line| (line, "--help"));
        for (line, more) in shown.chain(mentioned) {
            count += 1;
            let fault = shell.fault(&line, more);
            faults.extend(fault.map(|fault| format!("{}: {line}\n{fault}", document.path.display())));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(count > 100, "only {count} command lines were found");
}

#[test]
fn a_wrong_command_line_is_found() {
    let shell = Shell::new();
    for (line, more) in [
        ("kubectl apim rotate --no-such-flag", ""),
        ("kubectl apim status -w --fail-within 10d", ""),
        ("kubectl apim rotate -k tertiary | jq .", ""),
        ("kubectl apim rotate --no-restart --prove logs", ""),
        ("kubectl apim rotate --gateways no-such-file -A", ""),
        ("kubectl apim statuss", "--help"),
        ("kubectl apim rotate --no-such-flag", "--help"),
        ("apim-shg-rotate --no-such-flag", ""),
        ("no-such-command && kubectl apim status", ""),
    ] {
        assert!(shell.fault(line, more).is_some(), "{line}");
    }
    assert_eq!(shell.fault("kubectl apim rotate --dry-run | jq '.[]'", ""), None);
}
