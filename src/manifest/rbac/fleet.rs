//! The rights of a rotation in all namespaces.

use std::collections::BTreeMap;

use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule};

use super::{Place, WRITE, account, binding, named, options, restarts, role, role_ref, rule, subject};
use crate::manifest::document::{document, meta};
use crate::manifest::ownership::{Owner, Purpose, label_account_namespace};
use crate::model::{Object, WorkloadKind, WorkloadRef};

/// The objects that a fleet needs rights on, and the options that need more.
#[derive(Clone, Debug)]
pub struct FleetRights {
    /// The namespace of the ServiceAccount.
    pub namespace: String,
    /// The name of the ServiceAccount. Those of the other objects begin with it.
    pub name: String,
    /// The members by namespace; `None` for all gateways that exist when a
    /// rotation runs.
    pub members: Option<BTreeMap<String, Member>>,
    /// Whether to read pods and their logs as proof.
    pub prove_logs: bool,
    /// Whether to write Events.
    pub events: bool,
}

/// The objects of the fleet in one namespace.
#[derive(Clone, Debug, Default)]
pub struct Member {
    /// The workloads to restart.
    pub workloads: Vec<WorkloadRef>,
    /// The Secrets to write.
    pub secrets: Vec<String>,
    /// The ConfigMaps that contain the names of the gateways.
    pub config_maps: Vec<String>,
}

/// The ServiceAccount, its ClusterRole and, if the members are known, its Role
/// in each namespace.
pub fn fleet(rights: &FleetRights) -> Vec<Object> {
    let FleetRights { namespace, name, .. } = rights;
    let owner = Owner {
        purpose: Purpose::FleetRights,
        name,
    };
    // Another fleet may have the same name in another namespace, which a dot cannot
    // be part of.
    let unique = format!("{name}.{namespace}");
    let cluster_rules = match &rights.members {
        Some(_) => find_members(),
        None => rotate_any(rights),
    };
    let mut objects = vec![
        account(namespace, owner),
        document(&ClusterRole {
            metadata: meta(None, &unique, owner),
            rules: Some(cluster_rules),
            ..ClusterRole::default()
        }),
        document(&ClusterRoleBinding {
            metadata: meta(None, &unique, owner),
            role_ref: role_ref("ClusterRole", &unique),
            subjects: Some(vec![subject(namespace, name)]),
        }),
    ];
    for (member_namespace, member) in rights.members.iter().flatten() {
        let mut rules = named("", "configmaps", &["get"], &member.config_maps);
        rules.extend(named("", "secrets", WRITE, &member.secrets));
        rules.extend(restarts(&member.workloads));
        rules.extend(options(rights.prove_logs, rights.events));
        let place = Place {
            namespace: member_namespace,
            name: &unique,
        };
        objects.push(role(place, owner, rules));
        objects.push(binding(place, owner, namespace));
    }
    for object in &mut objects {
        label_account_namespace(object, namespace);
    }
    objects
}

/// The rules to find the members by their pod specs, which contain no secret.
fn find_members() -> Vec<PolicyRule> {
    let list = |kind: WorkloadKind| rule("apps", kind.plural(), &["list"]);
    WorkloadKind::ALL.map(list).into()
}

/// The rules to rotate all gateways that are found. Secrets are not listed: each
/// is read by its name from a pod spec.
fn rotate_any(rights: &FleetRights) -> Vec<PolicyRule> {
    let mut rules = vec![
        rule("", "configmaps", &["get", "list"]),
        rule("", "secrets", WRITE),
    ];
    let restart = |kind: WorkloadKind| rule("apps", kind.plural(), &["get", "list", "patch"]);
    rules.extend(WorkloadKind::ALL.map(restart));
    rules.extend(options(rights.prove_logs, rights.events));
    rules
}
