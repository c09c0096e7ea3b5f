//! The pods of a workload and their logs.

mod facts;

use std::io;
use std::pin::pin;

use futures::{AsyncRead, AsyncReadExt};
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use kube::Api;
use kube::api::{DeleteParams, LogParams, Preconditions};
use kube::core::Selector;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Cluster;
use super::lean::{Element, few};
use super::list::{List, Meta, Owner};
use crate::model::request::Scope;

use facts::refusal_in;

pub use facts::pod_facts;

/// The longest selector that fits into a request, in bytes.
const LONGEST_SELECTOR: usize = 4096;

/// A gateway logs at its start whether Azure accepts it, so the beginning of
/// its log is enough.
const LOG_BYTES: u64 = 4 * 1024 * 1024;

/// How much of a log is in memory at once.
const LOG_CHUNK: usize = 32 * 1024;

/// Longer than the text of any event.
const LONGEST_EVENT: usize = 64;

impl Cluster {
    /// The pods that a selector matches.
    pub async fn pods(&self, selector: &Selector) -> Result<Vec<Pod>, kube::Error> {
        let list = List {
            labels: Some(&selector.to_string()),
            ..List::of("/api/v1", "pods")
        };
        let scope = Scope::Namespace(self.namespace.clone());
        self.list(list, &scope, |pod: ReducedPod| Some(pod.into())).await
    }

    /// Deletes a pod as it was read. It is a conflict if it has changed since then.
    pub async fn delete_pod(&self, pod: &Pod) -> Result<(), kube::Error> {
        let pods = kube::core::Request::new(format!("/api/v1/namespaces/{}/pods", self.namespace));
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: pod.metadata.uid.clone(),
                resource_version: pod.metadata.resource_version.clone(),
            }),
            ..DeleteParams::default()
        };
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let request = || pods.delete(name, &params).map_err(kube::Error::BuildRequest);
        // The answer is the pod, of which nothing is used.
        let deleted = self.writing(false, async || self.answered::<IgnoredAny>(request()?).await);
        deleted.await.map(drop)
    }

    /// The event in the beginning of a container's log that shows that Azure refused
    /// the credential. Bytes that are not UTF-8 hide nothing.
    pub async fn refusal_in_log(&self, pod: &str, container: &str) -> Result<Option<String>, kube::Error> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let params = LogParams {
            container: Some(container.to_owned()),
            limit_bytes: i64::try_from(LOG_BYTES).ok(),
            ..LogParams::default()
        };
        let log = pin!(pods.log_stream(pod, &params).await?);
        let found = refusal_in_stream(log.take(LOG_BYTES)).await;
        found.map_err(|error| kube::Error::Service(Box::new(error)))
    }
}

/// Finds an event without holding the whole log, even where two reads meet.
async fn refusal_in_stream(log: impl AsyncRead) -> io::Result<Option<String>> {
    let mut log = pin!(log);
    let mut chunk = vec![0; LOG_CHUNK];
    let mut text = Vec::new();
    loop {
        let read = log.read(&mut chunk).await?;
        text.extend(chunk.iter().take(read));
        match refusal_in(&String::from_utf8_lossy(&text)) {
            Some(found) if found.is_whole || read == 0 || text.len() > 2 * LOG_CHUNK => {
                return Ok(Some(found.event));
            }
            // The rest of its line may say why.
            Some(_) => {}
            None if read == 0 => return Ok(None),
            None => drop(text.drain(..text.len().saturating_sub(LONGEST_EVENT))),
        }
    }
}

