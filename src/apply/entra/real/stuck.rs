//! Pods that keep a StatefulSet from starting others.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use tokio::time::{Instant, sleep};

use super::RealSetup;
use crate::cluster::pods::selector;
use crate::cluster::rollout::rotation_ids;
use crate::cluster::{Cluster, explain};
use crate::model::{RotationIds, WorkloadRef};

/// The time between two looks at a workload.
const POLL: Duration = Duration::from_millis(500);

impl RealSetup<'_> {
    /// Deletes the pods without readiness that a StatefulSet does not replace by itself:
    /// those of another template, as `is_old` finds by their rotation ids. They serve
    /// nobody. Returns what is left to somebody else.
    pub(super) async fn free(
        &self,
        workload: &WorkloadRef,
        is_old: impl Fn(&RotationIds) -> bool,
    ) -> Option<String> {
        let planned = self.facts.cluster.workload.as_ref();
        if !planned.is_some_and(|it| it.ordered) {
            return None;
        }
        loop {
            match self.look(workload, &is_old).await {
                Ok(true) => return None,
                Ok(false) => {}
                Err(left) => return Some(left),
            }
            if Instant::now() + POLL >= self.deadline {
                return None;
            }
            sleep(POLL).await;
        }
    }

    /// Deletes the pods that are there now. Whether no other look is needed.
    async fn look(
        &self,
        workload: &WorkloadRef,
        is_old: impl Fn(&RotationIds) -> bool,
    ) -> Result<bool, String> {
        let Ok(live) = self.cluster.workload(workload).await else {
            return Ok(false);
        };
        if live.metadata.generation > live.status.observed_generation {
            // The controller would start the old pods again.
            return Ok(false);
        }
        let Some(selector) = selector(&live.spec.selector) else {
            return Ok(true);
        };
        let namespace = &self.cluster.namespace;
        let pods = self.cluster.pods(&selector).await.map_err(|error| {
            let error = explain(error, &format!("reading the pods of {workload}"));
            format!(
                "{error}; {workload} replaces a pod only once it is ready: kubectl -n {namespace} get pods"
            )
        })?;
        let mut is_done = true;
        for pod in pods
            .iter()
            .filter(|pod| is_stuck(pod, workload) && is_old(&rotation_ids(pod)))
        {
            is_done &= self.delete(pod, workload).await?;
        }
        Ok(is_done)
    }

    /// False if the pod has changed since it was read.
    async fn delete(&self, pod: &Pod, workload: &WorkloadRef) -> Result<bool, String> {
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        self.interrupt.setup_written.set(true);
        match self.cluster.delete_pod(pod).await {
            Ok(()) => {
                let why = format!(
                    "pod {name}, which was not ready, so that {} starts a new one",
                    workload.short()
                );
                self.output.step("deleted", &why);
                Ok(true)
            }
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(self.left(name, workload, error)),
        }
    }

    fn left(&self, pod: &str, workload: &WorkloadRef, error: kube::Error) -> String {
        let Cluster { namespace, .. } = &self.cluster;
        let error = explain(error, &format!("deleting pod {pod}"));
        format!(
            "{workload} replaces pod {pod} only once it is ready, which it is not: {error}; have it deleted: \
             kubectl -n {namespace} delete pod {pod}"
        )
    }
}

/// Whether a pod of the workload is not ready, and stays.
fn is_stuck(pod: &Pod, workload: &WorkloadRef) -> bool {
    let conditions = pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    let is_ready = conditions
        .filter(|condition| condition.type_ == "Ready")
        .any(|condition| condition.status == "True");
    let owners = pod.metadata.owner_references.iter().flatten();
    let is_own = owners
        .filter(|owner| owner.controller == Some(true))
        .any(|owner| owner.kind == "StatefulSet" && owner.name == workload.name);
    is_own && !is_ready && pod.metadata.deletion_timestamp.is_none()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::WorkloadKind;

    #[test]
    fn only_a_pod_of_the_workload_that_is_not_ready_is_stuck() {
        let workload = WorkloadRef {
            kind: WorkloadKind::StatefulSet,
            name: "gw".to_owned(),
        };
        let of = |owner: &str, ready: &str, ends: bool| {
            let mut pod = json!({
                "metadata": {"ownerReferences": [{
                    "apiVersion": "apps/v1", "kind": "StatefulSet", "name": owner, "uid": "u", "controller": true,
                }]},
                "status": {"conditions": [{"type": "Ready", "status": ready}]},
            });
            if ends {
                pod["metadata"]["deletionTimestamp"] = "2027-01-01T00:00:00Z".into();
            }
            is_stuck(&serde_json::from_value(pod).unwrap(), &workload)
        };
        assert!(of("gw", "False", false));
        for (owner, ready, ends) in [
            ("gw", "True", false),
            ("gw-other", "False", false),
            ("gw", "False", true),
        ] {
            assert!(!of(owner, ready, ends), "{owner} {ready} {ends}");
        }
    }
}
