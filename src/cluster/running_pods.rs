//! The pods that run in a namespace, and which of them are those of one workload.

use serde::Deserialize;
use serde_json::Value;

use super::Cluster;
use super::list::{List, Meta};
use crate::model::annotation::ROTATION_ID;
use crate::model::entra::facts::RunningPod;
use crate::model::request::Scope;
use crate::model::{ObjectKind, WorkloadKind, WorkloadRef, cleaned, references};

/// Has the hash of the template that a Deployment adds to the name of its `ReplicaSet`.
const HASH: &str = "pod-template-hash";

#[derive(Deserialize)]
struct Listed {
    metadata: Meta,
    #[serde(default)]
    spec: Value,
}

impl Cluster {
    /// The pods that run in the namespace. Those of the workload are marked.
    pub async fn running_pods(&self, workload: Option<&WorkloadRef>) -> Result<Vec<RunningPod>, kube::Error> {
        let list = List {
            // A pod that has ended never starts again.
            fields: Some("status.phase!=Failed,status.phase!=Succeeded"),
            ..List::of("/api/v1", "pods")
        };
        let here = Scope::Namespace(self.namespace.clone());
        self.list(list, &here, |pod: Listed| running(pod, workload)).await
    }
}

fn running(pod: Listed, workload: Option<&WorkloadRef>) -> Option<RunningPod> {
    let mut meta = pod.metadata;
    if meta.deletion_timestamp.is_some() {
        return None;
    }
    let referred = references(&pod.spec).into_iter();
    Some(RunningPod {
        is_own: workload.is_some_and(|workload| is_of(&meta, workload)),
        service_account: pod.spec["serviceAccountName"]
            .as_str()
            .map(cleaned)
            .unwrap_or_default(),
        secrets: referred
            .filter(|(kind, _)| *kind == ObjectKind::Secret)
            .map(|(_, name)| name)
            .collect(),
        rotation_ids: meta.annotations.remove(ROTATION_ID).into(),
        created: meta.created(),
        name: meta.name,
    })
}

fn is_of(meta: &Meta, workload: &WorkloadRef) -> bool {
    let name = &workload.name;
    let (kind, owner) = match workload.kind {
        WorkloadKind::Deployment => {
            let hash = meta.labels.get(HASH).map_or("", String::as_str);
            ("ReplicaSet", format!("{name}-{hash}"))
        }
        WorkloadKind::StatefulSet => ("StatefulSet", name.clone()),
        WorkloadKind::DaemonSet => ("DaemonSet", name.clone()),
    };
    let mut owners = meta.owner_references.iter();
    owners.any(|it| it.controller && it.kind == kind && it.name == owner)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(owner: &Value, ends: bool) -> Option<RunningPod> {
        let mut pod = json!({
            "metadata": {
                "name": "p",
                "labels": {HASH: "5d7"},
                "annotations": {ROTATION_ID: "k1,setup-1"},
                "ownerReferences": [owner],
            },
            "spec": {
                "containers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "one", "key": "k"}}}]}],
                "volumes": [{"secret": {"secretName": "two"}}, {"projected": {"sources": [{"secret": {"name": "three"}}]}}],
                "serviceAccountName": "gw",
            },
        });
        if ends {
            pod["metadata"]["deletionTimestamp"] = "2027-01-01T00:00:00Z".into();
        }
        let workload = WorkloadRef {
            kind: WorkloadKind::Deployment,
            name: "gw".to_owned(),
        };
        running(serde_json::from_value(pod).unwrap(), Some(&workload))
    }

    #[test]
    fn a_pod_is_read_with_its_secrets_and_whether_it_is_one_of_the_workload() {
        let owner = |kind: &str, name: &str| json!({"kind": kind, "name": name, "controller": true});
        assert!(read(&owner("ReplicaSet", "gw-5d7"), false).unwrap().is_own);
        assert_eq!(read(&owner("Job", "other"), true), None);
        for other in [
            owner("ReplicaSet", "gw-other-5d7"),
            owner("ReplicaSet", "gw-"),
            owner("StatefulSet", "gw"),
            json!({"kind": "ReplicaSet", "name": "gw-5d7"}),
        ] {
            let found = read(&other, false).unwrap();
            assert_eq!(found.secrets, ["one", "three", "two"], "{other}");
            assert!(found.rotation_ids.contains("k1") && !found.is_own, "{other}");
        }
    }
}
