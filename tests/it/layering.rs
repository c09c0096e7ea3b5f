//! Which module may know which: the rules of the layout that no compiler
//! checks. The same table is in `ARCHITECTURE.md`.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use source::{Source, sources};

/// The modules, with what each is and what it knows. `clap`, `kube`, `reqwest`
/// and `tokio` count as modules; other crates may be used anywhere.
const MODULES: &[(&str, &str, &[&str])] = &[
    (
        "apply",
        "the order of the effects, and the effects",
        &[
            "azure",
            "cluster",
            "discover",
            "error",
            "interrupt",
            "kube",
            "model",
            "output",
            "plan",
            "retry",
            "tokio",
        ],
    ),
    (
        "azure",
        "Entra, Azure Resource Manager and Microsoft Graph",
        &[
            "clock",
            "environment",
            "error",
            "model",
            "reqwest",
            "retry",
            "tokio",
        ],
    ),
    (
        "cli",
        "what can be typed: clap types",
        &["clap", "environment", "model"],
    ),
    ("clock", "the time by a server", &[]),
    (
        "cluster",
        "Kubernetes",
        &[
            "clock",
            "environment",
            "error",
            "kube",
            "model",
            "retry",
            "tokio",
            "yaml",
        ],
    ),
    (
        "commands",
        "a short story for each command",
        &[
            "apply",
            "azure",
            "clap",
            "cli",
            "cluster",
            "discover",
            "environment",
            "error",
            "interrupt",
            "kube",
            "manifest",
            "model",
            "output",
            "plan",
            "report",
            "retry",
            "settings",
            "tokio",
            "yaml",
        ],
    ),
    (
        "discover",
        "the cluster and Azure as facts",
        &["azure", "cluster", "error", "kube", "model", "tokio"],
    ),
    ("environment", "the variables of the process", &[]),
    ("error", "the one error type, and the exit codes", &[]),
    (
        "interrupt",
        "what a signal ends, and what may have been written before it",
        &["error", "tokio"],
    ),
    (
        "logging",
        "the log on stderr",
        &["cli", "environment", "model", "output", "settings"],
    ),
    (
        "manifest",
        "what is installed, and the roles for it in Kubernetes and Azure, as objects",
        &["error", "model"],
    ),
    (
        "model",
        "the words of the product as plain data, requests among them",
        &[],
    ),
    (
        "output",
        "the one writer to stdout and stderr",
        &["error", "model"],
    ),
    ("plan", "decisions", &["error", "model"]),
    (
        "process",
        "the process from its arguments to its exit code",
        &[
            "clap",
            "cli",
            "commands",
            "environment",
            "error",
            "interrupt",
            "logging",
            "model",
            "output",
            "report",
            "script",
            "settings",
            "termination",
            "tokio",
        ],
    ),
    ("report", "results as text", &["error", "model", "plan", "yaml"]),
    ("retry", "the one policy of retries", &["tokio"]),
    (
        "script",
        "the old script's command line, in terms of ours",
        &["environment", "error", "model"],
    ),
    (
        "settings",
        "what was typed, checked and turned into requests",
        &[
            "azure",
            "clap",
            "cli",
            "cluster",
            "environment",
            "error",
            "manifest",
            "model",
            "output",
            "plan",
            "script",
        ],
    ),
    (
        "termination",
        "the pod's termination message",
        &["environment", "report"],
    ),
    ("yaml", "the YAML crate", &["error"]),
];

/// What a decision, a rendering or a word of the product must not touch.
const IMPURE: [&str; 8] = ["env", "fs", "io", "net", "os", "process", "thread", "time"];

#[test]
fn every_module_knows_what_the_table_says_and_no_more() {
    let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let sources = sources();
    for source in &sources {
        let known = found.entry(source.room()).or_default();
        known.extend(
            source
                .knows
                .iter()
                .map(source::Known::room)
                .filter(|room| *room != source.room()),
        );
    }
    let mut differences = String::new();
    for (room, known) in &found {
        let allowed = MODULES.iter().find(|(name, ..)| name == room);
        let Some((_, _, allowed)) = allowed else {
            let _ = writeln!(differences, "`{room}` is not in the table: {known:?}");
            continue;
        };
        for other in known.iter().filter(|other| !allowed.contains(other)) {
            let places = sources.iter().filter(|source| source.room() == *room);
            let places = places.filter(|source| source.knows.iter().any(|path| path.room() == *other));
            let places: Vec<&str> = places.map(|source| source.file.as_str()).collect();
            let _ = writeln!(
                differences,
                "`{room}` must not know `{other}`: {}",
                places.join(", ")
            );
        }
        for other in allowed.iter().filter(|other| !known.contains(*other)) {
            let _ = writeln!(differences, "`{room}` does not know `{other}` any more");
        }
    }
    for (room, ..) in MODULES.iter().filter(|(room, ..)| !found.contains_key(room)) {
        let _ = writeln!(differences, "`{room}` is in the table, but not in src");
    }
    assert!(differences.is_empty(), "\n{differences}");
}

