//! Whom the bindings of RBAC name.

use serde_json::Value;

use super::{Object, ObjectKind, cleaned};

/// A `ServiceAccount` of a namespace, as the subject of bindings.
#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    pub namespace: &'a str,
    pub name: &'a str,
}

impl Account<'_> {
    /// Whether a binding names the account, as itself or as the user that it is.
    pub fn is_bound_by(&self, binding: &Object) -> bool {
        subjects(binding).any(|subject| self.is(subject, binding))
    }

    /// The others that a binding names.
    pub fn others_in(&self, binding: &Object) -> Vec<String> {
        let others = subjects(binding).filter(|subject| !self.is(subject, binding));
        others.map(|subject| described(subject, self.namespace)).collect()
    }

    /// Whether a binding names a group that every account of the namespace is in.
    pub fn is_in_a_group_of(&self, binding: &Object) -> bool {
        let of_namespace = format!("system:serviceaccounts:{}", self.namespace);
        let groups = ["system:serviceaccounts", "system:authenticated", &of_namespace];
        subjects(binding)
            .any(|subject| text(subject, "kind") == "Group" && groups.contains(&text(subject, "name")))
    }

    /// A binding without the account, with the fields that can be applied.
    pub fn removed_from(&self, binding: &Object) -> Object {
        let mut without = Object::new(binding.kind(), Value::Null);
        for field in ["name", "namespace", "labels"] {
            if let Some(value) = binding["metadata"].get(field) {
                without["metadata"][field] = value.clone();
            }
        }
        without["roleRef"] = binding["roleRef"].clone();
        let others = subjects(binding).filter(|subject| !self.is(subject, binding));
        without["subjects"] = others.cloned().collect();
        without
    }

    fn is(&self, subject: &Value, binding: &Object) -> bool {
        let place = binding.namespace();
        let namespace = subject.get("namespace").and_then(Value::as_str).or(place);
        match text(subject, "kind") {
            "ServiceAccount" => text(subject, "name") == self.name && namespace == Some(self.namespace),
            "User" => {
                text(subject, "name") == format!("system:serviceaccount:{}:{}", self.namespace, self.name)
            }
            _ => false,
        }
    }
}

fn subjects(binding: &Object) -> impl Iterator<Item = &Value> {
    let subjects = binding.document().get("subjects").and_then(Value::as_array);
    subjects.into_iter().flatten()
}

fn text<'a>(subject: &'a Value, field: &str) -> &'a str {
    subject.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// A subject in words, seen from a namespace.
fn described(subject: &Value, here: &str) -> String {
    let name = text(subject, "name");
    let described = match (text(subject, "kind"), text(subject, "namespace")) {
        ("ServiceAccount", "") => ObjectKind::ServiceAccount.reference(name),
        ("ServiceAccount", namespace) if namespace == here => ObjectKind::ServiceAccount.reference(name),
        ("ServiceAccount", namespace) => {
            format!(
                "{} of namespace {namespace}",
                ObjectKind::ServiceAccount.reference(name)
            )
        }
        (kind, _) => format!("{} {name}", kind.to_lowercase()),
    };
    cleaned(&described)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ACCOUNT: Account<'_> = Account {
        namespace: "shop",
        name: "a",
    };

    fn binding(namespace: &Value, subjects: &Value) -> Object {
        let meta = json!({"name": "b", "namespace": namespace, "labels": {"x": "y"}, "resourceVersion": "7"});
        Object::new(
            ObjectKind::RoleBinding,
            json!({"metadata": meta, "roleRef": {"kind": "Role", "name": "r"}, "subjects": subjects}),
        )
    }

    #[test]
    fn the_account_is_known_however_it_is_written() {
        let bound = |namespace: &str, subject: Value| {
            ACCOUNT.is_bound_by(&binding(&json!(namespace), &json!([subject])))
        };
        let account =
            |namespace: &str| json!({"kind": "ServiceAccount", "name": "a", "namespace": namespace});
        let user = |name: &str| json!({"kind": "User", "name": name});
        assert!(bound("bank", account("shop")));
        assert!(bound("shop", json!({"kind": "ServiceAccount", "name": "a"})));
        assert!(bound("bank", user("system:serviceaccount:shop:a")));
        assert!(!bound("shop", account("bank")));
        assert!(!bound("bank", json!({"kind": "ServiceAccount", "name": "a"})));
        assert!(!bound("shop", user("system:serviceaccount:bank:a")));
        assert!(!bound("shop", user("a")));
        let group = json!({"kind": "Group", "name": "system:serviceaccount:shop:a"});
        assert!(!bound("shop", group));
    }

    #[test]
    fn the_groups_of_every_account_are_known() {
        for (group, known) in [
            ("system:serviceaccounts", true),
            ("system:serviceaccounts:shop", true),
            ("system:authenticated", true),
            ("system:serviceaccounts:bank", false),
            ("system:masters", false),
        ] {
            let of = binding(&json!("shop"), &json!([{"kind": "Group", "name": group}]));
            assert_eq!(ACCOUNT.is_in_a_group_of(&of), known, "{group}");
        }
        let user = binding(
            &json!("shop"),
            &json!([{"kind": "User", "name": "system:authenticated"}]),
        );
        assert!(!ACCOUNT.is_in_a_group_of(&user));
    }

    #[test]
    fn without_the_account_the_others_stay_as_they_are() {
        let subjects = json!([
            {"kind": "ServiceAccount", "name": "a", "namespace": "shop"},
            {"kind": "User", "name": "jane\u{1b}"},
            {"kind": "User", "name": "system:serviceaccount:shop:a"},
            {"kind": "ServiceAccount", "name": "a", "namespace": "bank"},
            {"kind": "ServiceAccount", "name": "b", "namespace": "shop"},
            {"kind": "Group", "name": "ops"},
        ]);
        let shared = binding(&json!("shop"), &subjects);
        assert_eq!(
            ACCOUNT.others_in(&shared),
            [
                "user jane ",
                "serviceaccount/a of namespace bank",
                "serviceaccount/b",
                "group ops"
            ]
        );
        let without = ACCOUNT.removed_from(&shared);
        assert_eq!(
            without["subjects"],
            json!([subjects[1], subjects[3], subjects[4], subjects[5]])
        );
        assert_eq!(without["roleRef"], shared["roleRef"]);
        assert_eq!(
            without["metadata"],
            json!({"name": "b", "namespace": "shop", "labels": {"x": "y"}})
        );
        assert!(!ACCOUNT.is_bound_by(&without));
    }
}
