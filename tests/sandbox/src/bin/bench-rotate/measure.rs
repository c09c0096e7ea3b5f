//! What one run of a program costs.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use serde::{Deserialize, Serialize};

/// The first argument with which this program starts and measures another.
pub(crate) const ARGUMENT: &str = "--measure";

/// One measured run.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// From the start of the process to its end.
    pub(crate) wall: Duration,
    /// User and system time of all its threads.
    pub(crate) cpu: Duration,
    /// The peak of its resident memory, in bytes.
    pub(crate) memory: u64,
}

/// The time of several runs.
pub(crate) fn wall(samples: &[Sample]) -> Duration {
    median(samples.iter().map(|sample| sample.wall))
}

/// The CPU time of several runs.
pub(crate) fn cpu(samples: &[Sample]) -> Duration {
    median(samples.iter().map(|sample| sample.cpu))
}

/// The peak of memory in any of several runs.
pub(crate) fn memory(samples: &[Sample]) -> u64 {
    let peaks = samples.iter().map(|sample| sample.memory);
    peaks.max().unwrap_or_default()
}

/// A program with its arguments and all of its environment.
pub(crate) struct Subject {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) variables: Vec<(&'static str, String)>,
}

impl Subject {
    /// Runs the program once, to its successful end.
    ///
    /// It is the only child of a small process of its own: the kernel counts
    /// the CPU time of all children together, and begins a child's peak of
    /// memory at what its parent had when it started it.
    pub(crate) fn measure(&self) -> Result<Sample> {
        let output = Command::new(std::env::current_exe()?)
            .arg(ARGUMENT)
            .arg(&self.program)
            .args(&self.arguments)
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("measuring {}", self.program.display()))?;
        if !output.status.success() {
            bail!(
                "{} {} failed:\n{}",
                self.program.display(),
                self.arguments.join(" "),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        serde_json::from_slice(&output.stdout).context("reading a measurement")
    }
}

/// Runs a program and prints its [`Sample`].
pub(crate) fn report(program: &str, arguments: &[&str]) -> ExitCode {
    match sample(program, arguments) {
        Ok(sample) => {
            let _ = write!(std::io::stdout().lock(), "{sample}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr().lock(), "{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn sample(program: &str, arguments: &[&str]) -> Result<serde_json::Value> {
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::null());
    let start = Instant::now();
    let status = command.status()?;
    let wall = start.elapsed();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    if !status.success() {
        bail!("{status}");
    }
    Ok(serde_json::to_value(Sample {
        wall,
        cpu: duration(usage.user_time()) + duration(usage.system_time()),
        // Linux counts in KiB.
        memory: u64::try_from(usage.max_rss())? * 1024,
    })?)
}

fn duration(time: TimeVal) -> Duration {
    let seconds = u64::try_from(time.tv_sec()).unwrap_or_default();
    let micros = u64::try_from(time.tv_usec()).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}

/// The value in the middle; of an even number, the upper of the two.
fn median<T: Ord>(values: impl IntoIterator<Item = T>) -> T {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort_unstable();
    let middle = values.len() / 2;
    values.swap_remove(middle)
}
