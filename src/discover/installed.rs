//! The CronJobs of a namespace before one is installed: the one of its name,
//! and those that rotate the same gateways.

use serde_json::Value;

use super::cron_jobs::Rotator;
use super::read::is_forbidden;
use crate::cluster::list::List;
use crate::cluster::{Cluster, explain};
use crate::error::Result;
use crate::model::request::{ReadCommandLine, RotateRequest, Scope};
use crate::model::{Object, ObjectKind, WorkloadRef};

/// The CronJobs of a namespace.
pub struct CronJobs {
    /// The one of this name, installed by this program or not.
    pub present: Option<Object>,
    /// The workloads that the one of this name rotates by name.
    pub workloads: Vec<WorkloadRef>,
    /// What the one of this name rotates, if it rotates gateways.
    pub request: Option<RotateRequest>,
    /// The others that rotate gateways.
    others: Vec<Rotator>,
    /// Why the others could not be read.
    pub warning: Option<String>,
}

/// Reads them with one list; without the right to list, only the one of this
/// name.
pub async fn cron_jobs(cluster: &Cluster, name: &str, read: ReadCommandLine) -> Result<CronJobs> {
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
            let warning = format!("{error}; another CronJob may rotate the same gateways");
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
    let rotator = present.clone().and_then(|object| Rotator::of_value(object, read));
    Ok(CronJobs {
        workloads: rotator.as_ref().map(Rotator::workloads).unwrap_or_default(),
        request: rotator.map(|rotator| rotator.request),
        present: present.map(|object| Object::new(ObjectKind::CronJob, object)),
        others: objects
            .into_iter()
            .filter_map(|object| Rotator::of_value(object, read))
            .collect(),
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
