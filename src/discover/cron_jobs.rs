//! The CronJobs that run this program, or the script that it replaces, and the
//! gateways that they rotate.

mod container;
mod program;
mod service;
mod shell;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::read::{scopes, unread};
use crate::cluster::Cluster;
use crate::cluster::lean::few;
use crate::cluster::list::{List, Meta};
use crate::error::Result;
use crate::model::request::{CommandLine, ReadCommandLine, RotateRequest, Scope, WorkloadRequest};
use crate::model::{CronJobFacts, Unavailable, WorkloadRef, cleaned};
use container::{Container, invocations};
pub(super) use service::{Neighbour, Service};

/// A CronJob, cut to what is used.
#[derive(Deserialize)]
struct Object {
    metadata: Meta,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    schedule: String,
    time_zone: Option<String>,
    #[serde(default)]
    suspend: bool,
    job_template: JobTemplate,
}

#[derive(Deserialize)]
struct JobTemplate {
    spec: JobSpec,
}

#[derive(Deserialize)]
struct JobSpec {
    suspend: Option<bool>,
    parallelism: Option<i64>,
    completions: Option<i64>,
    template: PodTemplate,
}

#[derive(Deserialize)]
struct PodTemplate {
    spec: Pods,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Pods {
    #[serde(deserialize_with = "few")]
    init_containers: Vec<Container>,
    #[serde(deserialize_with = "few")]
    containers: Vec<Container>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    active: Vec<serde::de::IgnoredAny>,
    last_schedule_time: Option<Timestamp>,
    last_successful_time: Option<Timestamp>,
}

/// A CronJob that runs a program which rotates gateways.
#[derive(Clone, Debug)]
pub(super) struct Rotator {
    pub(super) facts: CronJobFacts,
    /// What it rotates: nothing if its command line is not understood.
    pub(super) requests: Vec<RotateRequest>,
    /// Whether it may rotate more than that.
    pub(super) is_unclear: bool,
    /// Why it rotates nothing, or why that is not known.
    pub(super) why: Option<String>,
}

impl Rotator {
    /// Reads it from the JSON of a CronJob.
    pub(super) fn of_json(json: &str, read: ReadCommandLine) -> Option<Self> {
        Self::of(serde_json::from_str(json).ok()?, read)
    }

    /// The workloads that it names by kind and name.
    pub(super) fn workloads(&self) -> Vec<WorkloadRef> {
        let names = self.requests.iter().flat_map(|request| &request.selection.names);
        let exact = names.filter_map(|name| match &name.value {
            WorkloadRequest::Exact(workload) => Some(workload.clone()),
            WorkloadRequest::ByName(_) => None,
        });
        exact.collect()
    }

    fn of(object: Object, read: ReadCommandLine) -> Option<Self> {
        let namespace = object.metadata.namespace.clone();
        let job = &object.spec.job_template.spec;
        let Pods {
            init_containers,
            containers,
        } = &job.template.spec;
        let (mut requests, mut unclear, mut nothing) = (Vec::new(), None, None);
        for container in init_containers.iter().chain(containers) {
            let mut of_container = Vec::new();
            let lines = match invocations(container, &namespace) {
                Ok(found) => found.iter().map(read).collect(),
                Err(why) => vec![CommandLine::NotUnderstood(why)],
            };
            let mut is_understood = true;
            for line in lines {
                match line {
                    CommandLine::Rotates(request) => of_container.push(*request),
                    CommandLine::RotatesNothing(why) => nothing = nothing.or(Some(why)),
                    CommandLine::NotUnderstood(why) => {
                        is_understood = false;
                        unclear = unclear.or(Some(why));
                    }
                }
            }
            // What fails keeps what follows in the same container from running.
            if is_understood {
                requests.append(&mut of_container);
            }
        }
        if let Some(why) = starts_nothing(job).filter(|_| !requests.is_empty()) {
            requests.clear();
            nothing = Some(why.to_owned());
        }
        if requests.is_empty() && unclear.is_none() && nothing.is_none() {
            return None;
        }
        Some(Self {
            facts: facts(object),
            requests,
            is_unclear: unclear.is_some(),
            why: unclear.or(nothing),
        })
    }
}

/// Why the Jobs start no pods.
fn starts_nothing(job: &JobSpec) -> Option<&'static str> {
    if job.suspend == Some(true) {
        Some("its Jobs are suspended")
    } else if job.parallelism == Some(0) || job.completions == Some(0) {
        Some("its Jobs start no pods")
    } else {
        None
    }
}

fn facts(object: Object) -> CronJobFacts {
    let created = object.metadata.created();
    CronJobFacts {
        namespace: object.metadata.namespace,
        name: object.metadata.name,
        schedule: cleaned(&object.spec.schedule),
        time_zone: object.spec.time_zone.as_deref().map(cleaned),
        suspended: object.spec.suspend,
        created,
        last_run: object.status.last_schedule_time,
        last_success: object.status.last_successful_time,
        running: !object.status.active.is_empty(),
        // That of the request by which a gateway is rotated.
        window: SignedDuration::ZERO,
    }
}

/// The CronJobs that rotate gateways in these namespaces, or in all if that is
/// the scope.
pub(super) async fn rotators(
    cluster: &Cluster,
    scope: &Scope,
    namespaces: &[&str],
    read: ReadCommandLine,
) -> Result<Result<Vec<Rotator>, Unavailable>> {
    // A CronJob for many namespaces may be in any.
    let places = match scope {
        Scope::Everywhere => vec![Scope::Everywhere],
        Scope::Namespace(_) => scopes(scope, namespaces.iter().copied()),
    };
    let mut found = Vec::new();
    for place in &places {
        match cluster
            .list(List::of("/apis/batch/v1", "cronjobs"), place, |object| {
                Rotator::of(object, read)
            })
            .await
        {
            Ok(list) => found.extend(list),
            Err(error) => {
                let doing = format!("listing the CronJobs of {place}");
                return Ok(Err(unread(error, &doing)?.reason));
            }
        }
    }
    Ok(Ok(found))
}

#[cfg(test)]
mod tests;
