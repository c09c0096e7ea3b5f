//! The rights of a rotation in all namespaces.

use std::collections::BTreeMap;

use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule};
use serde_json::Value;

use super::{WRITE, account, binding, named, options, restarts, role, role_ref, rule, subject};
use crate::manifest::{document, meta};
use crate::model::{WorkloadKind, WorkloadRef};

/// The objects that a fleet needs rights on, and the options that need more.
#[derive(Clone, Debug)]
pub struct FleetRights {
    /// The namespace of the ServiceAccount.
    pub namespace: String,
    /// The name of all objects.
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
pub fn fleet(rights: &FleetRights) -> Vec<Value> {
    let FleetRights { namespace, name, .. } = rights;
    let cluster_rules = match &rights.members {
        Some(_) => find_members(),
        None => rotate_any(rights),
    };
    let mut objects = vec![
        account(namespace, name),
        document(&ClusterRole {
            metadata: meta(None, name, name),
            rules: Some(cluster_rules),
            ..ClusterRole::default()
        }),
        document(&ClusterRoleBinding {
            metadata: meta(None, name, name),
            role_ref: role_ref("ClusterRole", name),
            subjects: Some(vec![subject(namespace, name)]),
        }),
    ];
    for (member_namespace, member) in rights.members.iter().flatten() {
        let mut rules = named("", "configmaps", &["get"], &member.config_maps);
        rules.extend(named("", "secrets", WRITE, &member.secrets));
        rules.extend(restarts(&member.workloads));
        rules.extend(options(rights.prove_logs, rights.events));
        objects.push(role(member_namespace, name, rules));
        objects.push(binding(member_namespace, name, namespace));
    }
    // An installation with the same name in one of the namespaces must not take
    // these objects for its own.
    for object in &mut objects {
        object["metadata"]["labels"]["app.kubernetes.io/instance"] = format!("{name}-fleet").into();
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
