//! Every relative link of the documents leads somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use crate::documents::{Document, document, for_users, root};

fn all() -> Vec<Document> {
    let mut documents = for_users();
    documents.extend(["ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(document));
    documents
}

/// The text without what is in code spans.
fn without_code(line: &str) -> String {
    let mut text = String::new();
    for (at, piece) in line.split('`').enumerate() {
        if at % 2 == 0 {
            text += piece;
        }
    }
    text
}

/// The targets of links and images, and of the definitions of references.
fn targets(line: &str) -> Vec<String> {
    let line = without_code(line);
    let mut targets: Vec<String> = line
        .split("](")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()))
        .collect();
    if let Some((_, target)) = line
        .strip_prefix('[')
        .and_then(|definition| definition.split_once("]: "))
    {
        targets.push(target.to_owned());
    }
    targets
}

/// The names in `[text][name]`.
fn references(line: &str) -> Vec<String> {
    without_code(line)
        .split("][")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(']')?.0.to_owned()))
        .collect()
}

/// The anchors that GitHub generates for the headings.
fn anchors(document: &Document) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let headings = document.prose().into_iter().filter_map(|(_, line)| {
        let title = line.trim_start_matches('#');
        (title.len() < line.len()).then_some(title.strip_prefix(' ')?)
    });
    headings
        .map(|title| {
            let slug: String = title
                .trim()
                .to_lowercase()
                .chars()
                .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'))
                .map(|letter| if letter == ' ' { '-' } else { letter })
                .collect();
            let before = seen.entry(slug.clone()).or_default();
            *before += 1;
            match *before {
                1 => slug,
                times => format!("{slug}-{}", times - 1),
            }
        })
        .collect()
}

/// The path without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => assert!(plain.pop(), "{} leaves the repository", path.display()),
            other => plain.push(other),
        }
    }
    plain
}

/// Why a target is none; `None` for one that is there, or is elsewhere.
fn broken(from: &Document, target: &str, documents: &[Document]) -> Option<String> {
    if target.contains("://") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if file.is_empty() {
        from.path.clone()
    } else {
        plain(&from.path.parent()?.join(file))
    };
    let document = documents.iter().find(|document| document.path == path);
    if document.is_none() && !root().join(&path).exists() {
        return Some(format!("there is no {}", path.display()));
    }
    if anchor.is_empty() {
        return None;
    }
    let Some(document) = document else {
        return Some(format!("{} has no anchors", path.display()));
    };
    (!anchors(document).contains(anchor)).then(|| format!("{} has no heading #{anchor}", path.display()))
}

/// Every broken link of these documents, with its place.
fn faults(documents: &[Document]) -> Vec<String> {
    let mut faults = Vec::new();
    for document in documents {
        let prose = document.prose();
        for (at, line) in &prose {
            let place = format!("{}:{at}", document.path.display());
            for target in targets(line) {
                let why = broken(document, &target, documents);
                faults.extend(why.map(|why| format!("{place}: {target}: {why}")));
            }
            for name in references(line) {
                let definition = format!("[{name}]: ");
                if !prose.iter().any(|(_, line)| line.starts_with(&definition)) {
                    faults.push(format!("{place}: [{name}] is not defined"));
                }
            }
        }
    }
    faults
}

#[test]
fn every_relative_link_resolves() {
    assert_eq!(faults(&all()), Vec::<String>::new());
}

#[test]
fn a_broken_link_is_found() {
    let text = "# A b: `c`\n\n[x](#a-b-c) [x](#a-b) [x](y.md) [x](../README.md#install) [x](../README.md#nothing)\n\
                `[x](z.md)` [x](https://example.com/a) [x][y] [x][z]\n\n[y]: ../LICENSE\n";
    let document = Document {
        path: "docs/x.md".into(),
        text: text.to_owned(),
    };
    let documents = [document, crate::documents::document("README.md")];
    let found: Vec<String> = faults(&documents)
        .into_iter()
        .filter(|fault| fault.starts_with("docs/x.md"))
        .collect();
    assert_eq!(
        found,
        [
            "docs/x.md:3: #a-b: docs/x.md has no heading #a-b",
            "docs/x.md:3: y.md: there is no docs/y.md",
            "docs/x.md:3: ../README.md#nothing: README.md has no heading #nothing",
            "docs/x.md:4: [z] is not defined",
        ]
    );
}

/// What a reader never reaches may as well not be there.
#[test]
fn every_page_is_linked_from_the_readme() {
    let readme = document("README.md");
    for page in for_users().iter().skip(1) {
        let path = page.path.display();
        assert!(
            readme.text.contains(&format!("]({path}")),
            "README.md has no link to {path}"
        );
    }
}

/// Names of source files go out of date first, and in silence.
#[test]
fn every_source_file_that_is_named_exists() {
    let mut files = Vec::new();
    for folder in ["src", "tests/it", "tests/sandbox/src"] {
        list(&root().join(folder), &mut files);
    }
    for page in ["ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = document(page).text;
        let words = text.split('`').skip(1).step_by(2);
        for name in words.filter(|word| Path::new(word).extension().is_some_and(|end| end == "rs")) {
            // The examples of CONTRIBUTING are not there.
            if ["foo.rs", "mod.rs", "greet.rs"]
                .iter()
                .any(|example| name.ends_with(example))
            {
                continue;
            }
            let named = files.iter().any(|file| file.ends_with(name));
            assert!(named, "{page} names {name}");
        }
    }
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(&path, files);
        } else {
            files.push(path);
        }
    }
}
