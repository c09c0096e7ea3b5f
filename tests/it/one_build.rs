//! What cargo compiles for the programs is what it compiles for the tests, so that
//! `cargo test` after `cargo demo` compiles no dependency again.

use std::collections::BTreeSet;
use std::process::Command;

use crate::documents::root;

/// The packages that are compiled, each with its version and its features.
fn compiled(edges: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--prefix", "none"])
        .args(["--edges", edges, "--format", "{p} with {f}"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let tree = String::from_utf8(output.stdout).unwrap();
    tree.lines().map(|line| line.replace(" (*)", "")).collect()
}

#[test]
fn no_dependency_is_compiled_twice_for_the_demo_and_the_tests() {
    let programs = compiled("normal,build");
    let tests = compiled("normal,build,dev");
    assert!(programs.iter().any(|package| package.starts_with("tokio v")));
    let twice: Vec<&String> = programs.difference(&tests).collect();
    assert!(
        twice.is_empty(),
        "with other features than in the tests: {twice:#?}"
    );
}
