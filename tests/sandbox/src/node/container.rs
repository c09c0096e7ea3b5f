//! The life of one container.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::ResourceExt;

use super::environment::{self, ConfigError, Environment};
use super::gateway::{self, Gateway};
use super::logs::ContainerLog;
use super::process::{self, End};
use super::stop::Stop;
use super::volumes::{Files, PodDirectory};
use super::{Context, MODE_ANNOTATION, event, image};

/// How often a container that cannot be started is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The first delay before a crashed container is started again; it doubles up
/// to [`LONGEST_BACKOFF`]. The kubelet's own ten seconds would only slow tests.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// How often a refused gateway asks again: every second in the first minute, so that tests need not
/// wait, and then as often as the real one looks for a new configuration.
const ASK_AGAIN: Duration = Duration::from_secs(1);
const ASK_AGAIN_LATER: Duration = Duration::from_secs(10);
const OFTEN: Duration = Duration::from_mins(1);

/// An answer within this time is reported together with the start.
const PROMPT: Duration = Duration::from_millis(150);

/// The state of a container, as in its status.
#[derive(Debug, Clone)]
pub(crate) enum State {
    Waiting {
        reason: &'static str,
        message: String,
    },
    Running {
        started: Timestamp,
        ready: bool,
    },
    Terminated {
        started: Timestamp,
        finished: Timestamp,
        exit_code: i32,
        message: String,
    },
}

/// What is to be reported about a container.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) state: State,
    pub(crate) last: Option<State>,
    pub(crate) restarts: u32,
    pub(crate) id: Option<String>,
}

impl Report {
    pub(crate) fn creating() -> Self {
        let state = State::Waiting {
            reason: "ContainerCreating",
            message: String::new(),
        };
        Self {
            state,
            last: None,
            restarts: 0,
            id: None,
        }
    }
}

/// How the gateways of a pod behave; see [`MODE_ANNOTATION`].
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Strict,
    Silent,
    Crash,
    Pending,
    ImagePull,
    Slow(Duration),
}

impl Mode {
    fn of(pod: &Pod, default: Self) -> Result<Self, ConfigError> {
        let Some(text) = pod.annotations().get(MODE_ANNOTATION) else {
            return Ok(default);
        };
        let seconds = text
            .strip_prefix("slow:")
            .and_then(|seconds| seconds.parse().ok());
        Ok(match (text.as_str(), seconds) {
            (_, Some(seconds)) => Self::Slow(Duration::from_secs(seconds)),
            ("strict", _) => Self::Strict,
            ("silent", _) => Self::Silent,
            ("crash", _) => Self::Crash,
            ("pending", _) => Self::Pending,
            ("image-pull", _) => Self::ImagePull,
            _ => return Err(ConfigError(format!("unknown {MODE_ANNOTATION}: {text}"))),
        })
    }
}

/// One container of one pod.
pub(crate) struct Life<F> {
    pub(crate) context: Arc<Context>,
    pub(crate) pod: Arc<Pod>,
    pub(crate) container: Container,
    pub(crate) address: String,
    /// The pod's files, if any of its containers is a process.
    pub(crate) files: Option<Arc<PodDirectory>>,
    pub(crate) stop: Stop,
    pub(crate) report: F,
}

impl<F: Fn(Report)> Life<F> {
    /// Lives through everything that happens to the container, and returns
    /// when its state can no longer change.
    pub(crate) async fn run(self) {
        let default = if self.context.silent {
            Mode::Silent
        } else {
            Mode::Strict
        };
        let mode = match Mode::of(&self.pod, default) {
            Ok(mode) => mode,
            Err(error) => return self.wait_with(&Report::creating(), "CreateContainerConfigError", error.0),
        };
        if gateway::has_gateway_image(&self.container) {
            match mode {
                Mode::Pending => return (self.report)(Report::creating()),
                Mode::ImagePull => return self.fail_to_pull("not found").await,
                _ => {}
            }
        }
        let mut binary = None;
        if image::is_own(&self.container) {
            let Some(provided) = self.stop.unless(self.binary()).await else {
                return;
            };
            binary = Some(provided);
        }
        let log = self.context.logs.open((
            self.pod.namespace().unwrap_or_default(),
            self.pod.name_any(),
            self.container.name.clone(),
        ));
        let mut report = Report::creating();
        let mut backoff = FIRST_BACKOFF;
        loop {
            let Some(environment) = self.stop.unless(self.environment(&report)).await else {
                return;
            };
            let started = Timestamp::now();
            report.id = Some(format!("sandbox://{}", uuid::Uuid::new_v4().simple()));
            log.begin();
            let end = if let (Some(binary), Some(files)) = (&binary, &self.files) {
                Some(
                    self.run_process(&mut report, started, &environment, binary, files, &log)
                        .await,
                )
            } else if gateway::is_gateway(&self.container, &environment) {
                let running = self.run_gateway(&mut report, mode, started, &environment, &log);
                self.stop.unless(running).await.flatten().map(End::silent)
            } else {
                self.run_other(&mut report, started).map(End::silent)
            };
            let Some(End { exit_code, message }) = end else {
                return;
            };

            let end = State::Terminated {
                started,
                finished: Timestamp::now(),
                exit_code,
                message,
            };
            report.state = end.clone();
            (self.report)(report.clone());
            if self.stop.is_asked() || !self.restarts_after(exit_code) {
                log.close();
                return;
            }
            let message = format!(
                "back-off {backoff:?} restarting failed container={} pod={}_{}({})",
                self.container.name,
                self.pod.name_any(),
                self.pod.namespace().unwrap_or_default(),
                self.pod.uid().unwrap_or_default(),
            );
            report.last = Some(end);
            self.wait_with(&report, "CrashLoopBackOff", message);
            if self.stop.unless(tokio::time::sleep(backoff)).await.is_none() {
                return;
            }
            backoff = (backoff * 2).min(LONGEST_BACKOFF);
            report.restarts += 1;
        }
    }

