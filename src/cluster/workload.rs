//! Deployments, StatefulSets and DaemonSets through one type with the fields
//! that a rotation needs.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, Time};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::{Patch, PatchParams};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};

use super::Cluster;
use super::lean::{Element, few, text};
use super::list::Meta;
use super::pod_spec::{PodSpec, PodTemplate};
use crate::model::annotation::{FIELD_MANAGER, GIVEN_UP, MARKS_MANAGER, PROVED, RESTARTED_AT, ROTATION_ID};
use crate::model::{TemplateMarks, WorkloadKind, WorkloadMarks, WorkloadRef, WorkloadVersion};

/// The path of the API with the three kinds of workloads.
pub const APPS: &str = "/apis/apps/v1";

/// A workload, reduced to the fields that are used.
#[derive(Clone, Debug, Deserialize)]
pub struct Workload {
    pub metadata: Meta,
    pub spec: WorkloadSpec,
    /// Empty before its controller has seen the workload.
    #[serde(default)]
    pub status: WorkloadStatus,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadSpec {
    /// How many pods are wanted; a DaemonSet has no such field.
    pub replicas: Option<i32>,
    /// Whether a Deployment's rollout is paused.
    #[serde(default)]
    pub paused: bool,
    pub selector: LabelSelector,
    pub template: PodTemplate,
    /// In which order a StatefulSet starts its pods: `OrderedReady` or `Parallel`.
    #[serde(default)]
    pub pod_management_policy: Option<String>,
    /// How its pods are replaced; a Deployment spells the field `strategy`.
    #[serde(default, alias = "strategy")]
    pub update_strategy: Strategy,
}

/// How pods are replaced.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Strategy {
    /// `RollingUpdate`, `Recreate` or `OnDelete`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    #[serde(default)]
    pub rolling_update: RollingUpdate,
}

/// The limits of a rolling update.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RollingUpdate {
    /// Pods of a StatefulSet with a lower ordinal keep their revision.
    #[serde(default)]
    pub partition: i32,
    /// How many pods may run in addition to the wanted ones.
    pub max_surge: Option<IntOrString>,
    /// How many of the wanted pods may be missing.
    pub max_unavailable: Option<IntOrString>,
}

/// The counters of a workload's status, under the same names for all kinds: a
/// Deployment and a StatefulSet count replicas, a DaemonSet counts nodes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadStatus {
    /// The generation that the controller has acted on.
    pub observed_generation: Option<i64>,
    /// All pods.
    #[serde(alias = "currentNumberScheduled")]
    pub replicas: i32,
    /// Pods of the newest revision.
    #[serde(alias = "updatedNumberScheduled")]
    pub updated_replicas: i32,
    /// Ready pods, of any revision.
    #[serde(alias = "numberReady")]
    pub ready_replicas: i32,
    /// Pods that have been ready for `minReadySeconds`.
    #[serde(alias = "numberAvailable")]
    pub available_replicas: i32,
    /// How many nodes should run a pod of a DaemonSet.
    pub desired_number_scheduled: Option<i32>,
    /// Those of a rollout, which only a Deployment has.
    #[serde(deserialize_with = "few")]
    pub conditions: Vec<Condition>,
}

/// A condition of a workload.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    #[serde(rename = "type", deserialize_with = "text")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    #[serde(deserialize_with = "text")]
    pub status: String,
    #[serde(deserialize_with = "text")]
    pub reason: String,
    #[serde(deserialize_with = "text")]
    pub message: String,
    /// When its status last changed.
    pub last_transition_time: Option<Time>,
}

impl Element for Condition {
    fn is_used(&self) -> bool {
        matches!(self.kind.as_str(), "Progressing" | "ReplicaFailure")
    }
}

/// As [`Workload::marks`], of a workload with all its fields.
pub fn marks_of(whole: &Value) -> WorkloadMarks {
    let text = |meta: &Value, name: &str| meta["annotations"][name].as_str().map(str::to_owned);
    let (template, own) = (&whole["spec"]["template"]["metadata"], &whole["metadata"]);
    marks(&|name| text(template, name), &|name| text(own, name))
}

type Annotation<'a> = dyn Fn(&str) -> Option<String> + 'a;

fn marks(template: &Annotation<'_>, own: &Annotation<'_>) -> WorkloadMarks {
    WorkloadMarks {
        template: TemplateMarks {
            rotation_ids: template(ROTATION_ID).into(),
            restarted_at: template(RESTARTED_AT),
        },
        proved: own(PROVED).into(),
        given_up: own(GIVEN_UP).into(),
    }
}

impl Workload {
    /// The current values of the annotations that a rotation sets.
    pub fn marks(&self) -> WorkloadMarks {
        let (template, own) = (
            &self.spec.template.metadata.annotations,
            &self.metadata.annotations,
        );
        marks(&|name| template.get(name).cloned(), &|name| {
            own.get(name).cloned()
        })
    }

    /// What its pods run.
    pub fn pod_spec(&self) -> Option<&PodSpec> {
        self.spec.template.spec.as_ref()
    }

