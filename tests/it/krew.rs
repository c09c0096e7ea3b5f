//! The krew manifest, checked against the rules by which krew's own validator
//! and its reviewers judge one.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

const PLATFORMS: [(&str, &str); 5] = [
    ("linux", "amd64"),
    ("linux", "arm64"),
    ("darwin", "amd64"),
    ("darwin", "arm64"),
    ("windows", "amd64"),
];

fn manifest() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("krew/apim.yaml");
    serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no text at {pointer}"))
}

#[test]
fn the_head_meets_krews_rules() {
    let manifest = manifest();
    assert_eq!(
        text(&manifest, "/apiVersion"),
        "krew.googlecontainertools.github.com/v1alpha2"
    );
    assert_eq!(text(&manifest, "/kind"), "Plugin");
    // The file is named after the plugin.
    assert_eq!(text(&manifest, "/metadata/name"), "apim");
    assert_eq!(
        text(&manifest, "/spec/version"),
        concat!("v", env!("CARGO_PKG_VERSION"))
    );

    let short = text(&manifest, "/spec/shortDescription");
    assert!(!short.is_empty() && short.chars().count() <= 50, "{short}");
    assert!(!short.ends_with('.'), "{short}");
    for word in ["kubectl", "plugin"] {
        assert!(!short.to_lowercase().contains(word), "{short}");
    }
    for field in ["/spec/description", "/spec/caveats"] {
        for line in text(&manifest, field).lines() {
            assert!(line.chars().count() <= 80, "{field}: {line}");
        }
    }
    assert!(
        !text(&manifest, "/spec/description").contains("--"),
        "no usage text"
    );
}

#[test]
fn there_is_one_archive_for_each_platform() {
    let manifest = manifest();
    let version = text(&manifest, "/spec/version").to_owned();
    let platforms = manifest["spec"]["platforms"].as_array().unwrap();
    let mut seen = BTreeSet::new();
    for platform in platforms {
        let labels = &platform["selector"]["matchLabels"];
        let (os, arch) = (text(labels, "/os"), text(labels, "/arch"));
        assert!(seen.insert((os, arch)), "{os}/{arch} is there twice");

        let uri = text(platform, "/uri");
        let ending = if os == "windows" { ".zip" } else { ".tar.gz" };
        assert!(uri.starts_with("https://") && uri.ends_with(ending), "{uri}");
        assert!(uri.contains(&format!("/{version}/")), "{uri}");
        assert!(uri.contains(&format!("{os}-{arch}")), "{uri}");

        let sha256 = text(platform, "/sha256");
        assert!(
            sha256.len() == 64
                && sha256
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')),
            "{sha256}"
        );

        let bin = text(platform, "/bin");
        let expected = if os == "windows" {
            "kubectl-apim.exe"
        } else {
            "kubectl-apim"
        };
        assert_eq!(bin, expected);
        let files: Vec<&str> = platform["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| {
                assert_eq!(text(file, "/to"), ".");
                text(file, "/from")
            })
            .collect();
        assert_eq!(files, [bin, "LICENSE", "THIRD-PARTY-NOTICES.txt"]);
    }
    assert_eq!(seen, BTreeSet::from(PLATFORMS));
}

/// krew takes a licence only from a file of one of a few names.
#[test]
fn the_licence_is_in_the_file_that_krew_looks_for() {
    let licence = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("LICENSE")).unwrap();
    assert!(licence.contains("Apache License"));
    assert!(licence.contains("Version 2.0, January 2004"));
}
