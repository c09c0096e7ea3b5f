//! docs/cli.md, made of the help of every command.

use std::fmt::Write as _;
use std::process::{Command, Stdio};

use crate::documents::is_current;

const PAGE: &str = "docs/cli.md";

const INTRODUCTION: &str = "\
# CLI reference

Every command with every flag, as `--help` prints them. This page is made from the program.

`-h` prints a short help and `--help` a long one. Flags come after `apim`, because kubectl takes none before the name of
a plugin. [Variables](rotate.md#flags-and-variables) can set them too.

";

/// The help of one command.
#[derive(Debug, Default, PartialEq)]
struct Help {
    about: String,
    usage: String,
    examples: String,
    sections: Vec<Section>,
    /// Exit codes and the like.
    more: String,
}

#[derive(Debug, PartialEq)]
struct Section {
    title: String,
    entries: Vec<Entry>,
}

/// A flag, an argument or a command, and what it is for.
#[derive(Debug, Default, PartialEq)]
struct Entry {
    name: String,
    text: String,
}

/// The help of the command with these words. It is as wide as it gets: where a
/// line ends must not depend on a terminal.
fn help(words: &[String]) -> Help {
    let output = Command::new(env!("CARGO_BIN_EXE_kubectl-apim"))
        .args(words)
        .arg("--help")
        .env_clear()
        .env("COLUMNS", "100000")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    parse(&String::from_utf8(output.stdout).unwrap())
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Whether a line is the title of a list of flags, arguments or commands.
fn title(line: &str) -> Option<&str> {
    let title = line.strip_suffix(':')?;
    let is_list = matches!(title, "Commands" | "Arguments") || title.to_lowercase().ends_with("options");
    (is_list && indent(line) == 0).then_some(title)
}

fn parse(text: &str) -> Help {
    let (about, rest) = text.split_once("\nUsage: ").expect("a help has a usage");
    let (usage, rest) = rest.split_once('\n').unwrap();
    let (about, examples) = about.split_at(about.find("\nExamples:\n").unwrap_or(about.len()));
    let mut help = Help {
        about: about.trim().to_owned(),
        usage: usage.to_owned(),
        examples: examples.trim().to_owned(),
        ..Help::default()
    };
    let mut lines = rest.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(title) = title(line) {
            help.sections.push(Section {
                title: title.to_owned(),
                entries: Vec::new(),
            });
        } else if indent(line) == 0 && !line.is_empty() {
            help.more = lines.fold(line.to_owned(), |more, line| more + "\n" + line);
            break;
        } else if let Some(section) = help.sections.last_mut() {
            section.take(line);
        } else {
            assert_eq!(line, "", "something before the first list");
        }
    }
    help.more.truncate(help.more.trim_end().len());
    help
}

impl Section {
    /// Adds one line of the help.
    fn take(&mut self, line: &str) {
        /// Where clap begins what an entry is for.
        const TEXT: usize = 10;
        let is_text = indent(line) >= TEXT || line.trim().is_empty();
        if let (true, Some(entry)) = (is_text, self.entries.last_mut()) {
            entry.text += line.get(TEXT..).unwrap_or_default();
            entry.text.push('\n');
        } else if !is_text {
            let (name, text) = match self.title.as_str() {
                "Commands" => line.trim().split_once("  ").unwrap_or((line.trim(), "")),
                _ => (line.trim(), ""),
            };
            self.entries.push(Entry {
                name: name.to_owned(),
                text: text.trim().to_owned(),
            });
        }
    }
}

/// Text of the help in which Markdown sees nothing of its own.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for (at, piece) in text.split('`').enumerate() {
        if at > 0 {
            escaped.push('`');
        }
        for letter in piece.chars() {
            if at % 2 == 0 && matches!(letter, '<' | '*' | '[' | ']') {
                escaped.push('\\');
            }
            escaped.push(letter);
        }
    }
    escaped
}

/// An entry as an item of a list.
fn item(entry: &Entry) -> String {
    let mut paragraphs = Vec::new();
    let mut values = Vec::new();
    let mut remarks = String::new();
    for line in entry.text.lines() {
        let remark = line.strip_prefix('[').and_then(|line| line.strip_suffix(']'));
        if let Some((what, value)) = remark.and_then(|remark| remark.split_once(": ")) {
            let what = if what == "default" { "Default" } else { "One of" };
            let listed: Vec<String> = value.split(", ").map(|value| format!("`{value}`")).collect();
            let _ = write!(remarks, " {what}: {}.", listed.join(", "));
        } else if let Some((name, meaning)) = line.strip_prefix("- ").and_then(|line| line.split_once(':')) {
            values.push(format!("  - `{name}`: {}\n", escaped(meaning.trim())));
        } else if line != "Possible values:" && !line.is_empty() {
            paragraphs.push(escaped(line));
        }
    }
    if let Some(first) = paragraphs.first_mut()
        && !remarks.is_empty()
    {
        let stop = if first.ends_with('.') { "" } else { "." };
        *first = format!("{first}{stop}{remarks}");
    }
    let text = paragraphs.join("\n\n  ");
    format!("- `{}`: {text}\n{}", entry.name, values.concat())
}

