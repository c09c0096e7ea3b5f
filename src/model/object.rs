//! Kubernetes objects as documents, each of a kind that this program knows.

use std::fmt;
use std::ops::{Index, IndexMut};

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// The kinds that this program writes, reads whole or renders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectKind {
    ServiceAccount,
    Secret,
    Pod,
    Role,
    RoleBinding,
    ClusterRole,
    ClusterRoleBinding,
    NetworkPolicy,
    CronJob,
    Job,
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
}

/// Where the API server has the objects of a kind.
struct Resource {
    kind: &'static str,
    /// Empty for the core group.
    group: &'static str,
    plural: &'static str,
    namespaced: bool,
}

const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";

const fn resource(kind: &'static str, group: &'static str, plural: &'static str) -> Resource {
    Resource {
        kind,
        group,
        plural,
        namespaced: true,
    }
}

const fn cluster_wide(kind: &'static str, group: &'static str, plural: &'static str) -> Resource {
    Resource {
        namespaced: false,
        ..resource(kind, group, plural)
    }
}

impl ObjectKind {
    /// The kind's place in the API. All groups are used in version v1.
    const fn resource(self) -> Resource {
        match self {
            Self::ServiceAccount => resource("ServiceAccount", "", "serviceaccounts"),
            Self::Secret => resource("Secret", "", "secrets"),
            Self::Pod => resource("Pod", "", "pods"),
            Self::Role => resource("Role", RBAC, "roles"),
            Self::RoleBinding => resource("RoleBinding", RBAC, "rolebindings"),
            Self::ClusterRole => cluster_wide("ClusterRole", RBAC, "clusterroles"),
            Self::ClusterRoleBinding => cluster_wide("ClusterRoleBinding", RBAC, "clusterrolebindings"),
            Self::NetworkPolicy => resource("NetworkPolicy", "networking.k8s.io", "networkpolicies"),
            Self::CronJob => resource("CronJob", "batch", "cronjobs"),
            Self::Job => resource("Job", "batch", "jobs"),
            Self::ValidatingAdmissionPolicy => cluster_wide(
                "ValidatingAdmissionPolicy",
                ADMISSION,
                "validatingadmissionpolicies",
            ),
            Self::ValidatingAdmissionPolicyBinding => cluster_wide(
                "ValidatingAdmissionPolicyBinding",
                ADMISSION,
                "validatingadmissionpolicybindings",
            ),
        }
    }

