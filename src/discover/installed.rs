//! The CronJobs of a namespace before one is installed: the one of its name,
//! and those that rotate the same gateways.

use serde_json::Value;
use serde_json::value::RawValue;

use super::cron_jobs::Rotator;
use super::read::is_forbidden;
use crate::cluster::lean::parse;
use crate::cluster::list::{List, MetadataOf};
use crate::cluster::{Cluster, explain};
use crate::error::Result;
use crate::model::request::{ReadCommandLine, RotateRequest, Scope};
use crate::model::{Object, ObjectKind, WorkloadRef};

/// The CronJobs of a namespace.
#[derive(Default)]
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
    warning: Option<String>,
}

/// Reads them with one list; without the right to list, only the one of this
/// name.
pub async fn cron_jobs(cluster: &Cluster, name: &str, read: ReadCommandLine) -> Result<CronJobs> {
    let scope = Scope::Namespace(cluster.namespace.clone());
    let of_json = |json: Box<RawValue>| {
        let json = json.get();
        let MetadataOf { metadata } = parse(json).ok()?;
        let rotator = Rotator::of_json(json, read);
        if metadata.name == name {
            Some((parse(json).ok(), rotator))
        } else {
            Some((None, Some(rotator?)))
        }
    };
    let list = cluster
        .list(List::of("/apis/batch/v1", "cronjobs"), &scope, of_json)
        .await;
    let doing = format!("listing the CronJobs of {scope}");
    let (found, warning): (Vec<(Option<Value>, Option<Rotator>)>, _) = match list {
        Ok(found) => (found, None),
        Err(error) if is_forbidden(&error) => {
            let error = explain(error, &doing);
            let present = cluster
                .object(ObjectKind::CronJob, name)
                .await
                .map_err(|error| explain(error, &format!("reading cronjob/{name}")))?;
            let present = present.map(|object| {
                let rotator = Rotator::of_json(&object.document().to_string(), read);
                (Some(object.document().clone()), rotator)
            });
            let warning = format!("{error}; another CronJob may rotate the same gateways");
            (present.into_iter().collect(), Some(warning))
        }
        Err(error) => return Err(explain(error, &doing)),
    };
    let mut cron_jobs = CronJobs {
        warning,
        ..CronJobs::default()
    };
    for (present, rotator) in found {
        match (present, rotator) {
            (Some(object), rotator) => {
                cron_jobs.present = Some(Object::new(ObjectKind::CronJob, object));
                cron_jobs.workloads = rotator.as_ref().map(Rotator::workloads).unwrap_or_default();
                // One that is not understood may rotate anything.
                let request = |rotator: Rotator| {
                    let unclear = rotator.is_unclear.then(RotateRequest::default);
                    rotator.requests.into_iter().next().or(unclear)
                };
                cron_jobs.request = rotator.and_then(request);
            }
            (None, rotator) => cron_jobs.others.extend(rotator),
        }
    }
    Ok(cron_jobs)
}

impl CronJobs {
    /// What else may rotate the same gateways, as sentences.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        let unclear = self.others.iter().filter(|other| other.is_unclear);
        let unclear = unclear.filter_map(|other| {
            let (name, why) = (&other.facts.name, other.why.as_deref()?);
            Some(format!("cronjob/{name} may rotate the same gateways: {why}"))
        });
        self.warning.iter().cloned().chain(unclear)
    }

    /// The name of another CronJob that rotates this gateway.
    pub fn rival(&self, namespace: &str, workload: &WorkloadRef, secret: &str) -> Option<&str> {
        let serves = |other: &&Rotator| other.serves(namespace, workload, Some(secret));
        let other = self.others.iter().find(serves)?;
        Some(&other.facts.name)
    }
}
