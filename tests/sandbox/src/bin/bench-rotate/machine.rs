//! What the figures were measured with.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The kubectl to compare with.
pub(crate) struct Kubectl {
    pub(crate) path: PathBuf,
    version: String,
}

impl Kubectl {
    /// `$KUBECTL`, or the one on the PATH. The dispatcher of the Google Cloud
    /// CLI asks the server for its version before it starts a kubectl, which
    /// would flatter the comparison: the newest of those beside it is taken.
    pub(crate) fn find() -> Result<Self> {
        let path = std::env::var_os("KUBECTL").map_or_else(|| PathBuf::from("kubectl"), PathBuf::from);
        let found = Self::at(path)?;
        if !found.version.ends_with("-dispatcher") {
            return Ok(found);
        }
        let resolved = stdout(Command::new("which").arg(&found.path))?;
        let resolved = Path::new(resolved.trim()).canonicalize()?;
        let beside = resolved.parent().context("kubectl is in no folder")?.read_dir()?;
        let minor = |path: &Path| {
            path.file_name()?
                .to_str()?
                .strip_prefix("kubectl.1.")?
                .parse::<u32>()
                .ok()
        };
        let newest = beside
            .filter_map(|entry| Some(entry.ok()?.path()))
            .max_by_key(|path| minor(path));
        let newest = newest.filter(|path| minor(path).is_some());
        Self::at(newest.context("the dispatcher of kubectl has no kubectl beside it: set KUBECTL to one")?)
    }

    fn at(path: PathBuf) -> Result<Self> {
        let text = stdout(Command::new(&path).args(["version", "--client", "-o", "json"]))
            .context("the benchmark compares with kubectl: put it on the PATH, or set KUBECTL")?;
        let json: Value = serde_json::from_str(&text)?;
        let version = json["clientVersion"]["gitVersion"]
            .as_str()
            .context("cannot read the version of kubectl")?;
        Ok(Self {
            path,
            version: version.to_owned(),
        })
    }
}

/// Cores, memory and versions, in one line.
pub(crate) fn describe(kubectl: &Kubectl) -> Result<String> {
    let cores = std::thread::available_parallelism()?;
    let memory = std::fs::read_to_string("/proc/meminfo").context("reading /proc/meminfo")?;
    let memory: u64 = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next())
        .context("/proc/meminfo has no MemTotal")?
        .parse()?;
    let rustc = stdout(Command::new("rustc").arg("--version"))?;
    Ok(format!(
        "{cores} cores, {} GiB of memory, kubectl {}, {}",
        (memory + 512 * 1024) / (1024 * 1024),
        kubectl.version,
        rustc.trim()
    ))
}

fn stdout(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("running {}", command.get_program().display()))?;
    ensure!(output.status.success(), "{:?}: {}", command, output.status);
    Ok(String::from_utf8(output.stdout)?)
}
