//! The CronJobs that run this program, or the script that it replaces, and the
//! gateways that they rotate.

mod container;
mod program;
mod service;
mod shell;
mod surroundings;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::read::{scopes, unread};
use crate::cluster::Cluster;
use crate::cluster::lean::{Element, few, parse};
use crate::cluster::list::List;
use crate::error::Result;
use crate::model::request::{CommandLine, ReadCommandLine, RotateRequest, Scope, WorkloadRequest};
use crate::model::{CronJobFacts, Unavailable, WorkloadRef, cleaned};
use container::{Container, invocations};
pub(super) use service::Service;
pub(super) use surroundings::Surroundings;

/// The controller of Jobs that name none.
const JOB_CONTROLLER: &str = "kubernetes.io/job-controller";

/// The shortest deadline with which the controller is certain to start a Job: it
/// may look only every 10 s (kubernetes.io, "CronJob").
const SHORTEST_START: i64 = 10;

/// The shortest time in which a pod starts and a rotation is proved, in seconds.
const SHORTEST_RUN: i64 = 60;

/// A CronJob, cut to what is used.
#[derive(Deserialize)]
struct Object {
    metadata: Meta,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    name: String,
    namespace: String,
    creation_timestamp: Option<Timestamp>,
    deletion_timestamp: Option<Timestamp>,
    #[serde(deserialize_with = "few")]
    managed_fields: Vec<Managed>,
}

/// Fields that one writer set, and when it last changed one of them.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Managed {
    time: Option<Timestamp>,
    subresource: String,
    fields_v1: Managing,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Managing {
    #[serde(rename = "f:spec")]
    spec: Option<IgnoredAny>,
}

impl Element for Managed {
    fn is_used(&self) -> bool {
        self.subresource.is_empty() && self.fields_v1.spec.is_some()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    schedule: String,
    time_zone: Option<String>,
    #[serde(default)]
    suspend: bool,
    starting_deadline_seconds: Option<i64>,
    job_template: JobTemplate,
}

#[derive(Deserialize)]
struct JobTemplate {
    spec: JobSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JobSpec {
    suspend: Option<bool>,
    parallelism: Option<i64>,
    completions: Option<i64>,
    active_deadline_seconds: Option<i64>,
    managed_by: Option<String>,
    success_policy: Option<IgnoredAny>,
    pod_failure_policy: Option<PodFailurePolicy>,
    template: PodTemplate,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PodFailurePolicy {
    #[serde(deserialize_with = "few")]
    rules: Vec<PodFailureRule>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodFailureRule {
    action: String,
    on_exit_codes: Option<IgnoredAny>,
}

impl Element for PodFailureRule {}

#[derive(Deserialize)]
struct PodTemplate {
    spec: Pods,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Pods {
    active_deadline_seconds: Option<i64>,
    #[serde(deserialize_with = "few")]
    init_containers: Vec<Container>,
    #[serde(deserialize_with = "few")]
    containers: Vec<Container>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    active: Vec<IgnoredAny>,
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
        Self::of(parse(json).ok()?, read)
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
            ..
        } = &job.template.spec;
        let (mut requests, mut unclear, mut nothing) = (Vec::new(), None, None);
        for container in init_containers.iter().chain(containers) {
            let mut of_container = Vec::new();
            let lines = match invocations(container, &namespace) {
                Ok(found) if container.is_sidecar() => {
                    let why = || "it runs in a sidecar, whose failure does not fail the Job".to_owned();
                    let uncounted = |_| CommandLine::NotUnderstood(why());
                    found.iter().map(uncounted).collect()
                }
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
        let why = never_ends(&object).or_else(|| hides_failures(job));
        if let Some(why) = why.filter(|_| !requests.is_empty()) {
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

/// Why no run of it ends with a rotation.
fn never_ends(object: &Object) -> Option<&'static str> {
    let Spec {
        starting_deadline_seconds: start,
        job_template: JobTemplate { spec: job },
        ..
    } = &object.spec;
    let deadlines = [
        job.active_deadline_seconds,
        job.template.spec.active_deadline_seconds,
    ];
    if object.metadata.deletion_timestamp.is_some() {
        Some("it is being deleted")
    } else if start.is_some_and(|seconds| seconds < SHORTEST_START) {
        Some("with a startingDeadlineSeconds of less than 10 its Jobs may never start")
    } else if job.suspend == Some(true) {
        Some("its Jobs are suspended")
    } else if job.parallelism == Some(0) || job.completions == Some(0) {
        Some("its Jobs start no pods")
    } else if deadlines
        .into_iter()
        .flatten()
        .any(|seconds| seconds < SHORTEST_RUN)
    {
        Some("with an activeDeadlineSeconds of less than 60 a rotation may be cut off")
    } else {
        None
    }
}

/// Why the record of its Jobs does not show whether runs succeed.
fn hides_failures(job: &JobSpec) -> Option<&'static str> {
    let is_ignored = |rule: &PodFailureRule| rule.action == "Ignore" && rule.on_exit_codes.is_some();
    let policy = job.pod_failure_policy.as_ref();
    if job
        .managed_by
        .as_deref()
        .is_some_and(|controller| controller != JOB_CONTROLLER)
    {
        Some("another controller than that of Kubernetes runs its Jobs")
    } else if job.success_policy.is_some() || policy.is_some_and(|policy| policy.rules.iter().any(is_ignored))
    {
        Some("its Jobs can succeed although a run failed")
    } else {
        None
    }
}

fn facts(object: Object) -> CronJobFacts {
    let created = object.metadata.creation_timestamp;
    let writes = object.metadata.managed_fields.iter();
    let changed = writes.filter_map(|managed| managed.time).max();
    CronJobFacts {
        namespace: object.metadata.namespace,
        name: object.metadata.name,
        schedule: cleaned(&object.spec.schedule),
        time_zone: object.spec.time_zone.as_deref().map(cleaned),
        suspended: object.spec.suspend,
        created,
        changed,
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