    /// The kind as a manifest spells it.
    pub fn as_str(self) -> &'static str {
        self.resource().kind
    }

    /// The resource in plural, as RBAC and kubectl spell it.
    pub fn plural(self) -> &'static str {
        self.resource().plural
    }

    /// Group and version, as a manifest spells them.
    pub fn api_version(self) -> String {
        match self.resource().group {
            "" => "v1".to_owned(),
            group => format!("{group}/v1"),
        }
    }

    /// The API's path up to its version.
    pub fn api(self) -> String {
        match self.resource().group {
            "" => "/api/v1".to_owned(),
            group => format!("/apis/{group}/v1"),
        }
    }

    /// The path of the objects of this kind, of a namespace where they have one.
    pub fn collection(self, namespace: &str) -> String {
        let Resource {
            plural, namespaced, ..
        } = self.resource();
        let api = self.api();
        if namespaced {
            format!("{api}/namespaces/{namespace}/{plural}")
        } else {
            format!("{api}/{plural}")
        }
    }

    /// An object of this kind and name, as `kubectl -o name` prints it.
    pub fn reference(self, name: &str) -> String {
        let Resource { kind, group, .. } = self.resource();
        let kind = kind.to_lowercase();
        match group {
            "" => format!("{kind}/{name}"),
            group => format!("{kind}.{group}/{name}"),
        }
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A document of a known kind. It may be a Secret, so only its reference is
/// ever formatted.
#[derive(Clone, PartialEq)]
pub struct Object {
    kind: ObjectKind,
    document: Value,
}

impl Object {
    /// A document that is known to be of this kind. Items of a list lack kind
    /// and version, so both are set. Anything but an object counts as an empty
    /// one.
    pub fn new(kind: ObjectKind, mut document: Value) -> Self {
        if !document.is_object() {
            document = Value::Object(Map::new());
        }
        document["apiVersion"] = kind.api_version().into();
        document["kind"] = kind.as_str().into();
        Self { kind, document }
    }

    pub fn kind(&self) -> ObjectKind {
        self.kind
    }

    pub fn document(&self) -> &Value {
        &self.document
    }

    pub fn name(&self) -> &str {
        self.metadata("name")
    }

    /// `None` for one of the whole cluster.
    pub fn namespace(&self) -> Option<&str> {
        self.document.pointer("/metadata/namespace")?.as_str()
    }

    pub fn uid(&self) -> &str {
        self.metadata("uid")
    }

    pub fn resource_version(&self) -> &str {
        self.metadata("resourceVersion")
    }

    pub fn label(&self, name: &str) -> Option<&str> {
        self.document["metadata"]["labels"].get(name)?.as_str()
    }

    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.document["metadata"]["annotations"].get(name)?.as_str()
    }

    /// The names of its annotations that begin like this.
    pub fn annotations_with(&self, prefix: &str) -> Vec<String> {
        let annotations = self.document["metadata"]["annotations"].as_object();
        let names = annotations.into_iter().flat_map(|annotations| annotations.keys());
        names.filter(|name| name.starts_with(prefix)).cloned().collect()
    }

    pub fn remove_annotation(&mut self, name: &str) {
        if let Some(annotations) = self.document["metadata"]["annotations"].as_object_mut() {
            annotations.remove(name);
        }
    }

    pub fn is_being_deleted(&self) -> bool {
        !self.metadata("deletionTimestamp").is_empty()
    }

    /// What keeps the object from being deleted at once.
    pub fn finalizers(&self) -> Vec<String> {
        let finalizers = self.document["metadata"]["finalizers"].as_array();
        let finalizers = finalizers.into_iter().flatten().filter_map(Value::as_str);
        finalizers.map(str::to_owned).collect()
    }

    /// Who has written the object, each once.
    pub fn managers(&self) -> Vec<&str> {
        self.managers_of(|_| true)
    }

    /// Who else has set fields below this one, each once. Statuses do not count.
    pub fn other_managers(&self, manager: &str, field: &str) -> Vec<&str> {
        let field = format!("f:{field}");
        let has_field =
            |entry: &Value| entry["fieldsV1"].get(&field).is_some() && entry.get("subresource").is_none();
        let mut others = self.managers_of(has_field);
        others.retain(|other| *other != manager);
        others
    }

    /// The managers of the entries for which the function returns true, each once.
    fn managers_of(&self, is_meant: impl Fn(&Value) -> bool) -> Vec<&str> {
        let entries = self.document["metadata"]["managedFields"].as_array();
        let mut managers = Vec::new();
        for entry in entries.into_iter().flatten().filter(|entry| is_meant(entry)) {
            if let Some(manager) = entry["manager"].as_str()
                && !managers.contains(&manager)
            {
                managers.push(manager);
            }
        }
        managers
    }

    /// The object as `kubectl -o name` prints it.
    pub fn reference(&self) -> String {
        self.kind.reference(self.name())
    }

    fn metadata(&self, field: &str) -> &str {
        self.document["metadata"][field].as_str().unwrap_or_default()
    }
}

impl Index<&str> for Object {
    type Output = Value;

    fn index(&self, field: &str) -> &Value {
        &self.document[field]
    }
}

impl IndexMut<&str> for Object {
    fn index_mut(&mut self, field: &str) -> &mut Value {
        &mut self.document[field]
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.document.serialize(serializer)
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reference())
    }
}

/// The owner of an object, as seen by one installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// It belongs to the installation.
    Ours,
    /// It was applied by hand, as QUIBIQ's article about the script
    /// `apim-shg-rotate` says, and no tool claims it.
    Legacy,
    /// It belongs to something else.
    Other,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_is_named_as_by_kubectl() {
        assert_eq!(ObjectKind::ServiceAccount.reference("a"), "serviceaccount/a");
        assert_eq!(
            ObjectKind::Role.reference("a"),
            "role.rbac.authorization.k8s.io/a"
        );
        assert_eq!(ObjectKind::CronJob.reference("a"), "cronjob.batch/a");
    }

    #[test]
    fn a_cluster_wide_kind_has_no_namespace_in_its_path() {
        assert_eq!(
            ObjectKind::Role.collection("shop"),
            "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/roles"
        );
        assert_eq!(
            ObjectKind::ClusterRole.collection("shop"),
            "/apis/rbac.authorization.k8s.io/v1/clusterroles"
        );
        assert_eq!(
            ObjectKind::Secret.collection("shop"),
            "/api/v1/namespaces/shop/secrets"
        );
    }

    #[test]
    fn an_item_of_a_list_gets_its_kind_and_a_secret_is_not_formatted() {
        let item = json!({"metadata": {"name": "s"}, "data": {"k": "aHVzaA=="}});
        let object = Object::new(ObjectKind::Secret, item);
        assert_eq!((object["apiVersion"].as_str(), object.name()), (Some("v1"), "s"));
        assert_eq!(format!("{object:?}"), "secret/s");
    }

    #[test]
    fn each_manager_is_named_once() {
        let entries = json!([{"manager": "a"}, {"manager": "b"}, {"manager": "a"}]);
        let object = Object::new(ObjectKind::Role, json!({"metadata": {"managedFields": entries}}));
        assert_eq!(object.managers(), ["a", "b"]);
    }
}
