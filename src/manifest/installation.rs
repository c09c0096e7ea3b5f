//! All objects of an installation.

use std::collections::{BTreeMap, BTreeSet};

use super::admission::{Guard, GuardedObjects, admission_policies};
use super::cronjob::{Installation, PodIdentity, cron_job, network_policy, secret};
use super::ownership::{Purpose, label_limited};
use super::rbac::{Rights, rbac};
use crate::model::entra::{CLIENT_ID_ANNOTATION, TENANT_ID_ANNOTATION};
use crate::model::{Object, ObjectKind};

/// What an installation may have beyond the objects that each has.
#[derive(Clone, Copy, Default)]
pub struct Extras<'a> {
    /// The content of a Secret with the credential of a service principal.
    pub credential: Option<&'a [u8]>,
    /// The TCP ports that a NetworkPolicy allows beside those of DNS and Azure.
    pub network_policy: Option<&'a BTreeSet<u16>>,
    /// The key of the credential in each Secret, if admission policies are wanted.
    pub admission_policy: Option<&'a BTreeMap<String, String>>,
}

/// The objects in the order of the writes. The policies and the Role are first, so that
/// users who may not write policies or grant the Role's rights have changed nothing; the
/// CronJob is last, so that it never runs without the others.
pub fn objects(installation: &Installation, extras: Extras<'_>) -> Vec<Object> {
    let task = &installation.task;
    let mut objects = rbac(&Rights {
        namespace: installation.namespace.clone(),
        name: installation.name.clone(),
        purpose: Purpose::Installation,
        workloads: task.workloads.clone(),
        secrets: task.secrets.clone(),
        config_maps: task.config_maps.clone(),
        prove_logs: task.prove_logs,
        events: task.events,
    });
    objects.sort_by_key(|object| object.kind() != ObjectKind::Role);
    if let PodIdentity::Workload { client_id, tenant } = &installation.identity {
        let accounts = objects.iter_mut();
        for account in accounts.filter(|it| it.kind() == ObjectKind::ServiceAccount) {
            account["metadata"]["annotations"][CLIENT_ID_ANNOTATION] = client_id.clone().into();
            if let Some(tenant) = tenant {
                account["metadata"]["annotations"][TENANT_ID_ANNOTATION] = tenant.clone().into();
            }
        }
    }
    if let Some(keys) = extras.admission_policy {
        objects.iter_mut().take(1).for_each(label_limited);
        let mut limited = admission_policies(&guard(installation, keys));
        limited.append(&mut objects);
        objects = limited;
    }
    objects.extend(
        extras
            .credential
            .map(|credential| secret(installation, credential)),
    );
    objects.extend(
        extras
            .network_policy
            .map(|ports| network_policy(installation, ports)),
    );
    objects.push(cron_job(installation));
    objects
}

fn guard(installation: &Installation, keys: &BTreeMap<String, String>) -> Guard {
    let namespace = &installation.namespace;
    let secret = |(name, key): (&String, &String)| ((namespace.clone(), name.clone()), key.clone());
    let workloads = installation.task.workloads.iter().cloned();
    Guard {
        purpose: Purpose::Installation,
        namespace: namespace.clone(),
        name: installation.name.clone(),
        objects: Some(GuardedObjects {
            secrets: keys.iter().map(secret).collect(),
            workloads: workloads
                .map(|workload| (namespace.clone(), workload))
                .collect::<BTreeSet<_>>(),
        }),
    }
}

/// The kinds of an installation's admission policies, in the order in which they are
/// removed.
pub const POLICY_KINDS: [ObjectKind; 2] = [
    ObjectKind::ValidatingAdmissionPolicyBinding,
    ObjectKind::ValidatingAdmissionPolicy,
];

/// The kinds that an installation may consist of, in the order in which they
/// are removed: what runs goes first.
pub const KINDS: [ObjectKind; 6] = [
    ObjectKind::CronJob,
    ObjectKind::NetworkPolicy,
    ObjectKind::RoleBinding,
    ObjectKind::Role,
    ObjectKind::ServiceAccount,
    ObjectKind::Secret,
];

/// What the pods of the CronJob do not work without.
pub const NEEDED: [ObjectKind; 4] = [
    ObjectKind::RoleBinding,
    ObjectKind::Role,
    ObjectKind::ServiceAccount,
    ObjectKind::Secret,
];

/// Those of them that not every installation has.
pub const OPTIONAL: [ObjectKind; 2] = [ObjectKind::NetworkPolicy, ObjectKind::Secret];
