//! What may become of the record of field managers. Server-side apply removes each
//! field that the record assigns to its manager and that is no longer applied, so an
//! account that could write the record could have any field removed.

use std::collections::BTreeSet;

use k8s_openapi::api::admissionregistration::v1::{Validation, Variable};

use super::cel::{nothing_new, on_update, same, text, texts, variable};
use crate::model::annotation::{FIELD_MANAGER, MARKS_MANAGER};

/// Fields that the account may own.
pub(super) struct Ours {
    /// The path to the map with these fields, as the record spells it.
    pub path: &'static [&'static str],
    /// A condition on `k`, the name of a field as the record spells it.
    pub names: String,
}

impl Ours {
    /// The annotations below a path. The map itself is among them: it disappears with its
    /// last entry.
    pub(super) fn annotations(path: &'static [&'static str], names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(|name| format!("f:{name}")).collect();
        let mut all = vec!["."];
        all.extend(names.iter().map(String::as_str));
        Self {
            path,
            names: format!("k in {}", texts(&all)),
        }
    }
}

/// From this number of managers on, the API server merges the oldest updates into one
/// entry (apiserver, `DefaultMaxUpdateManagers`).
const MOST_UPDATES: usize = 10;

/// The name of that entry.
const MERGED: &str = "ancient-changes";

/// Why a change of the record is denied.
const DENIED: &str = "this account may not change the managed fields of others";

/// The variables of [`validations`].
pub(super) fn variables() -> Vec<Variable> {
    let entries = |object: &str| format!("dyn({object}).metadata.?managedFields.orValue([])");
    vec![
        variable("entries", &entries("object")),
        variable("oldEntries", &entries("oldObject")),
        variable(
            "mayMerge",
            &format!(
                "variables.oldEntries.filter(o, o.?operation.orValue('') == 'Update').size() >= {MOST_UPDATES}"
            ),
        ),
    ]
}

/// Entries of other managers stay or lose fields of ours. Ours gain no others.
/// `version` is the version of the API of the object: the API server drops entries of
/// versions that it does not have any more.
pub(super) fn validations(ours: &[Ours], version: &str) -> Vec<Validation> {
    let managers = texts(&[FIELD_MANAGER, MARKS_MANAGER]);
    let is_our = |entry: &str| format!("{entry}.?manager.orValue('') in {managers}");
    let is_update = |entry: &str| format!("{entry}.?operation.orValue('') == 'Update'");
    let same_entry = "n.?manager == o.?manager && n.?operation == o.?operation && n.?apiVersion == o.?apiVersion \
                      && n.?subresource == o.?subresource";
    let none = "dyn({})";
    let is_kept = format!("{same_entry} && n.?time == o.?time && {}", shrunk("n", "o", ours));
    let gained = format!(
        "{our} && {update} && ({grown} || variables.oldEntries.exists(o, {same_entry} && {grown_from}))",
        our = is_our("n"),
        update = is_update("n"),
        grown = grown("n", none, ours),
        grown_from = grown("n", "o", ours),
    );
    let merged = format!(
        "variables.mayMerge && {} && n.manager == {}",
        is_update("n"),
        text(MERGED)
    );
    vec![
        on_update(
            &format!(
                "variables.entries.all(n, ({gained}) || ({merged}) || variables.oldEntries.exists(o, {is_kept}))"
            ),
            DENIED,
        ),
        on_update(
            &format!(
                "variables.oldEntries.all(o, {our} || o.?apiVersion.orValue('') != {version} \
                 || (variables.mayMerge && {update}) || ({gone}) || variables.entries.exists(n, {is_kept}))",
                our = is_our("o"),
                update = is_update("o"),
                version = text(version),
                gone = shrunk(none, "o", ours),
            ),
            DENIED,
        ),
    ]
}

/// The fields of an entry are those of another one, or fewer of ours.
fn shrunk(new: &str, old: &str, ours: &[Ours]) -> String {
    compare(new, old, ours, &[], &|new, old, ours| match ours {
        Part::Leaf(names) => format!("{new}.all(k, k in {old}) && {old}.all(k, {names} || k in {new})"),
        Part::Node(children) => same(new, old, children),
    })
}

/// The fields of an entry are those of another one, or fewer, or more of ours.
fn grown(new: &str, old: &str, ours: &[Ours]) -> String {
    compare(new, old, ours, &[], &|new, old, ours| match ours {
        Part::Leaf(names) => format!("{new}.all(k, {names} || k in {old})"),
        Part::Node(children) => nothing_new(new, old, children),
    })
}

/// A map in the record. Its text is a condition on `k`.
enum Part<'a> {
    /// With these fields of ours.
    Leaf(&'a str),
    /// With maps that contain fields of ours further below.
    Node(&'a str),
}

/// Compares two entries at a path and below.
fn compare(
    new: &str,
    old: &str,
    ours: &[Ours],
    path: &[&str],
    expression: &impl Fn(&str, &str, &Part<'_>) -> String,
) -> String {
    let at = |entry: &str| {
        let steps: Vec<String> = path.iter().map(|step| format!("[?{}]", text(step))).collect();
        format!("{entry}.?fieldsV1{}.orValue({{}})", steps.concat())
    };
    if let Some(leaf) = ours.iter().find(|ours| ours.path == path) {
        return expression(&at(new), &at(old), &Part::Leaf(&leaf.names));
    }
    let below = ours.iter().filter(|ours| ours.path.starts_with(path));
    let children: BTreeSet<&str> = below
        .filter_map(|ours| ours.path.get(path.len()).copied())
        .collect();
    let names: Vec<&str> = children.iter().copied().collect();
    let here = expression(
        &at(new),
        &at(old),
        &Part::Node(&format!("k in {}", texts(&names))),
    );
    let mut all = vec![here];
    for child in children {
        let path = [path, &[child]].concat();
        all.push(compare(new, old, ours, &path, expression));
    }
    all.join(" && ")
}
