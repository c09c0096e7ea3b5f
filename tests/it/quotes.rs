//! What docs/troubleshooting.md quotes is what the program prints.

use std::fs;
use std::path::Path;

use crate::documents::{document, root};

/// The sources, with every text in one line.
fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            let mut lines = source.lines();
            while let Some(line) = lines.next() {
                let mut line = line.to_owned();
                while line.ends_with('\\') {
                    line.pop();
                    line += lines.next().unwrap_or_default().trim_start();
                }
                *text += &line;
                text.push('\n');
            }
        }
    }
}

/// A quote without the names in it, which are in capitals.
fn fixed_parts(quote: &str) -> Vec<String> {
    let is_name = |word: &str| {
        let word = word.rsplit('/').next().unwrap_or(word);
        word.len() > 2 && word.chars().all(|letter| letter.is_ascii_uppercase())
    };
    let mut parts = vec![String::new()];
    for word in quote.split(' ') {
        if is_name(word) {
            parts.push(String::new());
        } else {
            let part = parts.last_mut().unwrap();
            if !part.is_empty() {
                part.push(' ');
            }
            *part += word;
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

#[test]
fn every_quoted_message_is_in_the_sources() {
    let mut text = String::new();
    sources(&root().join("src"), &mut text);
    let page = document("docs/troubleshooting.md");
    let quotes: Vec<&str> = page
        .prose()
        .into_iter()
        .filter(|(_, line)| line.starts_with("### `"))
        .flat_map(|(_, line)| line.split('`').skip(1).step_by(2))
        .collect();
    assert!(quotes.len() > 30, "only {} quotes were found", quotes.len());
    let missing: Vec<&str> = quotes
        .into_iter()
        // What Kubernetes says is not ours.
        .filter(|quote| *quote != "is forbidden")
        .filter(|quote| !fixed_parts(quote).iter().all(|part| text.contains(part.as_str())))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn names_are_left_out_of_a_quote() {
    assert_eq!(
        fixed_parts("deployment.apps/NAME in namespace NAME is not in FILE"),
        ["in namespace", "is not in"]
    );
}