fn list(section: &Section) -> String {
    // Every command has it, and the introduction names it.
    let entries = section.entries.iter().filter(|entry| entry.name != "-h, --help");
    entries.map(item).collect()
}

/// The text below the flags: a block for each list, the rest as text.
fn more(text: &str) -> String {
    let blocks = text.split("\n\n").map(|block| {
        let (first, rest) = block.split_once('\n').unwrap_or((block, ""));
        match first.strip_suffix(':') {
            Some(title) if rest.starts_with("  ") => {
                let lines = rest.lines().map(|line| line.strip_prefix("  ").unwrap_or(line));
                let lines: Vec<&str> = lines.collect();
                format!("**{}:**\n\n```text\n{}\n```\n", escaped(title), lines.join("\n"))
            }
            _ => format!("{}\n", escaped(block)),
        }
    });
    blocks.collect::<Vec<_>>().join("\n")
}

/// The part of a command and of those below it. The sections that the program
/// itself lists are not repeated.
fn chapter(words: &[String], shared: &[Section]) -> String {
    let help = help(words);
    let name = if words.is_empty() {
        String::new()
    } else {
        format!(" {}", words.join(" "))
    };
    let mut text = format!(
        "## kubectl apim{name}\n\n{}\n\n```text\n{}\n```\n",
        escaped(&help.about),
        help.usage
    );
    let mut below = String::new();
    let mut has_shared = false;
    for section in &help.sections {
        if section.title == "Commands" {
            text += "\n**Commands:**\n\n";
            for entry in &section.entries {
                let words: Vec<String> = words.iter().chain([&entry.name]).cloned().collect();
                let full = format!("kubectl apim {}", words.join(" "));
                let anchor = full.replace(' ', "-");
                let _ = writeln!(text, "- [`{full}`](#{anchor}): {}", escaped(entry.text.trim()));
                below += "\n";
                below += &chapter(&words, if shared.is_empty() { &help.sections } else { shared });
            }
        } else if shared.contains(section) {
            has_shared = true;
        } else if words.is_empty() {
            let _ = write!(text, "\n### {}\n\n{}", section.title, list(section));
        } else {
            let entries = list(section);
            if !entries.is_empty() {
                let _ = write!(text, "\n**{}:**\n\n{entries}", section.title);
            }
        }
    }
    if has_shared {
        text += "\nAlso the [Kubernetes options](#kubernetes-options) and the [global options](#global-options).\n";
    }
    if !help.examples.is_empty() {
        let _ = write!(text, "\n{}", more(&help.examples));
    }
    if !help.more.is_empty() {
        let _ = write!(text, "\n{}", more(&help.more));
    }
    text + &below
}

fn page() -> String {
    INTRODUCTION.to_owned() + &chapter(&[], &[])
}

#[test]
fn the_reference_is_fresh() {
    is_current(PAGE, &page(), "reference");
}

#[test]
fn no_flag_is_lost() {
    let page = page();
    for words in [&["rotate"][..], &["status"], &["install-cronjob"], &["version"]] {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let entries = help(&words)
            .sections
            .into_iter()
            .flat_map(|section| section.entries);
        let flags: Vec<String> = entries.map(|entry| entry.name).collect();
        assert!(flags.len() > 15, "{words:?}: {flags:?}");
        for flag in flags.iter().filter(|flag| *flag != "-h, --help") {
            assert!(page.contains(&format!("- `{flag}`: ")), "{words:?}: {flag}");
        }
    }
}

#[test]
fn a_help_is_read_and_written_as_a_page() {
    let help = parse(
        "Do it\n\nWith <care>.\n\nExamples:\n  x do   it\n\nUsage: x do [OPTIONS] [T]...\n\nArguments:\n  [T]...\n          What\n\nOptions:\n  \
         -k, --key <KEY>\n          The key: a*, `b*`\n\n          Possible values:\n          - a: The *first*\n          \
         \n          [default: a]\n\n      --all\n          All\n          \n          [possible values: x, y]\n\n  -h, \
         --help\n          Print help\n\nBe careful.\n",
    );
    assert_eq!(help.about, "Do it\n\nWith <care>.");
    assert_eq!(help.usage, "x do [OPTIONS] [T]...");
    let titles: Vec<&str> = help
        .sections
        .iter()
        .map(|section| section.title.as_str())
        .collect();
    assert_eq!(titles, ["Arguments", "Options"]);
    assert_eq!(list(&help.sections[0]), "- `[T]...`: What\n");
    assert_eq!(
        list(&help.sections[1]),
        "- `-k, --key <KEY>`: The key: a\\*, `b*`. Default: `a`.\n  - `a`: The \\*first\\*\n- `--all`: All. One of: `x`, \
         `y`.\n"
    );
    assert_eq!(more(&help.examples), "**Examples:**\n\n```text\nx do   it\n```\n");
    assert_eq!(more(&help.more), "Be careful.\n");
}
