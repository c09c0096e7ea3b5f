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

/// The namespace of the account that rights in other namespaces or in the whole
/// cluster are for.
const ACCOUNT_NAMESPACE: &str = "apim-rotate/account-namespace";

/// What objects were made for. Each purpose has names and labels of its own, so
/// that none takes the objects of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A CronJob that rotates, and what it needs.
    Installation,
    /// Rights in one namespace, which `render-rbac` prints and the user applies.
    Rights,
    /// The same in several namespaces or in all.
    FleetRights,
}

impl Purpose {
    fn component(self) -> &'static str {
        match self {
            Self::Installation => "token-rotation",
            Self::Rights => "token-rotation-rights",
            Self::FleetRights => "token-rotation-fleet-rights",
        }
    }

    /// The end of the names, empty for an installation.
    fn suffix(self) -> &'static str {
        match self {
            Self::Installation => "",
            Self::Rights => "-rights",
            Self::FleetRights => "-fleet",
        }
    }

    /// The name of the account, from the name that was given.
    pub fn account(self, given: &str) -> String {
        format!("{given}{}", self.suffix())
    }

    /// The end of a name that no installation may have, because rights have it.
    pub fn reserved_suffix(name: &str) -> Option<&'static str> {
        let suffixes = [Self::Rights, Self::FleetRights].map(Self::suffix);
        suffixes.into_iter().find(|suffix| name.ends_with(suffix))
    }
}

/// A label selector for the objects of all installations.
pub fn installations() -> String {
    let component = Purpose::Installation.component();
    format!("{COMPONENT}={component},{MANAGED_BY}={MANAGER}")
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
        self.is_name_of(object) && labels.all(|(label, value)| object.label(label) == Some(value))
    }

    /// Policies have no namespace, so their names begin with that of the account and its
    /// namespace.
    fn is_name_of(&self, object: &Object) -> bool {
        let account = object.label(ACCOUNT_NAMESPACE).filter(|_| {
            [
                ObjectKind::ValidatingAdmissionPolicy,
                ObjectKind::ValidatingAdmissionPolicyBinding,
            ]
            .contains(&object.kind())
        });
        match account {
            Some(namespace) => object.name().starts_with(&format!("{}.{namespace}.", self.name)),
            None => object.name() == self.name,
        }
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

/// Labels an object with the namespace of the account that it is for.
pub fn label_account_namespace(object: &mut Object, namespace: &str) {
    object["metadata"]["labels"][ACCOUNT_NAMESPACE] = namespace.into();
}

/// Whether an account is limited by admission policies, as a label of its Role, which
/// users may read who may not read policies.
const LIMITED: &str = "apim-rotate/admission-policy";

/// Records on a Role that there are policies.
pub fn label_limited(role: &mut Object) {
    role["metadata"]["labels"][LIMITED] = "true".into();
}

/// Whether a Role records that there are policies.
pub fn is_limited(role: &Object) -> bool {
    role.label(LIMITED).is_some()
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
    fn no_purpose_takes_the_objects_of_another() {
        let purposes = [Purpose::Installation, Purpose::Rights, Purpose::FleetRights];
        for made_for in purposes {
            let maker = Owner {
                purpose: made_for,
                name: "a",
            };
            let role = object(ObjectKind::Role, "a", &json!(maker.labels()));
            for purpose in purposes {
                let owner = Owner { purpose, name: "a" };
                assert_eq!(owner.owns(&role), purpose == made_for);
                assert_eq!(owner.selector() == maker.selector(), purpose == made_for);
                assert_eq!(purpose.account("a") == made_for.account("a"), purpose == made_for);
            }
        }
        assert_eq!(Purpose::reserved_suffix("a-rights"), Some("-rights"));
        assert_eq!(Purpose::reserved_suffix("apim-shg-rotate"), None);
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
