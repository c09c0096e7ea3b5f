//! The CronJobs of a namespace before one is installed: the one of its name,
//! and those that would rotate the same gateways.

use serde_json::Value;

use super::cron_jobs::Rotator;
use super::survey::is_forbidden;
use crate::cluster::list::{List, Scope};
use crate::cluster::{Cluster, explain};
use crate::error::Result;
use crate::model::{Object, ObjectKind, WorkloadRef};

/// The CronJobs of a namespace.
pub struct CronJobs {
    /// The one of the name, whoever has made it.
    pub present: Option<Object>,
    /// What the one of the name rotates, as far as it names it.
    pub workloads: Vec<WorkloadRef>,
    /// Whether the one of the name rotates gateways.
    pub rotates: bool,
    /// The others that rotate gateways.
    others: Vec<Rotator>,
    /// Why the others could not be looked at.
    pub warning: Option<String>,
}

/// Reads them with one list; without the right to list only the one of the
/// name.
pub async fn cron_jobs(cluster: &Cluster, name: &str) -> Result<CronJobs> {
    let scope = Scope::Namespace(cluster.namespace.clone());
    let list: Result<Vec<Value>, _> = cluster
        .list(List::of("/apis/batch/v1", "cronjobs"), &scope, Some)
        .await;
    let doing = format!("listing the CronJobs of {scope}");
    let (mut objects, warning) = match list {
        Ok(objects) => (objects, None),
        Err(error) if is_forbidden(&error) => {
            let error = explain(error, &doing);
            let present = cluster
                .object(ObjectKind::CronJob, name)
                .await
                .map_err(|error| explain(error, &format!("reading cronjob/{name}")))?;
            let warning = format!("{error}; so another CronJob may rotate the same gateways");
            (
                present
                    .map(|object| object.document().clone())
                    .into_iter()
                    .collect(),
                Some(warning),
            )
        }
        Err(error) => return Err(explain(error, &doing)),
    };
    let at = objects
        .iter()
        .position(|object| object["metadata"]["name"] == name);
    let present = at.map(|at| objects.swap_remove(at));
    let rotator = present.clone().and_then(Rotator::of_whole);
    Ok(CronJobs {
        workloads: rotator.as_ref().map(Rotator::workloads).unwrap_or_default(),
        rotates: rotator.is_some(),
        present: present.map(|object| Object::new(ObjectKind::CronJob, object)),
        others: objects.into_iter().filter_map(Rotator::of_whole).collect(),
        warning,
    })
}

impl CronJobs {
    /// The name of another CronJob that rotates this gateway.
    pub fn rival(&self, namespace: &str, workload: &WorkloadRef, secret: &str) -> Option<&str> {
        let serves = |other: &&Rotator| other.serves(namespace, workload, Some(secret));
        let other = self.others.iter().find(serves)?;
        Some(&other.facts.name)
    }
}
