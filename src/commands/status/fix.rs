//! `status --fix`: offers the commands that fix the gateways, and runs those that the
//! user agrees to.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use tokio::process::Command;
use tokio::task::yield_now;

use crate::commands::Context;
use crate::commands::confirm::{Choice, agrees, choose, has_terminal};
use crate::error::{Error, Result};
use crate::interrupt::Commands;
use crate::model::request::KubeConnection;
use crate::model::{PrintedCommand, counted, one_line};
use crate::report::status::{Proposal, StatusReport};

/// Refuses a run that could not ask, or whose commands would run as somebody else.
pub(super) fn check(kube: &KubeConnection) -> Result<()> {
    if !has_terminal() {
        return Err(
            Error::usage("--fix asks on a terminal, and stdin or stderr is not a terminal")
                .hint("`kubectl apim status -o json` has the commands, in the field `fix`"),
        );
    }
    if kube.token.is_some() {
        return Err(
            Error::usage("--fix cannot pass the token of --token on to the commands that it runs")
                .hint("use a kubeconfig that has the token"),
        );
    }
    Ok(())
}

/// Offers what fixes the gateways; returns the exit code. `anew` reads their status again.
pub(super) async fn run(
    report: &StatusReport,
    context: &Context,
    anew: impl AsyncFnOnce() -> Result<StatusReport>,
) -> Result<u8> {
    let proposals = report.proposals();
    if proposals.is_empty() {
        context.output.note("nothing to fix: each gateway is Healthy");
        return Ok(0);
    }
    let mut session = Session {
        context,
        proposals: &proposals,
        run: Vec::new(),
        failed: 0,
        declined: 0,
        agreed_to_all: false,
    };
    let interrupted = session.offer_all().await.is_err();
    if !session.run.is_empty() {
        let now = anew().await?;
        for (label, text) in report.outcomes(&session.run, &now) {
            context.output.step(label, &text);
        }
    }
    session.end(interrupted)
}

struct Session<'a> {
    context: &'a Context,
    proposals: &'a [Proposal],
    /// Those whose command was started.
    run: Vec<&'a Proposal>,
    failed: usize,
    /// How many commands were not wanted, or not reached.
    declined: usize,
    /// Whether the rest is run without a question, because the user has seen all of it.
    agreed_to_all: bool,
}

/// A signal has ended the command that ran.
struct Interrupted;

impl Session<'_> {
    /// Offers one after the other.
    async fn offer_all(&mut self) -> Result<(), Interrupted> {
        for (at, proposal) in self.proposals.iter().enumerate() {
            self.show(at, proposal);
            let Some(words) = self.runnable(proposal) else {
                self.explain(proposal);
                continue;
            };
            let rest = self.proposals.iter().enumerate().skip(at + 1);
            let rest: Vec<(usize, &Proposal)> =
                rest.filter(|(_, next)| self.runnable(next).is_some()).collect();
            match self.choice(&rest).await {
                Choice::No => self.declined += 1,
                Choice::Quit => {
                    self.declined += 1 + rest.len();
                    return Ok(());
                }
                Choice::Yes | Choice::All => {
                    self.run.push(proposal);
                    if !self.succeeds(&words).await {
                        self.failed += 1;
                        self.agreed_to_all = false;
                    }
                    if self.context.interrupt.commands.replace(Commands::Ended) == Commands::Signalled {
                        return Err(Interrupted);
                    }
                }
            }
        }
        Ok(())
    }

    /// Shows the gateways and, in full, the command.
    fn show(&self, at: usize, proposal: &Proposal) {
        let output = &self.context.output;
        let count = format!("{}/{}", at + 1, self.proposals.len());
        for (index, line) in proposal.about.iter().enumerate() {
            output.step(if index == 0 { &count } else { "" }, line);
        }
        if let Some(command) = &proposal.command {
            output.step("command", &command.to_string());
        }
    }

    /// The words of a command that can be offered: no value is missing, and the screen shows
    /// it as it is.
    fn runnable<'p>(&self, proposal: &'p Proposal) -> Option<Vec<&'p str>> {
        let command = proposal.command.as_ref()?;
        let text = command.to_string();
        let is_shown = one_line(&self.context.connection.completed(&text)) == text;
        command.words().ok().filter(|_| is_shown)
    }

    /// Says why a command is not offered.
    fn explain(&self, proposal: &Proposal) {
        let output = &self.context.output;
        match proposal.command.as_ref().map(PrintedCommand::words) {
            None => output.note("no one command fixes this; the reason says what to change"),
            Some(Err(placeholder)) => {
                output.note(&format!(
                    "a value is missing: replace {placeholder}, and run it yourself"
                ));
            }
            Some(Ok(_)) => output.note("a terminal does not show it as it is, so it is not run"),
        }
    }

    /// What to do with the command that was shown. All that follow are shown before
    /// somebody can agree to all.
    async fn choice(&mut self, rest: &[(usize, &Proposal)]) -> Choice {
        let output = &self.context.output;
        while !self.agreed_to_all {
            let choice = choose("Run it?", output).await;
            if choice != Choice::All || rest.is_empty() {
                return choice;
            }
            for (at, proposal) in rest {
                self.show(*at, proposal);
            }
            let question = format!("Run all {} commands?", 1 + rest.len());
            self.agreed_to_all = agrees(&question, output).await;
        }
        Choice::All
    }

    /// Runs a command on this terminal and says how it ended.
    async fn succeeds(&self, words: &[&str]) -> bool {
        let Context {
            output, interrupt, ..
        } = self.context;
        interrupt.commands.set(Commands::Running);
        let ended = start(words).await;
        // A signal that both processes got is received in the first turn of the runtime, and
        // known to the listener in the second, before another command could start.
        yield_now().await;
        yield_now().await;
        match ended {
            Ok(status) if status.success() => {
                output.step("done", "exit code 0");
                true
            }
            Ok(status) => {
                output.step("failed", &in_words(status));
                false
            }
            Err(error) => {
                let program = words.first().copied().unwrap_or_default();
                output.step("failed", &format!("cannot run {program}: {error}"));
                false
            }
        }
    }

    fn end(&self, interrupted: bool) -> Result<u8> {
        if interrupted {
            return Err(self.context.interrupt.error());
        }
        let mut parts = Vec::new();
        if self.failed > 0 {
            parts.push(counted(self.failed, "command failed", "commands failed"));
        }
        if self.declined > 0 {
            parts.push(counted(
                self.declined,
                "command was not run",
                "commands were not run",
            ));
        }
        if parts.is_empty() {
            return Ok(0);
        }
        Err(Error::failed(parts.join(", ")).hint("run the same command again for what is left"))
    }
}

/// Runs a command without a shell: one of ours by this very program, another one from PATH.
async fn start(words: &[&str]) -> io::Result<ExitStatus> {
    let mut command = match words {
        ["kubectl", "apim", arguments @ ..] => {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(arguments);
            command
        }
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments);
            command
        }
        [] => return Err(io::ErrorKind::NotFound.into()),
    };
    command.spawn()?.wait().await
}

fn in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "it ended without an exit code".to_owned(),
    }
}
