//! What differs between an object as it is and as it is wanted.

use serde_json::Value;
use similar::TextDiff;

use crate::error::Result;
use crate::model::annotation::LAST_APPLIED;
use crate::model::{Object, ObjectKind};
use crate::plan::{bare, is_harmless};
use crate::yaml::to_yaml;

/// What is shown instead of a text that could be a secret.
const HIDDEN: &str = "(hidden)";
const CHANGED: &str = "(hidden, changed)";

/// The differences as `diff -u` shows them, empty if there are none. What the
/// API server records about an object is left out, and of all texts only those
/// are shown that are known to be harmless.
pub(super) fn unified(before: Option<&Object>, after: &Object) -> Result<String> {
    let old = before.map(|object| tidied(object.document()));
    let new = tidied(after.document());
    let kind = after.kind();
    let shown_old = old.as_ref().map(|old| shown(kind, old, None));
    let shown_new = shown(kind, &new, old.as_ref());
    let old = shown_old.as_ref().map(to_yaml).transpose()?.unwrap_or_default();
    let new = to_yaml(&shown_new)?;
    let diff = TextDiff::from_lines(&old, &new);
    let name = after.reference();
    let (from, to) = (format!("live/{name}"), format!("wanted/{name}"));
    Ok(diff.unified_diff().header(&from, &to).to_string())
}

fn tidied(object: &Value) -> Value {
    let mut object = bare(object);
    if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut)
        && let Some(annotations) = meta.get_mut("annotations").and_then(Value::as_object_mut)
    {
        // It repeats the whole object, secrets included.
        annotations.remove(LAST_APPLIED);
        if annotations.is_empty() {
            meta.remove("annotations");
        }
    }
    object
}

/// The object without any text that could be a secret. `old` is the object that
/// it is compared with.
fn shown(kind: ObjectKind, object: &Value, old: Option<&Value>) -> Value {
    let mut shown = object.clone();
    hide(kind, &mut Vec::new(), &mut shown, object, old);
    shown
}

fn hide(kind: ObjectKind, path: &mut Vec<String>, value: &mut Value, whole: &Value, old: Option<&Value>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                path.push(field.clone());
                hide(kind, path, value, whole, old.and_then(|old| old.get(field)));
                path.pop();
            }
        }
        Value::Array(items) => {
            for (at, value) in items.iter_mut().enumerate() {
                path.push(at.to_string());
                hide(kind, path, value, whole, old.and_then(|old| old.get(at)));
                path.pop();
            }
        }
        Value::String(text) if !is_harmless(kind, path, text, whole) => {
            let changed = old.is_some_and(|old| *old != text.as_str());
            if changed { CHANGED } else { HIDDEN }.clone_into(text);
        }
        // Neither a number nor a flag is a secret.
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secret(value: &str) -> Object {
        let meta = json!({"name": "s", "resourceVersion": value});
        Object::new(
            ObjectKind::Secret,
            json!({"metadata": meta, "data": {"k": value}}),
        )
    }

    fn cron_job(container: &Value, pod_field: &str) -> Object {
        let spec = json!({"template": {"spec": {pod_field: [container]}}});
        Object::new(
            ObjectKind::CronJob,
            json!({"metadata": {"name": "c"}, "spec": {"schedule": "@daily", "jobTemplate": {"spec": spec}}}),
        )
    }

    fn shown_of(object: &Object) -> String {
        unified(None, object).unwrap()
    }

    #[test]
    fn of_a_secret_only_a_change_is_shown() {
        assert_eq!(unified(Some(&secret("one")), &secret("one")).unwrap(), "");
        let changed = unified(Some(&secret("one")), &secret("two")).unwrap();
        assert!(changed.contains("+  k: (hidden, changed)"), "{changed}");
        assert!(!changed.contains("one") && !changed.contains("two"), "{changed}");
        let created = shown_of(&secret("one"));
        assert!(
            created.contains("+  k: (hidden)") && !created.contains("one"),
            "{created}"
        );
    }

    #[test]
    fn no_spelling_of_a_client_secret_is_shown() {
        let words = |words: &[&str]| json!({"name": "c", "args": words});
        let variable =
            |name: &str, value: &str| json!({"name": "c", "env": [{"name": name, "value": value}]});
        for container in [
            words(&["-p", "hush"]),
            words(&["-phush"]),
            words(&["--client-secret", "hush"]),
            words(&["--client-secret=hush"]),
            words(&["--client-sec", "hush"]),
            words(&["--client-sec=hush"]),
            words(&["-cp", "hush"]),
            words(&["rotate --client-secret=hush"]),
            words(&["rotate/hush"]),
            json!({"name": "c", "command": ["sh", "-c", "kubectl-apim rotate -p hush"]}),
            variable("SP_SECRET", "hush"),
            variable("ANYTHING", "hush"),
            variable("HTTPS_PROXY", "http://user:hush@proxy:3128"),
            json!({"name": "c", "livenessProbe": {"httpGet": {"path": "/?code=hush"}}}),
            json!({"name": "c", "lifecycle": {"preStop": {"exec": {"command": ["hush"]}}}}),
        ] {
            for field in ["containers", "initContainers", "ephemeralContainers"] {
                let object = cron_job(&container, field);
                let after = cron_job(&json!({"name": "c"}), "containers");
                for text in [shown_of(&object), unified(Some(&object), &after).unwrap()] {
                    assert!(!text.contains("hush"), "{text}");
                }
            }
        }
    }

    #[test]
    fn no_annotation_or_label_of_others_is_shown() {
        let meta = json!({"name": "c", "annotations": {LAST_APPLIED: "hush", "note": "hush"}, "labels": {"x": "hush"}});
        let shown = shown_of(&Object::new(ObjectKind::CronJob, json!({"metadata": meta})));
        assert!(
            !shown.contains("hush") && !shown.contains(LAST_APPLIED),
            "{shown}"
        );
        assert!(shown.contains("note: (hidden)"), "{shown}");
    }

    #[test]
    fn what_a_reader_must_see_is_shown() {
        let container = json!({"name": "rotate", "image": "ghcr.io/a/b:v1", "command": ["/kubectl-apim"],
            "args": ["rotate", "deployment/gw", "--token-secret=gw-token", "--if-expiring-within=15d", "--adopt"],
            "env": [{"name": "TOKEN_SECRET", "value": "gw-token"}, {"name": "HTTPS_PROXY", "value": "http://proxy:3128"},
                {"name": "SP_SECRET", "valueFrom": {"secretKeyRef": {"name": "sp", "key": "k"}}}]});
        let shown = shown_of(&cron_job(&container, "containers"));
        assert!(!shown.contains("(hidden)"), "{shown}");
        let rules = json!([{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["gw-token"], "verbs": ["get"]}]);
        let role = Object::new(
            ObjectKind::Role,
            json!({"metadata": {"name": "r"}, "rules": rules}),
        );
        assert!(!shown_of(&role).contains("(hidden)"));
    }
}
