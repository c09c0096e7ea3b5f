//! The CronJob that rotates, and the objects installed with it.

mod arguments;
mod files;
mod installation;
mod network_policy;
mod pod;

use std::collections::BTreeMap;

use jiff::SignedDuration;
use k8s_openapi::ByteString;
use k8s_openapi::api::batch::v1::{
    CronJob, CronJobSpec, Job, JobSpec, JobTemplateSpec, PodFailurePolicy,
    PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::document::{document, meta};
use super::ownership::Owner;
use crate::error::Kind;
use crate::model::Object;
use crate::model::entra::USE_LABEL;

use arguments::RETRIES;
pub use installation::{
    AUDIENCE, CLIENT_SECRET_KEY, CONTAINER, Ca, Installation, Instance, KeyOf, LONGEST_NAME, PodIdentity,
    PodOptions, RunAs, Schedule, Task,
};
pub use network_policy::{USUAL_API_SERVER_PORTS, network_policy};
pub use pod::{OS, OS_LABEL};

/// How many successful and how many failed Jobs are kept.
const HISTORY: i32 = 3;

/// How many seconds late a Job may start. After that, the next one is soon
/// enough.
const LATEST_START: i64 = 3600;

/// The time for a Job's pod to start, in addition to the rotations.
const START: SignedDuration = SignedDuration::from_secs(60);

/// The errors after which the Job is not retried. The first three would recur. A
/// fleet has retried by itself what can succeed: a retry of the whole fleet would
/// mint again for the gateways whose new tokens Azure has refused.
const NOT_RETRIED: [Kind; 4] = [Kind::Usage, Kind::Refused, Kind::PutBack, Kind::Partial];

/// The labels by which a pod opts out of the sidecars of Istio and Kuma. A sidecar
/// runs on when the rotation has ended, so that the Job never ends.
pub const NO_SIDECAR_LABELS: [(&str, &str); 2] = [
    ("sidecar.istio.io/inject", "false"),
    ("kuma.io/sidecar-injection", "disabled"),
];

/// The same by annotations, for Linkerd and Open Service Mesh.
pub const NO_SIDECAR_ANNOTATIONS: [(&str, &str); 2] = [
    ("linkerd.io/inject", "disabled"),
    ("openservicemesh.io/sidecar-injection", "disabled"),
];

impl Installation {
    /// The limit for a Job in seconds: the sum of its rotations, and the start
    /// of its pod.
    fn deadline(&self) -> i64 {
        let gateways = i64::try_from(self.task.secrets.len().max(1)).unwrap_or(i64::MAX);
        let rotations = self.task.timeout.as_secs().saturating_mul(gateways);
        rotations.saturating_add(START.as_secs())
    }
}

pub fn cron_job(installation: &Installation) -> Object {
    let Installation {
        namespace,
        name,
        schedule,
        ..
    } = installation;
    let object = CronJob {
        metadata: meta(Some(namespace), name, Owner::installation(name)),
        spec: Some(CronJobSpec {
            schedule: schedule.cron.clone(),
            time_zone: Some(schedule.time_zone.clone()),
            concurrency_policy: Some("Forbid".to_owned()),
            starting_deadline_seconds: Some(LATEST_START),
            successful_jobs_history_limit: Some(HISTORY),
            failed_jobs_history_limit: Some(HISTORY),
            suspend: Some(schedule.suspend),
            job_template: JobTemplateSpec {
                metadata: Some(labelled(name)),
                spec: Some(job_spec(installation)),
            },
        }),
        status: None,
    };
    document(&object)
}

fn job_spec(installation: &Installation) -> JobSpec {
    JobSpec {
        backoff_limit: Some(i32::from(RETRIES)),
        pod_failure_policy: Some(failure_policy()),
        active_deadline_seconds: Some(installation.deadline()),
        template: template(installation),
        ..JobSpec::default()
    }
}

/// A Job like those of the CronJob, to check whether the namespace admits it.
pub fn job(installation: &Installation) -> Object {
    let object = Job {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", installation.name)),
            namespace: Some(installation.namespace.clone()),
            ..labelled(&installation.name)
        },
        spec: Some(job_spec(installation)),
        status: None,
    };
    document(&object)
}

/// A pod like those of the CronJob's Jobs, to check whether the namespace
/// admits it. It uses the default ServiceAccount, since its own may not exist
/// yet.
pub fn pod(installation: &Installation) -> Object {
    let PodTemplateSpec { metadata, spec } = template(installation);
    let mut spec = spec.unwrap_or_default();
    spec.service_account_name = None;
    let object = Pod {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", installation.name)),
            namespace: Some(installation.namespace.clone()),
            ..metadata.unwrap_or_default()
        },
        spec: Some(spec),
        status: None,
    };
    document(&object)
}

/// The Secret with a service principal's client secret or certificate.
pub fn secret(installation: &Installation, credential: &[u8]) -> Object {
    let Installation { namespace, name, .. } = installation;
    let object = Secret {
        metadata: meta(Some(namespace), name, Owner::installation(name)),
        type_: Some("Opaque".to_owned()),
        data: Some([(CLIENT_SECRET_KEY.to_owned(), ByteString(credential.to_vec()))].into()),
        ..Secret::default()
    };
    document(&object)
}

fn failure_policy() -> PodFailurePolicy {
    let codes = NOT_RETRIED.map(|kind| i32::from(kind.exit_code()));
    PodFailurePolicy {
        rules: vec![PodFailurePolicyRule {
            action: "FailJob".to_owned(),
            on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
                container_name: Some(CONTAINER.to_owned()),
                operator: "In".to_owned(),
                values: codes.to_vec(),
            }),
            on_pod_conditions: None,
        }],
    }
}

fn template(installation: &Installation) -> PodTemplateSpec {
    let mut labels = pairs(&NO_SIDECAR_LABELS);
    labels.extend(installation.pod.labels.clone());
    labels.extend(Owner::installation(&installation.name).labels());
    if matches!(installation.identity, PodIdentity::Workload { .. }) {
        labels.insert(USE_LABEL.to_owned(), "true".to_owned());
    }
    let mut annotations = pairs(&NO_SIDECAR_ANNOTATIONS);
    annotations.extend(installation.pod.annotations.clone());
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        }),
        spec: Some(pod::spec(installation)),
    }
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |&(key, value): &(&str, &str)| (key.to_owned(), value.to_owned());
    pairs.iter().map(owned).collect()
}

fn labelled(installation: &str) -> ObjectMeta {
    ObjectMeta {
        labels: Some(Owner::installation(installation).labels()),
        ..ObjectMeta::default()
    }
}

#[cfg(test)]
mod tests;
