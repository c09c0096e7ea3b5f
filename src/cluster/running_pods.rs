//! The pods that run in a namespace, and which of them are those of one workload.

use serde::Deserialize;
use serde_json::Value;

use super::Cluster;
use super::list::{List, Meta};
use super::own_pod::{Spec, own_pod};
use crate::model::annotation::ROTATION_ID;
use crate::model::entra::OwnPod;
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
    #[serde(default)]
    status: Value,
}

impl Cluster {
    /// The pods that run in the namespace. Those of the workload are marked.
    pub async fn running_pods(&self, workload: Option<&WorkloadRef>) -> Result<Vec<RunningPod>, kube::Error> {
        self.pods_here(|pod| running(pod, workload)).await
    }

    /// The same, and what those of the workload have, by its container.
    pub async fn own_and_running_pods(
        &self,
        workload: Option<(&WorkloadRef, &str)>,
    ) -> Result<(Vec<OwnPod>, Vec<RunningPod>), kube::Error> {
        let found = self.pods_here(|pod| {
            let (workload, container) = workload.unzip();
            let own = container.filter(|_| workload.is_some_and(|it| is_of(&pod.metadata, it)));
            let own = own.map(|container| {
                let spec = Spec::deserialize(&pod.spec).unwrap_or_default();
                own_pod(&pod.metadata, &spec, container)
            });
            Some((own, running(pod, workload)?))
        });
        let (own, all): (Vec<_>, Vec<_>) = found.await?.into_iter().unzip();
        Ok((own.into_iter().flatten().collect(), all))
    }

    /// The pod templates of the namespace's workloads, which may have no pod now.
    pub async fn pod_templates(&self, own: Option<&WorkloadRef>) -> Result<Vec<RunningPod>, kube::Error> {
        let here = Scope::Namespace(self.namespace.clone());
        let mut all = Vec::new();
        for kind in WorkloadKind::ALL {
            let template = |it: Listed| {
                let workload = WorkloadRef {
                    kind,
                    name: it.metadata.name,
                };
                let spec = &it.spec["template"]["spec"];
                Some(RunningPod {
                    name: workload.short(),
                    is_own: own == Some(&workload),
                    service_account: account(spec),
                    secrets: secrets(spec),
                    ..RunningPod::default()
                })
            };
            let list = List::of("/apis/apps/v1", kind.plural());
            all.extend(self.list(list, &here, template).await?);
        }
        Ok(all)
    }

    async fn pods_here<T>(&self, keep: impl Fn(Listed) -> Option<T>) -> Result<Vec<T>, kube::Error> {
        let list = List {
            // A pod that has ended never starts again.
            fields: Some("status.phase!=Failed,status.phase!=Succeeded"),
            ..List::of("/api/v1", "pods")
        };
        let here = Scope::Namespace(self.namespace.clone());
        self.list(list, &here, keep).await
    }
}

fn running(pod: Listed, workload: Option<&WorkloadRef>) -> Option<RunningPod> {
    let mut meta = pod.metadata;
    if meta.deletion_timestamp.is_some() {
        return None;
    }
    Some(RunningPod {
        is_own: workload.is_some_and(|workload| is_of(&meta, workload)),
        service_account: account(&pod.spec),
        secrets: secrets(&pod.spec),
        reads_again: mounts_secret(&pod.spec) || is_restarted(&pod.status),
        rotation_ids: meta.annotations.remove(ROTATION_ID).into(),
        created: meta.created(),
        name: format!("pod/{}", meta.name),
    })
}

fn account(spec: &Value) -> String {
    spec["serviceAccountName"]
        .as_str()
        .map(cleaned)
        .unwrap_or_default()
}

fn secrets(spec: &Value) -> Vec<String> {
    let referred = references(spec).into_iter();
    let secrets = referred.filter(|(kind, _)| *kind == ObjectKind::Secret);
    secrets.map(|(_, name)| name).collect()
}

fn mounts_secret(spec: &Value) -> bool {
    let sources = |volume: &Value| {
        volume["projected"]["sources"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    };
    let mut volumes = spec["volumes"].as_array().into_iter().flatten();
    volumes.any(|it| !it["secret"].is_null() || sources(it).iter().any(|source| !source["secret"].is_null()))
}

/// Whether a container was started again, with the values that its Secrets had then.
fn is_restarted(status: &Value) -> bool {
    let kinds = ["initContainerStatuses", "containerStatuses"].into_iter();
    let mut all = kinds.flat_map(|kind| status[kind].as_array().into_iter().flatten());
    all.any(|container| container["restartCount"].as_u64().is_some_and(|count| count > 0))
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
