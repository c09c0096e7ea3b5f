//! Packages of npm, for tests with clients that were written in JavaScript.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::made;

/// A folder with a copy of the script and with the packages of the lock file beside it, which is made once for each
/// state of them. `scratch` is the `CARGO_TARGET_TMPDIR` of the test.
pub async fn script_with_packages(
    scratch: &'static Path,
    folder: &'static str,
    script: &'static str,
) -> PathBuf {
    let made = tokio::task::spawn_blocking(move || folder_of(scratch, folder, script))
        .await
        .expect("installing the packages does not panic");
    made.unwrap_or_else(|error| panic!("this test needs Node.js 20 with npm and its registry: {error:#}"))
        .join(script)
}

fn folder_of(scratch: &Path, folder: &str, script: &str) -> anyhow::Result<PathBuf> {
    let files = ["package.json", "package-lock.json", script];
    let read = |name: &&str| {
        std::fs::read(Path::new(folder).join(name)).with_context(|| format!("cannot read {name}"))
    };
    let contents: Vec<Vec<u8>> = files.iter().map(read).collect::<Result<_, _>>()?;
    made::once(scratch, "javascript", &contents.concat(), script, |building| {
        std::fs::create_dir_all(building)?;
        for (name, content) in files.iter().zip(&contents) {
            std::fs::write(building.join(name), content)?;
        }
        made::run(
            Command::new("npm")
                .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
                .current_dir(building),
        )
    })
}
