//! The plugin as the demo and the benchmark run it: how it is built, and what
//! a run of it asked of the servers.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::Command;

use crate::Sandbox;
use crate::azure::{Operation, Request};
use crate::control_plane::AuditRecord;

/// The name of the plugin's binary.
const NAME: &str = "kubectl-apim";

/// Builds the plugin by the cargo that started this program, whose progress
/// goes to stderr, and returns the binary.
///
/// It is built without a profile of its own, for a program that cargo runs by the
/// default one: beside it the binary is then found, wherever the target directory is.
pub async fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.args(["build", "--bin", NAME]);
    run(as_from_a_shell(&mut command)).await.context("cargo build")?;
    existing(std::env::current_exe()?.with_file_name(NAME))
}

/// Builds the static program that the image and the archives contain, and returns it.
pub async fn build_static() -> Result<PathBuf> {
    let mut command = Command::new(root().join("image/build"));
    command.arg("rootfs");
    run(as_from_a_shell(&mut command)).await.context("image/build")?;
    let architecture = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    existing(root().join("target/image/context").join(architecture).join(NAME))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn existing(binary: PathBuf) -> Result<PathBuf> {
    if !binary.is_file() {
        bail!("the build made no {}", binary.display());
    }
    Ok(binary)
}

/// Has a build run in the root folder and without what cargo tells a program about its own package:
/// that would be news to the build scripts that ask for it, and whatever depends on them would be
/// built again.
fn as_from_a_shell(command: &mut Command) -> &mut Command {
    command.current_dir(root()).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&*name);
        }
    }
    command
}

/// Runs a command to its successful end.
///
/// When the future is dropped before that, all processes that the command has
/// started are told to end, which a kill of the command alone would not do.
pub async fn run(command: &mut Command) -> Result<()> {
    let mut child = command.process_group(0).spawn()?;
    let group = Group(child.id());
    let status = child.wait().await?;
    std::mem::forget(group);
    if !status.success() {
        bail!("{status}");
    }
    Ok(())
}

/// A process group that ends with this value.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.0.and_then(|id| i32::try_from(id).ok()) {
            // A group that has ended by itself is what is wanted.
            let _ = killpg(Pid::from_raw(id), Signal::SIGTERM);
        }
    }
}

/// What one run of the plugin asked of the servers, in the order of arrival.
pub struct Traffic {
    /// The requests to Azure.
    pub azure: Vec<Request>,
    /// The requests to Kubernetes up to the one that restarts the workload.
    pub kubernetes: Vec<AuditRecord>,
    /// The requests to Kubernetes after it, with which the run waits for the
    /// proof; their number grows with the time that the pods take.
    pub waiting: Vec<AuditRecord>,
}

impl Traffic {
    /// Observes the one run of the plugin that `run` makes.
    pub async fn of(sandbox: &Sandbox, run: impl Future<Output = Result<()>>) -> Result<Self> {
        let azure_before = azure(sandbox).len();
        let kubernetes_before = kubernetes(sandbox).await?.len();
        run.await?;
        let azure = azure(sandbox).split_off(azure_before);
        let mut kubernetes = kubernetes(sandbox).await?.split_off(kubernetes_before);
        // A record is written when its request has been answered.
        kubernetes.sort_by_key(|record| record.received);
        let restart = kubernetes.iter().rposition(is_restart);
        let waiting = restart.map_or_else(Vec::new, |restart| kubernetes.split_off(restart + 1));
        Ok(Self {
            azure,
            kubernetes,
            waiting,
        })
    }

    /// How many of the requests to Azure went to Resource Manager; the rest
    /// signs in.
    pub fn resource_manager(&self) -> usize {
        let signs_in =
            |request: &&Request| matches!(request.operation, Some(Operation::SignIn | Operation::Discovery));
        self.azure.len() - self.azure.iter().filter(signs_in).count()
    }
}

/// All requests to Azure but those of the gateways' pods.
fn azure(sandbox: &Sandbox) -> Vec<Request> {
    sandbox
        .azure()
        .requests_where(|request| request.operation != Some(Operation::Configuration))
}

async fn kubernetes(sandbox: &Sandbox) -> Result<Vec<AuditRecord>> {
    let mut records = sandbox.audit().await?;
    records.retain(|record| {
        record
            .user_agent
            .strip_prefix(NAME)
            .is_some_and(|rest| rest.starts_with('/'))
    });
    Ok(records)
}

fn is_restart(record: &AuditRecord) -> bool {
    let workloads = ["deployments", "statefulsets", "daemonsets"];
    let resource = record.resource.as_deref().unwrap_or_default();
    record.verb == "patch" && !record.dry_run && workloads.contains(&resource)
}
