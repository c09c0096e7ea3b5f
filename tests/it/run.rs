//! One run of the binary, and what every run is held to: it shows no part of
//! a secret.

use std::collections::BTreeSet;
use std::process::{Output, Stdio};

use apim_sandbox::wire::Wire;
use kube::api::ListParams;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::case::{Case, LIMIT};

/// A run about to be started.
#[must_use]
pub(crate) struct Run<'a> {
    case: &'a Case,
    command: Command,
    input: Option<String>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(case: &'a Case, command: Command) -> Self {
        Self {
            case,
            command,
            input: None,
        }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sends its requests to one of the servers over a wire.
    pub(crate) fn through(self, wire: &Wire) -> Self {
        let (name, value) = wire.variable();
        self.env(name, value)
    }

    pub(crate) fn envs(mut self, variables: &[(&str, &str)]) -> Self {
        self.command.envs(variables.iter().copied());
        self
    }

    pub(crate) fn without(mut self, names: &[&str]) -> Self {
        for name in names {
            self.command.env_remove(name);
        }
        self
    }

    /// What the run reads from stdin, which is empty otherwise.
    pub(crate) fn input(mut self, text: &str) -> Self {
        self.input = Some(text.to_owned());
        self
    }

    pub(crate) fn command(self) -> Command {
        self.command
    }

    /// Starts it and goes on.
    pub(crate) async fn start(mut self) -> Running<'a> {
        let stdin = if self.input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        };
        let mut child = self
            .command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), self.input) {
            stdin.write_all(input.as_bytes()).await.unwrap();
        }
        Running {
            case: self.case,
            stdout: BufReader::new(child.stdout.take().unwrap()),
            read: String::new(),
            child,
        }
    }

    /// Runs to the end and expects an exit code.
    pub(crate) async fn exits(self, code: i32) -> Ended {
        self.start().await.ends(code).await
    }
}

/// A run that has been started.
#[must_use]
pub(crate) struct Running<'a> {
    case: &'a Case,
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// What was read of stdout so far.
    read: String,
}

impl Running<'_> {
    /// Sends a signal, by its name without `SIG`.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.child.id().expect("the process has ended").to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status().await;
        assert!(status.unwrap().success());
    }

    /// The next line that it prints, as soon as it is there.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = timeout(LIMIT, self.stdout.read_line(&mut line)).await;
        let read = read.unwrap_or_else(|_| panic!("no further line after\n{}", self.read));
        assert!(read.unwrap() > 0, "stdout was closed after\n{}", self.read);
        self.read += &line;
        line
    }

    /// Goes away as a reader of stdout, as `head` does, and waits for the end.
    pub(crate) async fn unread(self) -> Option<i32> {
        let Self {
            mut child, stdout, ..
        } = self;
        drop(stdout);
        timeout(LIMIT, child.wait()).await.unwrap().unwrap().code()
    }

    /// Waits for the end, whatever it is.
    pub(crate) async fn ended(mut self) -> Ended {
        // Neither stream may fill up while the other is read.
        let mut rest = Vec::new();
        let (output, read) = tokio::join!(self.child.wait_with_output(), self.stdout.read_to_end(&mut rest));
        read.unwrap();
        let mut ended = Ended::from(output.unwrap());
        ended.stdout = self.read + &text(&rest);
        let shown = format!("{}{}", ended.stdout, ended.stderr);
        self.case.shows_no_secret(&shown).await;
        self.case.keeps_the_rules(&shown).await;
        ended
    }

    /// Waits for the end and expects an exit code.
    pub(crate) async fn ends(self, code: i32) -> Ended {
        let case = self.case;
        let ended = self.ended().await;
        if ended.code == Some(code) {
            return ended;
        }
        let Ended {
            code: other,
            stdout,
            stderr,
        } = ended;
        let state = case.state().await;
        panic!("exit code {other:?}, not {code}\n{stdout}\n{stderr}\n{state}");
    }
}

impl Case {
    /// From now on no run may show a slice of this secret.
    pub(crate) fn hides(&self, secret: &str) {
        // Of a token only the signature is secret.
        let part = secret.rsplit('&').next().unwrap_or_default().to_owned();
        self.secrets_met().insert(part);
    }

    /// No run may show any part of a credential of its test.
    pub(crate) async fn shows_no_secret(&self, shown: &str) {
        self.hides(&self.principal.client_secret);
        for secret in self.secrets().list(&ListParams::default()).await.unwrap() {
            for bytes in secret.data.unwrap_or_default().into_values() {
                self.hides(&text(&bytes.0));
            }
        }
        // So begins every access token of Entra, whose form is JSON in Base64.
        assert!(!shown.contains("eyJ"), "an access token is shown");
        let secrets: BTreeSet<String> = self.secrets_met().clone();
        for secret in secrets.iter().filter(|secret| secret.len() >= 8) {
            for slice in (0..=secret.len() - 8).filter_map(|at| secret.get(at..at + 8)) {
                assert!(!shown.contains(slice), "a slice of a secret is shown");
            }
        }
    }
}

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    /// Expects all these texts among the messages.
    #[track_caller]
    pub(crate) fn says(&self, texts: &[&str]) {
        for text in texts {
            assert!(
                self.stderr.contains(text),
                "`{text}` is missing in:\n{}",
                self.stderr
            );
        }
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
