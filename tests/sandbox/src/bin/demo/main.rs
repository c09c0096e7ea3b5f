//! `cargo demo`: one rotation from end to end, on this machine alone.
//!
//! A real Kubernetes control plane and an emulator of Azure are started, two
//! gateways are installed, and the token of one is rotated. Each command is
//! shown before it is run. `cargo demo --gallery` deploys a gateway for each verdict instead.

mod entra;
mod gallery;
mod screen;
mod shell;
mod story;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use apim_sandbox::Sandbox;
use apim_sandbox::azure::Principal;
use apim_sandbox::workload_identity::Webhook;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use self::shell::Shell;
use self::story::Story;

const USAGE: &str = "usage: cargo demo [--keep | --gallery]

  --keep     afterwards leave the sandbox running until Ctrl-C, and say how to point kubectl at it
  --gallery  show a gateway for each verdict of `status` in the place of the story, and keep the sandbox:
             the examples of the documentation can be typed in it";

#[derive(Clone, Copy, PartialEq)]
enum Show {
    Story,
    StoryAndKeep,
    Gallery,
}

/// What a shell reports of a program that Ctrl-C has ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let show = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Show::Story,
        ["--keep"] => Show::StoryAndKeep,
        ["--gallery"] => Show::Gallery,
        ["-h" | "--help"] => {
            screen::line(USAGE);
            return ExitCode::SUCCESS;
        }
        _ => {
            screen::error(USAGE);
            return ExitCode::from(2);
        }
    };
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            screen::error(&format!("error: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(show));
    // The build of the control plane cannot be cancelled and would be waited for.
    runtime.shutdown_timeout(Duration::ZERO);
    ended.unwrap_or_else(|error| {
        screen::error(&format!("error: {error:#}"));
        ExitCode::FAILURE
    })
}

async fn run(show: Show) -> Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut stopped = async || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };

    // Dropping the demo ends the sandbox and the running command.
    let finished = tokio::select! {
        biased;
        () = stopped() => None,
        outcome = demo(show) => Some(outcome?),
    };
    let Some((sandbox, shell, _webhook)) = finished else {
        screen::line("\nInterrupted. Nothing is left running.");
        return Ok(ExitCode::from(INTERRUPTED));
    };
    if show != Show::Story {
        screen::keep(&sandbox, &shell);
        stopped().await;
    }
    sandbox.shutdown().await;
    screen::line("The sandbox is stopped and removed.");
    Ok(ExitCode::SUCCESS)
}

/// Builds and starts everything, and shows it. The webhook serves as long as the sandbox runs.
async fn demo(show: Show) -> Result<(Sandbox, Shell, Option<Webhook>)> {
    require_kubectl().await?;
    let mut story = Story::default();
    let plugin = story.build().await?;
    let sandbox = story.start().await?;
    sandbox.provide_binary(&plugin);
    if show == Show::Gallery {
        let shell = gallery::open(&sandbox, &plugin).await?;
        return Ok((sandbox, shell, None));
    }
    let principal = Principal::token_operator(&format!("/subscriptions/{}", story::SUBSCRIPTION));
    let shell = Shell::new(&sandbox, &plugin, principal)?;
    let webhook = story.tell(&sandbox, &shell).await?;
    Ok((sandbox, shell, Some(webhook)))
}

async fn require_kubectl() -> Result<()> {
    let version = tokio::process::Command::new("kubectl")
        .args(["version", "--client"])
        .output()
        .await;
    let output =
        version.context("the demo needs kubectl on the PATH (https://kubernetes.io/docs/tasks/tools/)")?;
    if !output.status.success() {
        bail!(
            "kubectl version --client failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}
