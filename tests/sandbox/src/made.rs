//! Folders below Cargo's target directory that tests make once.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, bail, ensure};

/// Tests of one process make a folder one after the other; other processes have one of their own.
static MAKING: Mutex<()> = Mutex::new(());

/// The folder for these inputs. One that holds `last`, a file, is finished.
pub(crate) fn once(
    scratch: &Path,
    kind: &str,
    inputs: &[u8],
    last: &str,
    make: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<PathBuf> {
    let digest = ring::digest::digest(&ring::digest::SHA256, inputs);
    let name = digest.as_ref()[..6]
        .iter()
        .fold(String::new(), |name, byte| format!("{name}{byte:02x}"));
    let target = scratch
        .parent()
        .context("Cargo's target directory has no parent")?;
    let finished = target.join(kind).join(name);
    let _one = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    if finished.join(last).exists() {
        return Ok(finished);
    }
    // Made elsewhere and moved, so that a half-made folder is never taken for a finished one.
    let building = finished.with_extension(std::process::id().to_string());
    make(&building)?;
    if let Err(error) = std::fs::rename(&building, &finished) {
        std::fs::remove_dir_all(&building)?;
        ensure!(
            finished.join(last).exists(),
            "cannot move what was made to {}: {error}",
            finished.display()
        );
    }
    Ok(finished)
}

pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