    /// How many pods are wanted now; an autoscaler may change it.
    pub fn wanted(&self) -> i32 {
        self.status
            .desired_number_scheduled
            .or(self.spec.replicas)
            .unwrap_or(1)
    }

    /// The version that was read.
    pub fn version(&self, workload: &WorkloadRef) -> WorkloadVersion {
        WorkloadVersion {
            workload: workload.clone(),
            uid: self.metadata.uid.clone(),
            resource_version: self.metadata.resource_version.clone(),
        }
    }
}

impl Cluster {
    /// Reads one workload.
    pub async fn workload(&self, workload: &WorkloadRef) -> Result<Workload, kube::Error> {
        let path = format!("{}/{}", self.workloads_path(workload.kind), workload.name);
        self.get(&path).await
    }

    /// Whether the namespace is known not to exist; false without the right to
    /// read namespaces.
    pub async fn lacks_namespace(&self) -> bool {
        let path = format!("/api/v1/namespaces/{}", self.namespace);
        let read = self.get::<IgnoredAny>(&path).await;
        matches!(read, Err(kube::Error::Api(status)) if status.is_not_found() && status.details.is_some())
    }

    /// Changes the annotations of a rotation from these to those. If those of the
    /// pod template change, the pods are replaced. It is a conflict if the
    /// object's version is not the given one.
    pub async fn mark_workload(
        &self,
        version: &WorkloadVersion,
        before: &WorkloadMarks,
        after: &WorkloadMarks,
        dry_run: bool,
    ) -> Result<Workload, kube::Error> {
        let restarts = after.template != before.template;
        let manager = if restarts { FIELD_MANAGER } else { MARKS_MANAGER };
        let patch = Patch::Merge(patch(version, before, after));
        self.patch_workload(&version.workload, manager, &patch, dry_run)
            .await
    }

    pub(super) async fn patch_workload<T: DeserializeOwned>(
        &self,
        workload: &WorkloadRef,
        manager: &str,
        patch: &Patch<Value>,
        dry_run: bool,
    ) -> Result<T, kube::Error> {
        let params = patching(manager, dry_run);
        let workloads = kube::core::Request::new(self.workloads_path(workload.kind));
        let request = || {
            workloads
                .patch(&workload.name, &params, patch)
                .map_err(kube::Error::BuildRequest)
        };
        self.writing(dry_run, async || self.answered(request()?).await)
            .await
    }

    /// The path of all workloads of a kind.
    pub fn workloads_path(&self, kind: WorkloadKind) -> String {
        format!("{APPS}/namespaces/{}/{}", self.namespace, kind.plural())
    }
}

pub(super) fn patching(manager: &str, dry_run: bool) -> PatchParams {
    PatchParams {
        dry_run,
        field_manager: Some(manager.to_owned()),
        ..PatchParams::default()
    }
}

/// The body of the request that changes the annotations. It names only those that
/// change.
fn patch(version: &WorkloadVersion, before: &WorkloadMarks, after: &WorkloadMarks) -> Value {
    let mut patch = json!({"metadata": {"uid": version.uid}});
    // A rollout changes the version all the time. That is no reason to refuse a
    // change that concerns nothing but a record of ours.
    if after.template != before.template {
        patch["metadata"]["resourceVersion"] = json!(version.resource_version);
    }
    for (name, before, after) in [
        (PROVED, &before.proved, &after.proved),
        (GIVEN_UP, &before.given_up, &after.given_up),
    ] {
        if after != before {
            patch["metadata"]["annotations"][name] = json!(after);
        }
    }
    if after.template != before.template {
        let TemplateMarks {
            rotation_ids,
            restarted_at,
        } = &after.template;
        let annotations = json!({ROTATION_ID: rotation_ids, RESTARTED_AT: restarted_at});
        patch["spec"]["template"]["metadata"]["annotations"] = annotations;
    }
    patch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_names_only_the_annotations_that_change_and_a_restart_the_version() {
        let version = WorkloadVersion {
            workload: WorkloadRef {
                kind: WorkloadKind::Deployment,
                name: "gw".to_owned(),
            },
            uid: "u1".to_owned(),
            resource_version: "7".to_owned(),
        };
        let before = WorkloadMarks::default();
        let mut after = WorkloadMarks {
            proved: "r1".into(),
            ..before.clone()
        };
        assert_eq!(
            patch(&version, &before, &after),
            json!({"metadata": {"uid": "u1", "annotations": {PROVED: "r1"}}})
        );
        after.template.rotation_ids = "r1".into();
        after.given_up = "r1".into();
        after.proved = before.proved.clone();
        assert_eq!(
            patch(&version, &before, &after),
            json!({
                "metadata": {"uid": "u1", "resourceVersion": "7", "annotations": {GIVEN_UP: "r1"}},
                "spec": {"template": {"metadata": {"annotations": {ROTATION_ID: "r1", RESTARTED_AT: null}}}},
            })
        );
    }
}
