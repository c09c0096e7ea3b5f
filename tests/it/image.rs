//! The image as it is written down in three places: the Containerfile, the
//! script that builds it, and the sandbox, whose node plays it.

use std::fs;
use std::path::Path;

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The instructions of the Containerfile, each with its arguments.
fn instructions(text: &str) -> Vec<(&str, &str)> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(' ').unwrap())
        .collect()
}

fn labels(text: &str) -> Vec<(String, String)> {
    let labels = instructions(text)
        .into_iter()
        .filter(|(word, _)| *word == "LABEL");
    labels
        .map(|(_, label)| {
            let (name, value) = label.split_once('=').unwrap();
            let name = name.strip_prefix("org.opencontainers.image.").unwrap();
            (name.to_owned(), value.trim_matches('"').to_owned())
        })
        .collect()
}

#[test]
fn the_sandbox_plays_the_image_that_is_built() {
    let containerfile = file("Containerfile");
    let instructions: Vec<(&str, &str)> = instructions(&containerfile)
        .into_iter()
        .filter(|(word, _)| *word != "LABEL")
        .collect();
    let link = "apim-shg-rotate";
    assert_eq!(
        instructions,
        [
            ("FROM", "scratch"),
            ("ARG", "TARGETARCH"),
            ("COPY", "${TARGETARCH} /"),
            ("USER", "65532:65532"),
            ("ENTRYPOINT", format!("[\"/{link}\"]").as_str()),
        ]
    );

    let build = file("image/build");
    assert!(build.contains("/release/kubectl-apim\" \"$rootfs/kubectl-apim\"\n"));
    assert!(build.contains(&format!("ln -s kubectl-apim \"$rootfs/{link}\"\n")));
    for name in ["kubectl-apim", link] {
        let on_the_path = format!("ln -s ../../../kubectl-apim \"$rootfs/usr/local/bin/{name}\"\n");
        assert!(build.contains(&on_the_path), "no {on_the_path}");
    }

    let licences = "install -m 644 LICENSE THIRD-PARTY-NOTICES.txt \"$rootfs/licenses\"\n";
    assert!(build.contains(licences), "no {licences}");

    let sandbox = file("tests/sandbox/src/node/image.rs");
    for line in [
        "const REPOSITORY: &str = \"kubectl-apim\";".to_owned(),
        "const PROGRAM: &str = \"/kubectl-apim\";".to_owned(),
        format!("const LINK: &str = \"/{link}\";"),
        "const ENTRYPOINT: &str = LINK;".to_owned(),
        "        .strip_prefix(\"/usr/local/bin/\")".to_owned(),
    ] {
        assert!(
            sandbox.lines().any(|found| found == line),
            "the sandbox has no line {line}"
        );
    }
}

#[test]
fn the_labels_match_the_package() {
    let krew: serde_json::Value = serde_yaml::from_str(&file("krew/apim.yaml")).unwrap();
    let home = krew["spec"]["homepage"].as_str().unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let readme = format!("{home}/blob/v{version}/README.md");
    let licences: Vec<String> = crate::notices::licences().into_iter().collect();
    let licences = licences.join(" AND ");
    let expected = [
        ("title", env!("CARGO_PKG_NAME")),
        ("description", env!("CARGO_PKG_DESCRIPTION")),
        ("version", version),
        ("licenses", &licences),
        ("source", home),
        ("documentation", &readme),
    ];
    assert_eq!(
        labels(&file("Containerfile")),
        expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
}
