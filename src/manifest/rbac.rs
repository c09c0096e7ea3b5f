//! The least rights that a scheduled rotation needs.

mod fleet;

pub use fleet::{FleetRights, Member, fleet};

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};

use super::document::{document, meta};
use super::ownership::{Owner, Purpose};
use crate::model::{Object, WorkloadKind, WorkloadRef};

const RBAC: &str = "rbac.authorization.k8s.io";

/// The objects that a rotation needs rights on, and the options that need more.
#[derive(Clone, Debug)]
pub struct Rights {
    pub namespace: String,
    /// The name of the ServiceAccount, the Role and the RoleBinding.
    pub name: String,
    /// What the rights are for.
    pub purpose: Purpose,
    /// The workloads to restart.
    pub workloads: Vec<WorkloadRef>,
    /// The Secrets to write.
    pub secrets: Vec<String>,
    /// Whether to read pods and their logs as proof.
    pub prove_logs: bool,
    /// Whether to write Events.
    pub events: bool,
    /// ConfigMaps that contain the name of a gateway or its instance.
    pub config_maps: Vec<String>,
}

/// The ServiceAccount, the Role and the RoleBinding.
pub fn rbac(rights: &Rights) -> Vec<Object> {
    let Rights {
        namespace,
        name,
        purpose,
        ..
    } = rights;
    let owner = Owner {
        purpose: *purpose,
        name,
    };
    let mut rules = named("", "secrets", WRITE, &rights.secrets);
    rules.extend(restarts(&rights.workloads));
    rules.extend(named("", "configmaps", &["get"], &rights.config_maps));
    rules.extend(options(rights.prove_logs, rights.events));
    let place = Place { namespace, name };
    vec![
        account(namespace, owner),
        role(place, owner, rules),
        binding(place, owner, namespace),
    ]
}

/// The verbs to read and write an object.
const WRITE: &[&str] = &["get", "patch"];

/// The rules to restart each workload and to read it until the restart is done.
fn restarts(workloads: &[WorkloadRef]) -> Vec<PolicyRule> {
    let of_kind = |kind: WorkloadKind| {
        let of_kind = workloads.iter().filter(move |workload| workload.kind == kind);
        let names: Vec<String> = of_kind.map(|workload| workload.name.clone()).collect();
        named("apps", kind.plural(), WRITE, &names)
    };
    WorkloadKind::ALL.into_iter().flat_map(of_kind).collect()
}

/// The rules of optional features. Names cannot restrict them, because pods and
/// Events have generated names.
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

/// A rule for the named objects. There is none without names, because a rule
/// without names would apply to all objects.
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

fn account(namespace: &str, owner: Owner<'_>) -> Object {
    document(&ServiceAccount {
        metadata: meta(Some(namespace), owner.name, owner),
        ..ServiceAccount::default()
    })
}

/// Where a Role and its RoleBinding are.
#[derive(Clone, Copy)]
struct Place<'a> {
    namespace: &'a str,
    name: &'a str,
}

fn role(place: Place<'_>, owner: Owner<'_>, rules: Vec<PolicyRule>) -> Object {
    document(&Role {
        metadata: meta(Some(place.namespace), place.name, owner),
        rules: Some(rules),
    })
}

/// Binds a Role to the ServiceAccount, which may be in another namespace.
fn binding(place: Place<'_>, owner: Owner<'_>, account_namespace: &str) -> Object {
    document(&RoleBinding {
        metadata: meta(Some(place.namespace), place.name, owner),
        role_ref: role_ref("Role", place.name),
        subjects: Some(vec![subject(account_namespace, owner.name)]),
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
            purpose: Purpose::Installation,
            workloads: Vec::new(),
            secrets: Vec::new(),
            prove_logs: false,
            events: false,
        }
    }

    /// A rule with an empty list of names would apply to every Secret.
    #[test]
    fn without_names_nothing_is_granted() {
        let objects = rbac(&rights());
        assert_eq!(objects[1]["rules"], serde_json::json!([]));
    }

    #[test]
    fn the_order_of_names_does_not_matter() {
        let with = |secrets: &[&str]| {
            let secrets = secrets.iter().map(|name| (*name).to_owned()).collect();
            rbac(&Rights { secrets, ..rights() })
        };
        assert_eq!(with(&["b", "a", "b"]), with(&["a", "b"]));
    }
}
