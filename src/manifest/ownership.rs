//! The labels of objects, and the owner that they show.

use std::collections::BTreeMap;

use crate::model::{Object, ObjectKind, Ownership};

/// The manager of all installed objects, as a label and as the field manager of
/// server-side apply.
pub const MANAGER: &str = "kubectl-apim";

const NAME: &str = "app.kubernetes.io/name";
const INSTANCE: &str = "app.kubernetes.io/instance";
const COMPONENT: &str = "app.kubernetes.io/component";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// What objects were made for. The same name may be used for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A CronJob that rotates, and what it needs.
    Installation,
    /// Rights alone, which `render-rbac` prints and the user applies.
    Rights,
}

impl Purpose {
    fn component(self) -> &'static str {
        match self {
            Self::Installation => "token-rotation",
            Self::Rights => "token-rotation-rights",
        }
    }
}

/// What objects belong to: they have its labels and, in their namespace, its name.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    pub purpose: Purpose,
    pub name: &'a str,
}

impl<'a> Owner<'a> {
    /// The installation of this name.
    pub fn installation(name: &'a str) -> Self {
        Self {
            purpose: Purpose::Installation,
            name,
        }
    }

    /// The standard labels of its objects (kubernetes.io, "Recommended Labels").
    pub fn labels(&self) -> BTreeMap<String, String> {
        let Self { purpose, name } = self;
        let pairs = [
            (NAME, MANAGER),
            (INSTANCE, name),
            (COMPONENT, purpose.component()),
            (MANAGED_BY, MANAGER),
        ];
        pairs
            .map(|(label, value)| (label.to_owned(), value.to_owned()))
            .into()
    }

    /// The labels that identify its objects.
    fn identifying(&self) -> [(&'static str, &str); 3] {
        [
            (INSTANCE, self.name),
            (COMPONENT, self.purpose.component()),
            (MANAGED_BY, MANAGER),
        ]
    }

    /// A label selector for its objects.
    pub fn selector(&self) -> String {
        let terms = self
            .identifying()
            .map(|(label, value)| format!("{label}={value}"));
        terms.join(",")
    }

    /// Whether an object belongs to it. Labels alone do not prove it: a copy of
    /// an object has them too, under another name.
    pub fn owns(&self, object: &Object) -> bool {
        let mut labels = self.identifying().into_iter();
        object.name() == self.name && labels.all(|(label, value)| object.label(label) == Some(value))
    }

    /// The owner of an object of this name. `with_legacy` is set if legacy objects
    /// were recognized in the namespace.
    pub fn ownership(&self, object: &Object, with_legacy: bool) -> Ownership {
        if self.owns(object) {
            Ownership::Ours
        } else if with_legacy && may_be_legacy(object) {
            Ownership::Legacy
        } else {
            Ownership::Other
        }
    }
}

/// Whether no tool claims to manage an object.
pub fn is_unclaimed(object: &Object) -> bool {
    object.label(MANAGED_BY).is_none()
}

/// Whether a Role is the legacy one, which names no object and every API group.
pub fn is_legacy_role(object: &Object) -> bool {
    let rules = object["rules"].as_array();
    object.kind() == ObjectKind::Role
        && is_unclaimed(object)
        && rules.into_iter().flatten().any(|rule| {
            let groups = rule["apiGroups"].as_array();
            groups.into_iter().flatten().any(|group| group == "*")
        })
}

/// Whether an object can be a legacy one: there are only these kinds.
fn may_be_legacy(object: &Object) -> bool {
    let kinds = [
        ObjectKind::ServiceAccount,
        ObjectKind::Role,
        ObjectKind::RoleBinding,
        ObjectKind::CronJob,
    ];
    kinds.contains(&object.kind()) && is_unclaimed(object)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object(kind: ObjectKind, name: &str, labels: &Value) -> Object {
        Object::new(kind, json!({"metadata": {"name": name, "labels": labels}}))
    }

    #[test]
    fn an_object_is_owned_by_its_labels_and_its_name() {
        let owner = Owner::installation("a");
        let labels = json!(owner.labels());
        assert!(owner.owns(&object(ObjectKind::Secret, "a", &labels)));
        assert!(!owner.owns(&object(ObjectKind::Secret, "precious", &labels)));
        assert!(!owner.owns(&object(ObjectKind::Secret, "a", &json!({}))));
        assert!(!Owner::installation("b").owns(&object(ObjectKind::Secret, "a", &labels)));
    }

    #[test]
    fn rendered_rights_of_the_same_name_are_not_an_installation() {
        let rights = Owner {
            purpose: Purpose::Rights,
            name: "a",
        };
        let role = object(ObjectKind::Role, "a", &json!(rights.labels()));
        let installation = Owner::installation("a");
        assert_eq!(installation.ownership(&role, true), Ownership::Other);
        assert_eq!(rights.ownership(&role, false), Ownership::Ours);
        assert_ne!(rights.selector(), installation.selector());
    }

    #[test]
    fn the_articles_objects_are_those_that_nobody_claims() {
        let owner = Owner::installation("a");
        let unclaimed = object(ObjectKind::RoleBinding, "a", &json!({"app": "x"}));
        assert_eq!(owner.ownership(&unclaimed, true), Ownership::Legacy);
        assert_eq!(owner.ownership(&unclaimed, false), Ownership::Other);
        let secret = object(ObjectKind::Secret, "a", &json!({}));
        assert_eq!(owner.ownership(&secret, true), Ownership::Other);
        let claimed = object(ObjectKind::Role, "a", &json!({MANAGED_BY: "Helm"}));
        assert_eq!(owner.ownership(&claimed, true), Ownership::Other);
    }

    #[test]
    fn the_articles_role_is_known_by_its_wildcard() {
        let role = |groups: Value| {
            let rules = json!([{"apiGroups": groups, "resources": ["secrets"], "verbs": ["get"]}]);
            Object::new(
                ObjectKind::Role,
                json!({"metadata": {"name": "a"}, "rules": rules}),
            )
        };
        assert!(is_legacy_role(&role(json!(["*"]))));
        assert!(!is_legacy_role(&role(json!(["", "apps"]))));
    }
}
