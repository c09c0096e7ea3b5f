//! What has changed about a gateway, in words.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use crate::model::request::ConnectionFlags;
use crate::report::status::json::Item;
use crate::report::status::rows::Row;

/// What a reader looks for first.
const FIRST: [&str; 4] = ["verdict", "expiresAt", "keySlot", "pods"];

/// It follows from the rest.
const LAST: &str = "fix";

impl Row {
    /// Compares everything that does not change with the time alone.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        self.timeless() == other.timeless()
    }

    /// Each value that differs from those before, such as `verdict Healthy -> StalePods, stale
    /// 0 -> 1`.
    pub(super) fn changes_since(&self, before: &Self) -> String {
        let [before, after] =
            [before, self].map(|row| serde_json::to_value(row.timeless()).unwrap_or_default());
        let mut found = Vec::new();
        for name in names(&before, &after) {
            if name != LAST || found.is_empty() {
                compare(&[name], field(&before, name), field(&after, name), &mut found);
            }
        }
        found.join(", ")
    }

    fn timeless(&self) -> Item<'_> {
        let mut item = self.item(&ConnectionFlags::default(), Timestamp::UNIX_EPOCH);
        item.reason = "";
        item.expires_in_seconds = None;
        item.unprotected = item.unprotected.map(|_| "");
        if let Some(cron_job) = &mut item.cron_job {
            cron_job.next_run = None;
        }
        item
    }
}

/// The fields of either one, in the order in which they are told.
fn names<'a>(before: &'a Value, after: &'a Value) -> Vec<&'a str> {
    let all = [before, after].into_iter().filter_map(Value::as_object);
    let all: BTreeSet<&str> = all.flat_map(|fields| fields.keys()).map(String::as_str).collect();
    let mut names: Vec<&str> = all.into_iter().collect();
    names.sort_by_key(|name| {
        let rank = FIRST.iter().position(|first| first == name);
        (*name == LAST, rank.unwrap_or(FIRST.len()))
    });
    names
}

fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

fn compare(path: &[&str], before: &Value, after: &Value, found: &mut Vec<String>) {
    if before == after {
        return;
    }
    if before.is_object() && after.is_object() {
        for name in names(before, after) {
            let path = [path, &[name]].concat();
            compare(&path, field(before, name), field(after, name), found);
        }
        return;
    }
    let label = label(path);
    let [was, is] = texts(before, after);
    found.push(if was == is {
        format!("{label} changed")
    } else {
        format!("{label} {was} -> {is}")
    });
}

/// `stale` for `pods.stale`, `cronjob last run` for `cronJob.lastRun`.
fn label(path: &[&str]) -> String {
    let path = match path {
        ["pods", name] => &[*name],
        path => path,
    };
    let mut label = String::new();
    for character in path.join(" ").replace("cronJob", "cronjob").chars() {
        if character.is_ascii_uppercase() {
            label.push(' ');
        }
        label.push(character.to_ascii_lowercase());
    }
    label
}

/// Both values; of lists of different lengths these.
fn texts(before: &Value, after: &Value) -> [String; 2] {
    if let (Value::Array(before), Value::Array(after)) = (before, after)
        && before.len() != after.len()
    {
        return [before.len().to_string(), after.len().to_string()];
    }
    [before, after].map(text)
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "<none>".to_owned(),
        // It says how much time is left, so that only its presence counts.
        Value::String(text) if text.is_empty() => "yes".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join("+"),
        Value::Object(fields) => {
            let named = ["name", "part", "state"]
                .iter()
                .filter_map(|name| fields.get(*name));
            named.map(text).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}
