//! The binary on a terminal of its own, where it is asked and answered.

use std::time::{Duration, Instant};

use apim_sandbox::azure::Action;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::case::{Case, LIMIT};
use crate::run::text;

/// How soon a run must end after a signal.
const PROMPTLY: Duration = Duration::from_secs(2);

/// What a user may do while a question is on the screen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    Nothing,
    Types(&'static str),
    /// Sends a signal, by its name without `SIG`.
    Signals(&'static str),
}

/// All answers that mean no, each with what the program says then.
pub(crate) const REFUSALS: [(Answer, &str); 9] = [
    (Answer::Types("n\n"), NOT_CONFIRMED),
    (Answer::Types("\n"), NOT_CONFIRMED),
    (Answer::Types("yellow\n"), NOT_CONFIRMED),
    // Ctrl-D, alone and after a letter; the second of a pair ends that input.
    (Answer::Types("\x04"), NOT_CONFIRMED),
    (Answer::Types("n\x04\x04"), NOT_CONFIRMED),
    // Ctrl-C, also after an answer that was not entered.
    (Answer::Types("\x03"), INTERRUPTED),
    (Answer::Types("y\x03"), INTERRUPTED),
    (Answer::Signals("INT"), INTERRUPTED),
    (Answer::Signals("TERM"), INTERRUPTED),
];

const NOT_CONFIRMED: &str = "error: not confirmed; nothing was changed";
const INTERRUPTED: &str = "error: interrupted; nothing was changed";

/// A run on a terminal.
pub(crate) struct Terminal<'a> {
    case: &'a Case,
    child: Child,
    keyboard: ChildStdin,
    screen: ChildStdout,
    shown: String,
    /// How much of that has been waited for.
    seen: usize,
}

impl Case {
    /// Starts the binary on a terminal, with these words of a shell.
    pub(crate) fn on_a_terminal(&self, words: &str) -> Terminal<'_> {
        self.on_a_terminal_with(&[("NO_COLOR", "1")], "", words)
    }

    /// The same with colors, on a terminal of this many columns.
    pub(crate) fn on_a_terminal_of(&self, columns: usize, words: &str) -> Terminal<'_> {
        self.on_a_terminal_with(&[], &format!("stty cols {columns} rows 24; "), words)
    }

    fn on_a_terminal_with(&self, variables: &[(&str, &str)], first: &str, words: &str) -> Terminal<'_> {
        let line = format!(
            "{first}echo \"pid $$.\"; exec '{}' {words}",
            env!("CARGO_BIN_EXE_kubectl-apim")
        );
        let kubeconfig = self.kubeconfig_path();
        let mut child = Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .env_clear()
            .envs(self.variables())
            .env("PATH", "/usr/bin:/bin")
            // Where kubectl keeps its cache.
            .env("HOME", kubeconfig.parent().unwrap())
            .env("TERM", "xterm")
            .envs(variables.iter().copied())
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Terminal {
            case: self,
            keyboard: child.stdin.take().unwrap(),
            screen: child.stdout.take().unwrap(),
            shown: String::new(),
            seen: 0,
            child,
        }
    }
}

impl Terminal<'_> {
    /// Waits until a text is on the screen, after those that were waited for before.
    pub(crate) async fn shows(&mut self, wanted: &str) {
        loop {
            let unseen = &self.shown[self.seen..];
            if let Some(at) = unseen.find(wanted) {
                self.seen += at + wanted.len();
                return;
            }
            let mut part = [0; 4096];
            let read = timeout(LIMIT, self.screen.read(&mut part)).await;
            let read = read.unwrap_or_else(|_| panic!("`{wanted}` is missing in:\n{}", self.shown));
            let read = read.unwrap();
            assert!(read > 0, "ended without `{wanted}`:\n{}", self.shown);
            self.shown += &text(&part[..read]);
        }
    }

    /// Types while the run goes on.
    pub(crate) async fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).await.unwrap();
    }

    /// Waits for the end, which must be with this code. Returns all that was shown.
    pub(crate) async fn closes(mut self, code: i32) -> String {
        let mut rest = Vec::new();
        let read = timeout(LIMIT, self.screen.read_to_end(&mut rest)).await;
        let status = timeout(LIMIT, self.child.wait()).await.unwrap().unwrap();
        read.unwrap().unwrap();
        self.shown += &text(&rest);
        self.case.shows_no_secret(&self.shown).await;
        assert_eq!(status.code(), Some(code), "{}", self.shown);
        self.shown
    }

    /// Answers; then the run must end with this code and, unless the answer is
    /// yes, promptly. Returns all that was shown.
    pub(crate) async fn ends(mut self, answer: Answer, code: i32) -> String {
        match answer {
            Answer::Nothing => {}
            Answer::Types(keys) => self.types(keys).await,
            Answer::Signals(name) => {
                let (_, pid) = self.shown.split_once("pid ").unwrap();
                let (pid, _) = pid.split_once('.').unwrap();
                let status = Command::new("kill").args(["-s", name, pid]).status().await;
                assert!(status.unwrap().success());
            }
        }
        let asked = Instant::now();
        let shown = self.closes(code).await;
        let took = asked.elapsed();
        assert!(code == 0 || took < PROMPTLY, "{answer:?} took {took:?}");
        shown
    }
}

/// What is left on a screen of 80 columns after all this was written to it.
fn left_on_the_screen(written: &str) -> String {
    let mut screen = vt100::Parser::new(100, 80, 0);
    screen.process(written.as_bytes());
    screen.screen().contents()
}

#[tokio::test]
async fn a_wait_for_azure_is_shown_and_leaves_nothing_behind() {
    let case = Case::new("spinner").await;
    case.deploy(&case.idle_portal()).await;
    case.disturb_mint(Action::retry_after(503, 1), 1);
    let mut terminal = case.on_a_terminal("rotate");
    terminal.shows("Azure mints a token").await;
    let written = terminal.ends(Answer::Nothing, 0).await;
    let left = left_on_the_screen(&written);
    assert!(left.contains("WARN retrying in "), "{left}");
    assert!(left.contains("minted     a token"), "{left}");
    assert!(!left.contains("waiting "), "{left}");
}
