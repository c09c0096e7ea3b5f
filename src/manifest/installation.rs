//! All objects of an installation.

use super::cronjob::{CLIENT_ID, Installation, PodIdentity, TENANT_ID, cron_job, network_policy, secret};
use super::ownership::Purpose;
use super::rbac::{Rights, rbac};
use crate::model::{Object, ObjectKind};

/// What an installation may have beyond the objects that each has.
#[derive(Clone, Copy, Default)]
pub struct Extras<'a> {
    /// The content of a Secret with the credential of a service principal.
    pub credential: Option<&'a [u8]>,
    pub network_policy: bool,
}

/// The objects in the order of the writes. The Role is first, so that users who
/// may not grant its rights have changed nothing; the CronJob is last, so that
/// it never runs without the others.
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
            account["metadata"]["annotations"][CLIENT_ID] = client_id.clone().into();
            if let Some(tenant) = tenant {
                account["metadata"]["annotations"][TENANT_ID] = tenant.clone().into();
            }
        }
    }
    objects.extend(
        extras
            .credential
            .map(|credential| secret(installation, credential)),
    );
    if extras.network_policy {
        objects.push(network_policy(installation));
    }
    objects.push(cron_job(installation));
    objects
}

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

/// Those of them that not every installation has.
pub const OPTIONAL: [ObjectKind; 2] = [ObjectKind::NetworkPolicy, ObjectKind::Secret];
