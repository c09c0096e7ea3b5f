//! The rights of a rotation over all namespaces.

use std::collections::BTreeMap;

use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule};
use serde_json::Value;

use super::{WRITE, account, binding, named, options, restarts, role, role_ref, rule, subject};
use crate::manifest::{document, meta};
use crate::model::{WorkloadKind, WorkloadRef};

/// A fleet, and what beyond the least is wanted of it.
#[derive(Clone, Debug)]
pub struct FleetRights {
    /// The namespace of the ServiceAccount.
    pub namespace: String,
    /// The name of everything.
    pub name: String,
    /// What belongs to the fleet, by namespace; `None` for whatever there is
    /// at the time of a rotation.
    pub members: Option<BTreeMap<String, Member>>,
    /// Whether pods and their logs are read as proof.
    pub prove_logs: bool,
    /// Whether Events are written.
    pub events: bool,
}

/// What belongs to the fleet in one namespace.
#[derive(Clone, Debug, Default)]
pub struct Member {
    /// The workloads to restart.
    pub workloads: Vec<WorkloadRef>,
    /// The Secrets to write.
    pub secrets: Vec<String>,
    /// The ConfigMaps with the settings that name the gateways.
    pub config_maps: Vec<String>,
}

/// The ServiceAccount, what it may do everywhere and, where the members are
/// known, what it may do in each namespace.
pub fn fleet(rights: &FleetRights) -> Vec<Value> {
    let FleetRights { namespace, name, .. } = rights;
    let everywhere = match &rights.members {
        Some(_) => finding(),
        None => anything(rights),
    };
    let mut objects = vec![
        account(namespace, name),
        document(&ClusterRole {
            metadata: meta(None, name, name),
            rules: Some(everywhere),
            ..ClusterRole::default()
        }),
        document(&ClusterRoleBinding {
            metadata: meta(None, name, name),
            role_ref: role_ref("ClusterRole", name),
            subjects: Some(vec![subject(namespace, name)]),
        }),
    ];
    for (place, member) in rights.members.iter().flatten() {
        let mut rules = named("", "configmaps", &["get"], &member.config_maps);
        rules.extend(named("", "secrets", WRITE, &member.secrets));
        rules.extend(restarts(&member.workloads));
        rules.extend(options(rights.prove_logs, rights.events));
        objects.push(role(place, name, rules));
        objects.push(binding(place, name, namespace));
    }
    // An installation in one of the namespaces, which may have the same name,
    // must not take these for its own.
    for object in &mut objects {
        object["metadata"]["labels"]["app.kubernetes.io/instance"] = format!("{name}-fleet").into();
    }
    objects
}

/// What finds the members: their pod specs, which hold no secret.
fn finding() -> Vec<PolicyRule> {
    let list = |kind: WorkloadKind| rule("apps", kind.plural(), &["list"]);
    WorkloadKind::ALL.map(list).into()
}

/// What rotates whatever is found. Even so no Secrets are listed: each is read
/// by the name that a pod spec has for it.
fn anything(rights: &FleetRights) -> Vec<PolicyRule> {
    let mut rules = vec![
        rule("", "configmaps", &["get", "list"]),
        rule("", "secrets", WRITE),
    ];
    let restart = |kind: WorkloadKind| rule("apps", kind.plural(), &["get", "list", "patch"]);
    rules.extend(WorkloadKind::ALL.map(restart));
    rules.extend(options(rights.prove_logs, rights.events));
    rules
}
