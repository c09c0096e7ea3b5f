//! What an object refers to, and what refers to an object.

use std::collections::BTreeSet;

use serde_json::Value;

use super::ObjectKind;

/// A use of an object by something else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    pub of: (ObjectKind, String),
    /// What uses it, as `kubectl -o name` prints it.
    pub by: String,
}

/// The objects that a document refers to by name, wherever it does.
pub fn references(document: &Value) -> BTreeSet<(ObjectKind, String)> {
    let mut found = BTreeSet::new();
    walk(document, &mut found);
    found
}

fn walk(value: &Value, found: &mut BTreeSet<(ObjectKind, String)>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
        Value::Object(fields) => {
            if let Some(name) = fields.get("resourceNames")
                && let Some(resources) = fields.get("resources").and_then(Value::as_array)
                && resources.iter().any(|resource| resource == "secrets")
            {
                add(ObjectKind::Secret, name, found);
            }
            for (field, value) in fields {
                match field.as_str() {
                    "secretName" => add(ObjectKind::Secret, value, found),
                    "secretRef" | "secretKeyRef" | "secret" => add(ObjectKind::Secret, &value["name"], found),
                    "imagePullSecrets" => {
                        let secrets = value.as_array().into_iter().flatten();
                        secrets.for_each(|secret| add(ObjectKind::Secret, &secret["name"], found));
                    }
                    "serviceAccountName" => add(ObjectKind::ServiceAccount, value, found),
                    "roleRef" if value["kind"] == "Role" => add(ObjectKind::Role, &value["name"], found),
                    _ => {}
                }
                walk(value, found);
            }
        }
        _ => {}
    }
}

fn add(kind: ObjectKind, names: &Value, found: &mut BTreeSet<(ObjectKind, String)>) {
    let several = names.as_array().into_iter().flatten();
    let names = several.chain([names]).filter_map(Value::as_str);
    found.extend(names.map(|name| (kind, name.to_owned())));
}
