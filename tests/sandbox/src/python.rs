//! Virtual environments of Python, for tests with clients that were written there.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::made;

/// The interpreter of a virtual environment with what this file of requirements names, which is made once
/// for each set of them. `scratch` is the `CARGO_TARGET_TMPDIR` of the test.
pub async fn interpreter_with(scratch: &'static Path, file: &'static str) -> PathBuf {
    let environment = tokio::task::spawn_blocking(move || environment(scratch, file))
        .await
        .expect("making the environment does not panic");
    environment.unwrap_or_else(|error| panic!("this test needs Python 3 with venv and PyPI: {error:#}"))
}

fn environment(scratch: &Path, file: &str) -> anyhow::Result<PathBuf> {
    const INTERPRETER: &str = "bin/python";
    let requirements = std::fs::read(file).context("cannot read the requirements")?;
    let finished = made::once(scratch, "python", &requirements, INTERPRETER, |building| {
        made::run(Command::new("python3").args(["-m", "venv"]).arg(building))?;
        let pip = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
            file,
        ];
        made::run(Command::new(building.join(INTERPRETER)).args(pip))
    })?;
    Ok(finished.join(INTERPRETER))
}
