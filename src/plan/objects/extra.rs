//! The fields that an object has beyond those that are wanted.

use serde_json::Value;

/// The paths below `path` at which `actual` has something else than `wanted`, such as
/// `spec.volumes[data]`. Values are not part of it, since they may be secrets.
pub fn extra_fields(path: &str, wanted: &Value, actual: &Value) -> Vec<String> {
    match (wanted, actual) {
        (Value::Object(wanted), Value::Object(actual)) => {
            let fields = actual.iter();
            fields
                .flat_map(|(name, value)| within(&format!("{path}.{name}"), wanted.get(name), value))
                .collect()
        }
        (Value::Array(wanted), Value::Array(actual)) if actual.iter().all(|item| name(item).is_some()) => {
            let items = actual.iter();
            items
                .flat_map(|item| {
                    let same = wanted.iter().find(|wanted| name(wanted) == name(item));
                    within(&format!("{path}[{}]", name(item).unwrap_or_default()), same, item)
                })
                .collect()
        }
        (wanted, actual) if wanted == actual => Vec::new(),
        _ => vec![path.to_owned()],
    }
}

fn within(path: &str, wanted: Option<&Value>, actual: &Value) -> Vec<String> {
    match wanted {
        Some(wanted) => extra_fields(path, wanted, actual),
        None => vec![path.to_owned()],
    }
}

fn name(item: &Value) -> Option<&str> {
    item["name"].as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_beyond_the_wanted_fields_is_named_without_values() {
        let wanted = json!({"a": 1, "list": [{"name": "x", "v": 1}], "args": ["a"]});
        let actual = json!({"a": 1, "more": {"k": "hush"}, "list": [{"name": "x", "v": 2}, {"name": "y"}],
            "args": ["b"]});
        let mut extra = extra_fields("spec", &wanted, &actual);
        extra.sort();
        assert_eq!(
            extra,
            ["spec.args", "spec.list[x].v", "spec.list[y]", "spec.more"]
        );
        assert!(extra_fields("spec", &wanted, &wanted).is_empty());
    }
}
