//! What a source file of the product names, outside its tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::{ItemUse, UseTree, Visibility};

/// The crates that count as modules.
const CRATES: [&str; 4] = ["clap", "kube", "reqwest", "tokio"];

/// A file of `src` and what it names.
pub(super) struct Source {
    /// Below `src`: `plan/need.rs`.
    pub(super) file: String,
    /// `["plan", "need"]`.
    pub(super) module: Vec<String>,
    /// What it names of this package and of the crates that count.
    pub(super) knows: Vec<Known>,
    /// What it names of the standard library, without `std`.
    pub(super) std: Vec<Vec<String>>,
}

/// Something that a file names.
pub(super) struct Known {
    room: String,
    /// The file that defines it, if it is of this package.
    pub(super) file: Option<String>,
}

impl Known {
    pub(super) fn room(&self) -> &str {
        &self.room
    }
}

/// The files of `src` but for those of tests.
pub(super) fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    list(&root, &mut files);
    let parsed: BTreeMap<Vec<String>, Parsed> = files
        .iter()
        .map(|path| {
            let file = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            let module: Vec<String> = file
                .strip_suffix(".rs")
                .unwrap()
                .split('/')
                .filter(|name| *name != "lib")
                .map(str::to_owned)
                .collect();
            let tokens: TokenStream = fs::read_to_string(path).unwrap().parse().unwrap();
            let mut parsed = Parsed {
                file,
                ..Parsed::default()
            };
            parsed.read(tokens);
            (module, parsed)
        })
        .collect();
    assert!(parsed.len() > 100);
    parsed
        .iter()
        // The root of the package declares all modules and uses none.
        .filter(|(module, _)| !module.is_empty() && module[0] != "main")
        .map(|(module, file)| Source {
            file: file.file.clone(),
            module: module.clone(),
            knows: file
                .paths
                .iter()
                .filter_map(|path| known(module, path, &parsed))
                .collect(),
            std: file
                .paths
                .iter()
                .filter(|path| path[0] == "std" && path.len() > 1)
                .map(|path| path[1..].to_vec())
                .collect(),
        })
        .collect()
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        // These are declared for tests alone.
        if ["tests", "fixture"].contains(&name) {
            continue;
        }
        if path.is_dir() {
            list(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// The paths of a file as they are written.
#[derive(Default)]
struct Parsed {
    file: String,
    /// What it names, whether imported or in place.
    paths: Vec<Vec<String>>,
    /// The names that its `use` lines bring into scope, with their paths.
    names: BTreeMap<String, Vec<String>>,
}

impl Parsed {
    fn read(&mut self, tokens: TokenStream) {
        let mut tokens = tokens.into_iter().peekable();
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        let mut visibility = TokenStream::new();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Punct(ref punct) if punct.as_char() == ':' && !path.is_empty() => {
                    colons += 1;
                    continue;
                }
                TokenTree::Ident(ref ident) if ident == "use" => {
                    let mut item = std::mem::take(&mut visibility);
                    item.extend([token]);
                    for token in tokens.by_ref() {
                        let ends = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == ';');
                        item.extend([token]);
                        if ends {
                            break;
                        }
                    }
                    self.import(item);
                }
                TokenTree::Ident(ref ident) => {
                    if colons == 2 {
                        path.push(ident.to_string());
                    } else {
                        self.end(&mut path);
                        path.push(ident.to_string());
                    }
                    visibility = TokenStream::new();
                    if ident == "pub" {
                        visibility.extend([token]);
                    }
                    colons = 0;
                    continue;
                }
                TokenTree::Group(ref group) => {
                    let is_attribute = group.delimiter() == Delimiter::Bracket;
                    if is_attribute && group.stream().to_string() == "cfg (test)" {
                        skip_item(&mut tokens);
                    } else if path == ["pub"] {
                        visibility.extend([token]);
                    } else {
                        self.read(group.stream());
                    }
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            self.end(&mut path);
            colons = 0;
        }
        self.end(&mut path);
    }

    fn end(&mut self, path: &mut Vec<String>) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.paths.push(path);
        }
    }

    fn import(&mut self, item: TokenStream) {
        let item: ItemUse = syn::parse2(item).unwrap();
        let mut leaves = Vec::new();
        flatten(&item.tree, &mut Vec::new(), &mut leaves);
        for (name, path) in leaves {
            // A module that hands on what another defines does not use it.
            if matches!(item.vis, Visibility::Inherited) {
                self.paths.push(path.clone());
            }
            self.names.insert(name, path);
        }
    }
}

