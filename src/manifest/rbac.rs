//! The least rights that a scheduled rotation works with, from one table of
//! verbs.

mod fleet;

pub use fleet::{FleetRights, Member, fleet};

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};
use serde_json::Value;

use super::{document, meta};
use crate::model::{WorkloadKind, WorkloadRef};

const RBAC: &str = "rbac.authorization.k8s.io";

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
    /// ConfigMaps that must be read to know a gateway or its instance.
    pub config_maps: Vec<String>,
}

/// The ServiceAccount, its Role and what binds them.
pub fn rbac(rights: &Rights) -> Vec<Value> {
    let Rights { namespace, name, .. } = rights;
    let mut rules = named("", "secrets", WRITE, &rights.secrets);
    rules.extend(restarts(&rights.workloads));
    rules.extend(named("", "configmaps", &["get"], &rights.config_maps));
    rules.extend(options(rights.prove_logs, rights.events));
    vec![
        account(namespace, name),
        role(namespace, name, rules),
        binding(namespace, name, namespace),
    ]
}

/// A read, and a write of one object.
const WRITE: &[&str] = &["get", "patch"];

/// The restart of each workload, which is read again until it is proved.
fn restarts(workloads: &[WorkloadRef]) -> Vec<PolicyRule> {
    let of_kind = |kind: WorkloadKind| {
        let of_kind = workloads.iter().filter(move |workload| workload.kind == kind);
        let names: Vec<String> = of_kind.map(|workload| workload.name.clone()).collect();
        named("apps", kind.plural(), WRITE, &names)
    };
    WorkloadKind::ALL.into_iter().flat_map(of_kind).collect()
}

/// What is granted only where it is asked for. No name can narrow it: the
/// names of pods and Events are made up anew each time.
fn options(prove_logs: bool, events: bool) -> Vec<PolicyRule> {
    let mut rules = Vec::new();
    if prove_logs {
        rules.push(rule("", "pods", &["list"]));
        rules.push(rule("", "pods/log", &["get"]));
    }
    if events {
        rules.push(rule("events.k8s.io", "events", &["create"]));
    }
    rules
}

/// A rule for certain objects; none where there are none, because a rule
/// without names is one for all objects.
fn named(group: &str, resource: &str, verbs: &[&str], names: &[String]) -> Vec<PolicyRule> {
    if names.is_empty() {
        return Vec::new();
    }
    let names: BTreeSet<String> = names.iter().cloned().collect();
    vec![PolicyRule {
        resource_names: Some(names.into_iter().collect()),
        ..rule(group, resource, verbs)
    }]
}

fn rule(group: &str, resource: &str, verbs: &[&str]) -> PolicyRule {
    PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(vec![resource.to_owned()]),
        verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
        ..PolicyRule::default()
    }
}

fn account(namespace: &str, name: &str) -> Value {
    document(&ServiceAccount {
        metadata: meta(Some(namespace), name, name),
        ..ServiceAccount::default()
    })
}

fn role(namespace: &str, name: &str, rules: Vec<PolicyRule>) -> Value {
    document(&Role {
        metadata: meta(Some(namespace), name, name),
        rules: Some(rules),
    })
}

/// Binds the Role of a namespace to the ServiceAccount, which may be at home
/// in another one.
fn binding(namespace: &str, name: &str, home: &str) -> Value {
    document(&RoleBinding {
        metadata: meta(Some(namespace), name, name),
        role_ref: role_ref("Role", name),
        subjects: Some(vec![subject(home, name)]),
    })
}

fn role_ref(kind: &str, name: &str) -> RoleRef {
    RoleRef {
        api_group: RBAC.to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
    }
}

fn subject(namespace: &str, name: &str) -> Subject {
    Subject {
        kind: "ServiceAccount".to_owned(),
        name: name.to_owned(),
        namespace: Some(namespace.to_owned()),
        ..Subject::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights() -> Rights {
        Rights {
            config_maps: Vec::new(),
            namespace: "shop".to_owned(),
            name: "apim-shg-rotate".to_owned(),
            workloads: Vec::new(),
            secrets: Vec::new(),
            prove_logs: false,
            events: false,
        }
    }

    /// An empty list of names in a rule would mean every Secret.
    #[test]
    fn nothing_named_is_nothing_granted() {
        let objects = rbac(&rights());
        assert_eq!(objects[1]["rules"], serde_json::json!([]));
    }

    #[test]
    fn the_order_in_which_things_are_named_changes_nothing() {
        let with = |secrets: &[&str]| {
            let secrets = secrets.iter().map(|name| (*name).to_owned()).collect();
            rbac(&Rights { secrets, ..rights() })
        };
        assert_eq!(with(&["b", "a", "b"]), with(&["a", "b"]));
    }
}
