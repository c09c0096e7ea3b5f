//! What differs between an object as it is and as it is wanted.

use serde_json::Value;
use similar::TextDiff;

use crate::error::Result;
use crate::yaml::to_yaml;

/// What stands in the place of a secret.
const HIDDEN: &str = "(hidden)";
const CHANGED: &str = "(hidden, another than before)";

/// The differences as `diff -u` shows them; nothing where there are none. What
/// the API server notes about an object is left out, and no secret is shown.
pub fn unified(before: Option<&Value>, after: &Value, name: &str) -> Result<String> {
    let mut new = tidied(after);
    let mut old = before.map(tidied);
    hide_data(old.as_mut(), &mut new);
    let old = old.as_ref().map(to_yaml).transpose()?.unwrap_or_default();
    let new = to_yaml(&new)?;
    let diff = TextDiff::from_lines(&old, &new);
    let (from, to) = (format!("live/{name}"), format!("wanted/{name}"));
    Ok(diff.unified_diff().header(&from, &to).to_string())
}

/// Whether two answers of the API server are of the same object.
pub fn same(one: &Value, other: &Value) -> bool {
    bare(one) == bare(other)
}

/// An object without what the API server notes about it.
fn bare(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(meta) = object["metadata"].as_object_mut() {
        for noted in [
            "managedFields",
            "resourceVersion",
            "generation",
            "uid",
            "creationTimestamp",
        ] {
            meta.remove(noted);
        }
    }
    object
}

fn tidied(object: &Value) -> Value {
    let mut object = bare(object);
    if let Some(annotations) = object
        .pointer_mut("/metadata/annotations")
        .and_then(Value::as_object_mut)
    {
        // It repeats the whole object, secrets and all.
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        if annotations.is_empty()
            && let Some(meta) = object["metadata"].as_object_mut()
        {
            meta.remove("annotations");
        }
    }
    let containers = object.pointer_mut("/spec/jobTemplate/spec/template/spec/containers");
    for container in containers.and_then(Value::as_array_mut).into_iter().flatten() {
        hide_variables(container);
        hide_arguments(container);
    }
    object
}

/// The old script took the client secret from a variable.
fn hide_variables(container: &mut Value) {
    for variable in container["env"].as_array_mut().into_iter().flatten() {
        let name = variable["name"].as_str().unwrap_or_default();
        let secret = ["SECRET", "PASSWORD"].iter().any(|word| name.contains(word));
        // This one has the name of a Secret.
        if secret && !name.ends_with("TOKEN_SECRET") && variable.get("value").is_some() {
            variable["value"] = HIDDEN.into();
        }
    }
}

/// It took it from the command line too.
fn hide_arguments(container: &mut Value) {
    for words in ["command", "args"] {
        let mut follows = false;
        for word in container[words].as_array_mut().into_iter().flatten() {
            let text = word.as_str().unwrap_or_default().to_owned();
            if follows {
                *word = HIDDEN.into();
            } else if let Some((flag, _)) = text.split_once('=')
                && flag.trim_start_matches('-') == "client-secret"
            {
                *word = format!("{flag}={HIDDEN}").into();
            }
            follows = text == "-p" || text.trim_start_matches('-') == "client-secret";
        }
    }
    // Neither was there, and a null would be shown.
    if let Some(container) = container.as_object_mut() {
        container.retain(|_, value| !value.is_null());
    }
}

/// Of a Secret only whether a value is another one is shown.
fn hide_data(old: Option<&mut Value>, new: &mut Value) {
    if new["kind"] != "Secret" {
        return;
    }
    let nothing = &mut Value::Null;
    let old = old.unwrap_or(nothing);
    let before = old["data"].clone();
    for (key, value) in new["data"].as_object_mut().into_iter().flatten() {
        let changed = before.get(key).is_some_and(|before| before != value);
        *value = if changed { CHANGED } else { HIDDEN }.into();
    }
    for (_, value) in old["data"].as_object_mut().into_iter().flatten() {
        *value = HIDDEN.into();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secret(value: &str) -> Value {
        json!({"kind": "Secret", "metadata": {"name": "s", "resourceVersion": value}, "data": {"k": value}})
    }

    #[test]
    fn no_secret_is_shown_but_that_it_changes() {
        assert_eq!(unified(Some(&secret("one")), &secret("one"), "s").unwrap(), "");
        let changed = unified(Some(&secret("one")), &secret("two"), "s").unwrap();
        assert!(
            changed.contains("+  k: (hidden, another than before)"),
            "{changed}"
        );
        assert!(!changed.contains("one") && !changed.contains("two"), "{changed}");
        let created = unified(None, &secret("one"), "s").unwrap();
        assert!(
            created.contains("+  k: (hidden)") && !created.contains("one"),
            "{created}"
        );
    }

    #[test]
    fn the_clear_secrets_of_the_article_are_hidden() {
        let container = json!({"name": "update-token", "args": ["-p", "hush", "--client-secret=hush"], "env": [
            {"name": "SP_SECRET", "value": "hush"}, {"name": "TOKEN_SECRET", "value": "gw-token"}]});
        let spec = json!({"jobTemplate": {"spec": {"template": {"spec": {"containers": [container]}}}}});
        let meta = json!({"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "hush"}});
        let object = json!({"kind": "CronJob", "metadata": meta, "spec": spec});
        let shown = unified(Some(&object), &json!({}), "c").unwrap();
        assert!(!shown.contains("hush"), "{shown}");
        assert!(
            shown.contains("gw-token") && shown.contains("SP_SECRET"),
            "{shown}"
        );
    }

    #[test]
    fn what_the_server_notes_is_no_difference() {
        assert!(same(
            &json!({"metadata": {"generation": 1}, "spec": 1, "status": 1}),
            &json!({"metadata": {"generation": 2}, "spec": 1})
        ));
        assert!(!same(
            &json!({"metadata": {}, "spec": 1}),
            &json!({"metadata": {}, "spec": 2})
        ));
    }
}
