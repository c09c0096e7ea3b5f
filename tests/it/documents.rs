//! The documents for users, and what they show.

use std::fs;
use std::path::{Path, PathBuf};

/// One file in Markdown.
pub(crate) struct Document {
    /// Its path from the root of the repository.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// A piece of a document.
pub(crate) enum Part<'a> {
    /// Text, with its line number.
    Line(usize, &'a str),
    /// A fenced block: its language and its content.
    Block(&'a str, String),
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares a file of the repository with what it has to contain, or writes it
/// again with `UPDATE=1`. `tests` selects the tests that do so.
pub(crate) fn is_current(path: &str, fresh: &str, tests: &str) {
    let file = root().join(path);
    #[expect(clippy::disallowed_methods, reason = "the switch for writing it again")]
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, fresh).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == fresh,
        "{path} is stale; write it again with: UPDATE=1 cargo test --test it -- {tests}"
    );
}

pub(crate) fn document(path: &str) -> Document {
    Document {
        path: path.into(),
        text: fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}")),
    }
}

/// README.md and everything in docs/.
pub(crate) fn for_users() -> Vec<Document> {
    let files = fs::read_dir(root().join("docs")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut pages: Vec<String> = names
        .filter_map(|name| Some(format!("docs/{}.md", name.strip_suffix(".md")?)))
        .collect();
    pages.sort_unstable();
    let paths = std::iter::once("README.md".to_owned()).chain(pages);
    paths.map(|path| document(&path)).collect()
}

impl Document {
    pub(crate) fn parts(&self) -> Vec<Part<'_>> {
        let mut parts = Vec::new();
        let mut block: Option<(&str, String)> = None;
        for (at, line) in self.text.lines().enumerate() {
            match (block.take(), line.strip_prefix("```")) {
                (None, Some(language)) => block = Some((language, String::new())),
                (None, None) => parts.push(Part::Line(at + 1, line)),
                (Some((language, content)), Some(_)) => parts.push(Part::Block(language, content)),
                (Some((language, content)), None) => block = Some((language, content + line + "\n")),
            }
        }
        assert!(block.is_none(), "{}: a block without an end", self.path.display());
        parts
    }

    /// The text outside of blocks, by lines.
    pub(crate) fn prose(&self) -> Vec<(usize, &str)> {
        let lines = self.parts().into_iter().filter_map(|part| match part {
            Part::Line(at, line) => Some((at, line)),
            Part::Block(..) => None,
        });
        lines.collect()
    }

    /// The commands in the console blocks, each in one text.
    pub(crate) fn commands(&self) -> Vec<String> {
        let blocks = self.parts().into_iter().filter_map(|part| match part {
            Part::Block("console", content) => Some(content),
            _ => None,
        });
        blocks.flat_map(|block| commands(&block)).collect()
    }
}

/// The commands of one console block. A command continues while a quote is
/// open or its line ends in a backslash or a pipe.
fn commands(block: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut open: Option<String> = None;
    for line in block.lines() {
        let mut command = match (open.take(), line.strip_prefix("$ ")) {
            (Some(begun), _) => begun + "\n" + line,
            (None, Some(begun)) => begun.to_owned(),
            (None, None) => continue,
        };
        let continues = command.matches('\'').count() % 2 == 1 || line.ends_with(['\\', '|']);
        if continues {
            open = Some(command);
        } else {
            command.truncate(command.trim_end().len());
            commands.push(command);
        }
    }
    assert_eq!(open, None, "a command without an end");
    commands
}

#[test]
fn a_command_may_have_several_lines() {
    let text = "```console\n$ a 'b\n  c' | jq .\nan output\n$ d \\\n    e\n```\n$ none\n```text\n$ g\n```\n```console\n$ f |\n  g\n```\n";
    let document = Document {
        path: "x.md".into(),
        text: text.to_owned(),
    };
    assert_eq!(
        document.commands(),
        ["a 'b\n  c' | jq .", "d \\\n    e", "f |\n  g"]
    );
    assert_eq!(document.prose(), [(8, "$ none")]);
}
