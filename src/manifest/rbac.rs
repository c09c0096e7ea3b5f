//! The least rights that a scheduled rotation works with, from one table of
//! verbs.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};
use serde_json::Value;

use super::{document, meta};
use crate::model::WorkloadRef;

/// What is to be rotated, and what beyond the least is wanted of it.
#[derive(Clone, Debug)]
pub struct Rights {
    /// The namespace of everything.
    pub namespace: String,
    /// The name of the ServiceAccount, the Role and the RoleBinding.
    pub name: String,
    /// The workloads to restart.
    pub workloads: Vec<WorkloadRef>,
    /// The Secrets to write.
    pub secrets: Vec<String>,
    /// Whether pods and their logs are read as proof.
    pub prove_logs: bool,
    /// Whether Events are written.
    pub events: bool,
}

/// The ServiceAccount, its Role and what binds them.
pub fn rbac(rights: &Rights) -> Vec<Value> {
    let Rights { namespace, name, .. } = rights;
    let account = ServiceAccount {
        metadata: meta(Some(namespace), name, name),
        ..ServiceAccount::default()
    };
    let role = Role {
        metadata: meta(Some(namespace), name, name),
        rules: Some(rules(rights)),
    };
    let binding = RoleBinding {
        metadata: meta(Some(namespace), name, name),
        role_ref: RoleRef {
            api_group: "rbac.authorization.k8s.io".to_owned(),
            kind: "Role".to_owned(),
            name: name.clone(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: name.clone(),
            namespace: Some(namespace.clone()),
            ..Subject::default()
        }]),
    };
    vec![document(&account), document(&role), document(&binding)]
}

/// The rules of the Role: `get` and `patch` of the named objects.
fn rules(rights: &Rights) -> Vec<PolicyRule> {
    let named = |group: &str, resource: &str, names: Vec<String>| PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(vec![resource.to_owned()]),
        resource_names: Some(names),
        verbs: vec!["get".to_owned(), "patch".to_owned()],
        ..PolicyRule::default()
    };
    let mut rules = vec![named("", "secrets", rights.secrets.clone())];
    for kind in crate::model::WorkloadKind::ALL {
        let of_kind = rights.workloads.iter().filter(|workload| workload.kind == kind);
        let of_kind: Vec<String> = of_kind.map(|workload| workload.name.clone()).collect();
        if !of_kind.is_empty() {
            rules.push(named("apps", kind.plural(), of_kind));
        }
    }
    rules
}