#[test]
fn no_files_know_each_other_in_a_circle() {
    let edges: BTreeMap<String, BTreeSet<String>> = sources()
        .into_iter()
        .map(|source| {
            let files = source.knows.iter().filter_map(|path| path.file.clone());
            (
                source.file.clone(),
                files.filter(|file| *file != source.file).collect(),
            )
        })
        .collect();
    let cycles = cycles(&edges);
    assert!(cycles.is_empty(), "\n{}", cycles.join("\n"));
}

/// Decisions, renderings, manifests and plain data are functions of their
/// arguments.
#[test]
fn pure_modules_touch_neither_the_process_nor_the_clock() {
    for source in sources() {
        if !["manifest", "model", "plan", "report"].contains(&source.room()) {
            continue;
        }
        for path in &source.std {
            let crossed = IMPURE.contains(&path[0].as_str()) && path != &["time", "Duration"];
            assert!(!crossed, "{} uses std::{}", source.file, path.join("::"));
        }
    }
}

/// One file knows the YAML crate, so that the next one costs one file.
#[test]
fn one_file_names_the_yaml_crate() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let naming: Vec<String> = sources()
        .into_iter()
        .map(|source| source.file)
        .filter(|file| {
            fs::read_to_string(root.join(file))
                .unwrap()
                .contains("serde_yaml::")
        })
        .collect();
    assert_eq!(naming, ["yaml.rs"]);
}

/// `UPDATE=1` writes the table into the document.
#[test]
fn the_architecture_shows_the_table() {
    const BEGIN: &str = "<!-- The table is written by tests/it/layering.rs. -->\n";
    const END: &str = "<!-- End of the table. -->";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    let text = fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (shown, after) = rest.split_once(END).unwrap();
    let table = table();
    #[expect(
        clippy::disallowed_methods,
        reason = "the switch of the test, as in the others"
    )]
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(shown, table, "run it with UPDATE=1");
}

fn table() -> String {
    let mut text = "| module | what it is | knows |\n|---|---|---|\n".to_owned();
    for (room, what, known) in MODULES {
        let known: Vec<String> = known.iter().map(|other| format!("`{other}`")).collect();
        let _ = writeln!(text, "| `{room}` | {what} | {} |", known.join(", "));
    }
    text
}

/// The shortest circle through each file that is on one.
fn cycles(edges: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut found = BTreeMap::new();
    for start in edges.keys() {
        let mut from: BTreeMap<&str, &str> = BTreeMap::new();
        let mut queue = std::collections::VecDeque::from([start.as_str()]);
        while let Some(file) = queue.pop_front() {
            for next in edges.get(file).into_iter().flatten() {
                if next == start {
                    let mut circle = vec![file];
                    while let Some(previous) = from.get(circle[circle.len() - 1]) {
                        circle.push(previous);
                    }
                    circle.reverse();
                    let mut members = circle.clone();
                    members.sort_unstable();
                    let line = format!("{} -> {start}", circle.join(" -> "));
                    found.entry(members.join(" ")).or_insert(line);
                    queue.clear();
                    break;
                }
                if !from.contains_key(next.as_str()) {
                    from.insert(next, file);
                    queue.push_back(next);
                }
            }
        }
    }
    found.into_values().collect()
}

#[test]
fn a_circle_is_found() {
    let edges = |pairs: &[(&str, &[&str])]| {
        pairs
            .iter()
            .map(|(file, known)| {
                (
                    (*file).to_owned(),
                    known.iter().map(|it| (*it).to_owned()).collect(),
                )
            })
            .collect()
    };
    assert!(cycles(&edges(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])])).is_empty());
    assert_eq!(
        cycles(&edges(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])])),
        ["b -> c -> b"]
    );
}

impl Source {
    fn room(&self) -> &str {
        self.module.first().map_or("lib", String::as_str)
    }
}
