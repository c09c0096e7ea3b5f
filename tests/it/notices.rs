//! The notices of what the programs contain: that no linked crate lacks them, and
//! that they are where the programs are. `.ci/run` generates the file again.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The SPDX ids of all that the programs contain.
pub(crate) fn licences() -> BTreeSet<String> {
    let notices = file("THIRD-PARTY-NOTICES.txt");
    let counted = notices.lines().filter_map(|line| {
        let (count, id) = line.split_once(' ')?;
        let is_count = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
        let is_id = !id.is_empty() && !id.contains(' ');
        (is_count && is_id).then(|| id.to_owned())
    });
    // That of glibc, and our own.
    let others = [
        "LGPL-2.1-or-later".to_owned(),
        env!("CARGO_PKG_LICENSE").to_owned(),
    ];
    counted.chain(others).collect()
}

#[test]
fn every_linked_crate_has_its_notice() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--package",
            "kubectl-apim",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .args(["--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let crates: BTreeSet<(&str, &str)> = tree
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?, words.next()?.strip_prefix('v')?))
        })
        .filter(|(name, _)| *name != "kubectl-apim")
        .collect();
    assert!(crates.len() > 200, "{tree}");
    let notices = file("THIRD-PARTY-NOTICES.txt");
    let missing: Vec<String> = crates
        .into_iter()
        .map(|(name, version)| format!("    {name} {version}"))
        .filter(|line| {
            !notices
                .lines()
                .any(|found| found == line || found.starts_with(&format!("{line},")))
        })
        .collect();
    assert!(missing.is_empty(), "run licenses/generate: {missing:#?}");
}

#[test]
fn the_notices_hold_what_each_licence_asks_for() {
    let notices = file("THIRD-PARTY-NOTICES.txt");
    for words in [
        // The terms of each kind, and the offer for the C library.
        "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION",
        "Permission is hereby granted, free of charge",
        "Redistributions in binary form must reproduce",
        "Permission to use, copy, modify, and/or distribute this software",
        "UNICODE LICENSE V3",
        "Community Data License Agreement",
        "The Rust Project Developers",
        "GNU LESSER GENERAL PUBLIC LICENSE",
        "Its source is published beside each release",
        "link-arg=-LDIR",
    ] {
        assert!(notices.contains(words), "no `{words}`");
    }
    assert!(!notices.contains('\r'));
}