    /// The binary of this project's image, as soon as there is one.
    async fn binary(&self) -> PathBuf {
        if let Some(binary) = self.context.binary.get() {
            return binary;
        }
        self.fail_to_pull("the sandbox has no binary for this image")
            .await;
        self.context.binary.provided().await
    }

    /// Runs the binary and returns how it has ended.
    async fn run_process(
        &self,
        report: &mut Report,
        started: Timestamp,
        environment: &Environment,
        binary: &Path,
        files: &PodDirectory,
        log: &ContainerLog,
    ) -> End {
        let spec = process::Spec {
            pod: &self.pod,
            container: &self.container,
            environment,
            binary,
            files,
            restarts: report.restarts,
        };
        let ended = async {
            let process = spec.start().await?;
            report.state = State::Running { started, ready: true };
            (self.report)(report.clone());
            process.run(log, &self.container, &self.stop).await
        };
        match ended.await {
            Ok(end) => end,
            Err(error) => {
                let message = format!("failed to start container \"{}\": {error}", self.container.name);
                event::warn(&self.context, &self.pod, "Failed", &format!("Error: {message}")).await;
                // The code that a kubelet reports for a container that never started.
                End {
                    exit_code: 128,
                    message,
                }
            }
        }
    }

    /// The environment, as soon as everything it refers to is there.
    async fn environment(&self, report: &Report) -> Environment {
        let mut reported = None;
        loop {
            match environment::resolve(&self.context, &self.pod, &self.container, &self.address).await {
                Ok(environment) => return environment,
                Err(ConfigError(message)) if reported.as_ref() == Some(&message) => {}
                Err(ConfigError(message)) => {
                    self.wait_with(report, "CreateContainerConfigError", message.clone());
                    event::warn(&self.context, &self.pod, "Failed", &format!("Error: {message}")).await;
                    reported = Some(message);
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Runs a gateway and returns its exit code, or nothing when it stays.
    async fn run_gateway(
        &self,
        report: &mut Report,
        mode: Mode,
        started: Timestamp,
        environment: &Environment,
        log: &ContainerLog,
    ) -> Option<i32> {
        let mut report_running = |ready| {
            report.state = State::Running { started, ready };
            (self.report)(report.clone());
        };
        let api = &self.context.configuration_api;
        let files = Files {
            context: &self.context,
            pod: &self.pod,
            container: &self.container,
            address: &self.address,
        };
        let gateway = match Gateway::start(&self.container, environment, &files).await {
            Ok(gateway) => gateway,
            Err(lines) => {
                log.write_all(lines);
                report_running(mode == Mode::Silent);
                return (mode == Mode::Crash).then_some(1);
            }
        };
        let mut verdict = {
            let mut asking = std::pin::pin!(gateway.ask(api));
            if let Ok(verdict) = tokio::time::timeout(PROMPT, &mut asking).await {
                verdict
            } else {
                report_running(false);
                asking.await
            }
        };
        let first = Instant::now();
        let mut is_reported = false;
        loop {
            log.write_all(verdict.log);
            if verdict.accepted {
                break;
            }
            if !is_reported {
                report_running(mode == Mode::Silent);
                is_reported = true;
            }
            if mode == Mode::Crash {
                return Some(1);
            }
            let is_early = first.elapsed() < OFTEN;
            tokio::time::sleep(if is_early { ASK_AGAIN } else { ASK_AGAIN_LATER }).await;
            verdict = gateway.ask(api).await;
        }
        if let Mode::Slow(delay) = mode {
            report_running(false);
            tokio::time::sleep(delay).await;
        }
        report_running(true);
        None
    }

    /// Any other container runs for ever, except a Job's, which succeeds.
    fn run_other(&self, report: &mut Report, started: Timestamp) -> Option<i32> {
        if self
            .pod
            .owner_references()
            .iter()
            .any(|owner| owner.kind == "Job")
        {
            return Some(0);
        }
        report.state = State::Running { started, ready: true };
        (self.report)(report.clone());
        None
    }

    fn restarts_after(&self, exit_code: i32) -> bool {
        match self
            .pod
            .spec
            .as_ref()
            .and_then(|spec| spec.restart_policy.as_deref())
        {
            Some("Never") => false,
            Some("OnFailure") => exit_code != 0,
            _ => true,
        }
    }

    async fn fail_to_pull(&self, why: &str) {
        let image = self.container.image.as_deref().unwrap_or_default();
        let cause = format!("failed to pull and unpack image \"{image}\": {why}");
        self.wait_with(&Report::creating(), "ErrImagePull", cause.clone());
        let message = format!("Failed to pull image \"{image}\": {cause}");
        event::warn(&self.context, &self.pod, "Failed", &message).await;
        let message = format!("Back-off pulling image \"{image}\": ErrImagePull: {cause}");
        self.wait_with(&Report::creating(), "ImagePullBackOff", message);
    }

    fn wait_with(&self, report: &Report, reason: &'static str, message: String) {
        (self.report)(Report {
            state: State::Waiting { reason, message },
            ..report.clone()
        });
    }
}
