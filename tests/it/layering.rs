//! The rules of the layout that no compiler checks.

use std::fs;
use std::path::{Path, PathBuf};

/// Decisions and renderings are functions of data: they know no server, no
/// runtime, no environment and no clock.
#[test]
fn plan_and_report_import_only_data() {
    let forbidden = [
        "tokio",
        "kube::",
        "reqwest",
        "azure_",
        "std::env",
        "std::io",
        "crate::cluster",
        "crate::azure",
        "crate::clock",
        "crate::environment",
        "crate::output",
        "crate::discover",
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![root.join("plan.rs"), root.join("report.rs")];
    files.extend(sources(&root.join("plan")));
    files.extend(sources(&root.join("report")));
    files.extend(sources(&root.join("model")));
    assert!(files.len() > 10);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for line in text.lines().filter(|line| line.trim_start().starts_with("use ")) {
            let crossed = forbidden.iter().find(|name| line.contains(*name));
            assert!(
                crossed.is_none(),
                "{} imports {}: {line}",
                file.display(),
                crossed.unwrap()
            );
        }
    }
}

/// What is installed is a function of what was asked for, so that it can be
/// kept in Git: it knows nothing of ours but the words of the product.
#[test]
fn manifest_imports_only_data() {
    let forbidden = [
        "tokio",
        "kube::",
        "reqwest",
        "azure_",
        "jiff::Timestamp",
        "jiff::Zoned",
        "std::env",
        "std::fs",
        "std::io",
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![root.join("manifest.rs")];
    files.extend(sources(&root.join("manifest")));
    assert!(files.len() > 5);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for line in text.lines() {
            let of_ours = line.split("crate::").skip(1);
            let crossed = of_ours
                // The exit codes are a word of the product too.
                .filter(|path| {
                    !["manifest::", "model::", "error::Kind"]
                        .iter()
                        .any(|known| path.starts_with(known))
                })
                .chain(
                    forbidden
                        .into_iter()
                        .filter(|name| line.trim_start().starts_with("use ") && line.contains(name)),
                )
                .next();
            assert!(
                crossed.is_none(),
                "{} knows {}: {line}",
                file.display(),
                crossed.unwrap()
            );
        }
    }
}

/// One file knows the YAML crate, so that the next one costs one file.
#[test]
fn one_file_names_the_yaml_crate() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mentions_it = |file: &PathBuf| fs::read_to_string(file).unwrap().contains("serde_yaml::");
    let named: Vec<PathBuf> = sources(&root).into_iter().filter(mentions_it).collect();
    assert_eq!(named, [root.join("yaml.rs")]);
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    files
}
