//! Virtual environments of Python, for tests with clients that were written there.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, bail, ensure};

/// Tests of one process make an environment one after the other; other processes
/// have a folder of their own.
static MAKING: Mutex<()> = Mutex::new(());

/// The interpreter of a virtual environment with what this file of requirements names, which is made once
/// for each set of them. `scratch` is the `CARGO_TARGET_TMPDIR` of the test.
pub async fn interpreter_with(scratch: &'static Path, file: &'static str) -> PathBuf {
    let environment = tokio::task::spawn_blocking(move || environment(scratch, file))
        .await
        .expect("making the environment does not panic");
    environment.unwrap_or_else(|error| panic!("this test needs Python 3 with venv and PyPI: {error:#}"))
}

fn environment(scratch: &Path, file: &str) -> anyhow::Result<PathBuf> {
    let requirements = std::fs::read(file).context("cannot read the requirements")?;
    let digest = ring::digest::digest(&ring::digest::SHA256, &requirements);
    let name = digest.as_ref()[..6]
        .iter()
        .fold(String::new(), |name, byte| format!("{name}{byte:02x}"));
    let target = scratch
        .parent()
        .context("Cargo's target directory has no parent")?;
    let finished = target.join("python").join(name);
    let _one = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let interpreter = finished.join("bin/python");
    if interpreter.exists() {
        return Ok(interpreter);
    }
    // Made elsewhere and moved, so that a half-made environment is never taken for a finished one.
    let building = finished.with_extension(std::process::id().to_string());
    run(Command::new("python3").args(["-m", "venv"]).arg(&building))?;
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
        file,
    ];
    run(Command::new(building.join("bin/python")).args(pip))?;
    if let Err(error) = std::fs::rename(&building, &finished) {
        std::fs::remove_dir_all(&building)?;
        ensure!(
            interpreter.exists(),
            "cannot move the environment to {}: {error}",
            finished.display()
        );
    }
    Ok(interpreter)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
