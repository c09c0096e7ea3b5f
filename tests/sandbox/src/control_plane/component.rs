//! A component of the control plane as a child process.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::binaries::Binaries;

/// How long a component may take to notice the end of its input.
const GRACE: Duration = Duration::from_secs(2);

/// A running component. It ends when this value is dropped and, because the
/// kernel then closes the pipe on its standard input, when this process dies.
pub(crate) struct Component {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Component {
    /// Starts `name` with its output going to `<directory>/<name>.log`.
    pub(crate) fn start(
        binaries: &Binaries,
        name: &'static str,
        arguments: &[String],
        directory: &Path,
    ) -> Result<Self> {
        let log = directory.join(format!("{name}.log"));
        let output = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
        let mut command = binaries.command(name);
        if name == "etcd" {
            // The one component that removes the directory should this process be killed.
            command.env("APIM_SANDBOX_DIR", directory);
        }
        let child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            // In a group of its own a terminal's interrupt does not reach the
            // component: it stops when, and only when, its parent does.
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        Ok(Self { name, child, log })
    }

    /// An error with the end of its log if the component has exited.
    pub(crate) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let end = lines[lines.len().saturating_sub(15)..].join("\n");
            bail!(
                "{} ended too early ({status}); the end of its log:\n{end}",
                self.name
            );
        }
        Ok(())
    }

    /// Asks the component to end, without waiting for it.
    pub(crate) fn close_input(&mut self) {
        drop(self.child.stdin.take());
    }

    fn stop(&mut self) {
        self.close_input();
        let start = Instant::now();
        while start.elapsed() < GRACE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Component {
    fn drop(&mut self) {
        self.stop();
    }
}