/// Skips what an attribute stands before.
fn skip_item(tokens: &mut impl Iterator<Item = TokenTree>) {
    for token in tokens {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ';' => return,
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => return,
            _ => {}
        }
    }
}

fn flatten(tree: &UseTree, prefix: &mut Vec<String>, leaves: &mut Vec<(String, Vec<String>)>) {
    let mut leaf = |name: String, last: String, prefix: &[String]| {
        let mut path = prefix.to_vec();
        if last != "self" {
            path.push(last);
        }
        leaves.push((
            if name == "self" {
                path[path.len() - 1].clone()
            } else {
                name
            },
            path,
        ));
    };
    match tree {
        UseTree::Path(path) => {
            prefix.push(path.ident.to_string());
            flatten(&path.tree, prefix, leaves);
            prefix.pop();
        }
        UseTree::Name(name) => leaf(name.ident.to_string(), name.ident.to_string(), prefix),
        UseTree::Rename(rename) => leaf(rename.rename.to_string(), rename.ident.to_string(), prefix),
        UseTree::Glob(_) => leaf("*".to_owned(), "*".to_owned(), prefix),
        UseTree::Group(group) => {
            for tree in &group.items {
                flatten(tree, prefix, leaves);
            }
        }
    }
}

type Files = BTreeMap<Vec<String>, Parsed>;

/// What a path means that is written in `module`.
fn known(module: &[String], path: &[String], files: &Files) -> Option<Known> {
    // A module of this package may have the name of a crate.
    let local = absolute(module, path, files);
    if local.is_none() && CRATES.contains(&path[0].as_str()) {
        return Some(Known {
            room: path[0].clone(),
            file: None,
        });
    }
    let defined = definition(&local?, files, 0)?;
    Some(Known {
        room: defined.0.first()?.clone(),
        file: Some(defined.1.clone()),
    })
}

/// A path from the root of the package; `None` if it begins elsewhere.
fn absolute(module: &[String], path: &[String], files: &Files) -> Option<Vec<String>> {
    let supers = path.iter().take_while(|name| *name == "super").count();
    let (base, rest) = match path[0].as_str() {
        "crate" => (&module[..0], &path[1..]),
        "self" => (module, &path[1..]),
        "super" => (module.get(..module.len().checked_sub(supers)?)?, &path[supers..]),
        first => {
            // The name of a crate may be that of a module which the file imports.
            if let Some(imported) = files[module]
                .names
                .get(first)
                .filter(|imported| imported.as_slice() != path)
            {
                let base = absolute(module, imported, files)?;
                return Some([&base, &path[1..]].concat());
            }
            let mut child = module.to_vec();
            child.push(first.to_owned());
            if !files.contains_key(&child) {
                return None;
            }
            (module, path)
        }
    };
    Some([base, rest].concat())
}

/// The module and file that define what an absolute path names.
fn definition<'a>(path: &[String], files: &'a Files, depth: usize) -> Option<(Vec<String>, &'a String)> {
    assert!(depth < 20, "{} leads to itself", path.join("::"));
    let length = (0..=path.len())
        .rev()
        .find(|length| files.contains_key(&path[..*length]))?;
    let (module, rest) = path.split_at(length);
    let file = &files[module];
    if let Some(imported) = rest.first().and_then(|name| file.names.get(name))
        && let Some(imported) = absolute(module, imported, files)
    {
        return definition(&[&imported, &rest[1..]].concat(), files, depth + 1);
    }
    Some((module.to_vec(), &file.file))
}