/// A pod with the names of its containers instead of its spec, which may be
/// large.
#[derive(Deserialize)]
pub struct ReducedPod {
    metadata: Meta,
    #[serde(default)]
    spec: Containers,
    status: Option<PodStatus>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Containers {
    #[serde(deserialize_with = "few")]
    containers: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Element for Named {}

impl From<Owner> for OwnerReference {
    fn from(owner: Owner) -> Self {
        Self {
            kind: owner.kind,
            name: owner.name,
            controller: Some(owner.controller),
            ..Self::default()
        }
    }
}

impl From<ReducedPod> for Pod {
    fn from(pod: ReducedPod) -> Self {
        let meta = pod.metadata;
        let named = |Named { name }| Container {
            name,
            ..Container::default()
        };
        Self {
            metadata: ObjectMeta {
                name: Some(meta.name),
                namespace: Some(meta.namespace),
                uid: Some(meta.uid),
                resource_version: Some(meta.resource_version),
                labels: Some(meta.labels),
                annotations: Some(meta.annotations),
                creation_timestamp: meta.creation_timestamp,
                deletion_timestamp: meta.deletion_timestamp,
                owner_references: Some(meta.owner_references.into_iter().map(Owner::into).collect()),
                ..ObjectMeta::default()
            },
            spec: Some(PodSpec {
                containers: pod.spec.containers.into_iter().map(named).collect(),
                ..PodSpec::default()
            }),
            status: pod.status,
        }
    }
}

/// A workload's selector, for matching here or in a request; `None` for one
/// that the API server would not store, or that is too long for a request.
pub fn selector(selector: &LabelSelector) -> Option<Selector> {
    let selector = Selector::try_from(selector.clone()).ok()?;
    (selector.to_string().len() <= LONGEST_SELECTOR).then_some(selector)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_a_pod_its_marks_its_containers_and_its_status_are_kept() {
        let pod: ReducedPod = serde_json::from_value(json!({
            "metadata": {"name": "gw-1", "annotations": {"apim-rotate/rotation-id": "r1"}, "managedFields": [{}]},
            "spec": {"containers": [{"name": "gw", "env": vec![json!({"name": "A"}); 1000]}]},
            "status": {"phase": "Running"},
        }))
        .unwrap();
        let pod = Pod::from(pod);
        assert_eq!(pod.metadata.annotations.unwrap()["apim-rotate/rotation-id"], "r1");
        let containers = pod.spec.unwrap().containers;
        assert_eq!((containers[0].name.as_str(), &containers[0].env), ("gw", &None));
        assert_eq!(pod.status.unwrap().phase.as_deref(), Some("Running"));
    }

    #[tokio::test]
    async fn an_event_is_found_behind_noise_and_where_two_reads_meet() {
        const EVENT: &str = "ConfigurationApiV2NotAvailable";
        for noise in [300_000, LOG_CHUNK - 1, LOG_CHUNK - EVENT.len() + 1, 0] {
            let log = "\u{e9}".repeat(noise / 2) + EVENT + "!";
            let found = refusal_in_stream(log.as_bytes()).await.unwrap();
            assert_eq!(found.as_deref(), Some(EVENT), "{noise}");
        }
        for noise in [0, LOG_CHUNK - 40] {
            let line = format!("{EVENT}, AADSTS7000215: Invalid client secret");
            let log = format!("{}{line}\nAADSTS1", "x".repeat(noise));
            let found = refusal_in_stream(log.as_bytes()).await.unwrap();
            let said = format!("{EVENT} (AADSTS7000215)");
            assert_eq!(found, Some(said), "{noise}");
        }
        let clean = "x".repeat(300_000);
        assert_eq!(refusal_in_stream(clean.as_bytes()).await.unwrap(), None);
    }

    #[test]
    fn every_operator_is_sent() {
        let labels: LabelSelector = serde_json::from_value(json!({
            "matchLabels": {"app": "gw"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["a", "b"]},
                {"key": "old", "operator": "DoesNotExist"},
                {"key": "zone", "operator": "Exists"},
                {"key": "env", "operator": "NotIn", "values": ["dev"]},
            ],
        }))
        .unwrap();
        assert_eq!(
            selector(&labels).unwrap().to_string(),
            "app=gw,tier in (a,b),!old,zone,env notin (dev)"
        );
    }
}
