//! The pods of gateways, and whether they run with an older credential than the
//! Secret holds.

use std::collections::BTreeMap;

use futures::future::join_all;
use kube::core::{Selector, SelectorExt};

use super::read::{scopes, unread};
use super::survey::Gateway;
use crate::cluster::Cluster;
use crate::cluster::list::{List, MetadataOf};
use crate::cluster::rollout::PodAge;
use crate::error::Result;
use crate::model::annotation::ROTATION_ID;
use crate::model::request::Scope;
use crate::model::{Fact, SecretFacts, StalePods, Unavailable};

/// A pod by its metadata.
pub(super) struct Pod {
    name: String,
    labels: BTreeMap<String, String>,
    age: PodAge,
}

pub(super) type Pods = BTreeMap<String, Vec<Pod>>;

/// The pods of these namespaces, by namespace. Metadata is enough for nearly
/// all.
pub(super) async fn pods(cluster: &Cluster, scope: &Scope, namespaces: &[&str]) -> Result<Fact<Pods>> {
    let list = List {
        metadata_only: true,
        // A pod that has ended, such as an evicted one, runs no gateway.
        fields: Some("status.phase!=Failed,status.phase!=Succeeded"),
        ..List::of("/api/v1", "pods")
    };
    let keep = |object: MetadataOf| {
        let mut meta = object.metadata;
        namespaces.contains(&meta.namespace.as_str()).then(|| {
            let age = PodAge {
                is_idle: meta.deletion_timestamp.is_some(),
                rotation_id: meta.annotations.remove(ROTATION_ID),
                created: meta.created(),
                started: None,
            };
            (
                meta.namespace,
                Pod {
                    name: meta.name,
                    labels: meta.labels,
                    age,
                },
            )
        })
    };
    let places = scopes(scope, namespaces.iter().copied());
    let mut pods = Pods::new();
    for list in join_all(places.iter().map(|place| cluster.list(list, place, keep))).await {
        match list {
            Ok(list) => {
                for (namespace, pod) in list {
                    pods.entry(namespace).or_default().push(pod);
                }
            }
            Err(error) => return Ok(Err(unread(error, "listing the pods")?.reason)),
        }
    }
    Ok(Ok(pods))
}

/// Which pods run with an older credential than the Secret holds.
pub(super) async fn stale_pods(
    cluster: &Cluster,
    pods: &Fact<Pods>,
    gateway: &Gateway,
    stored: Option<&SecretFacts>,
) -> Result<Fact<StalePods>> {
    let pods = match pods {
        Ok(pods) => pods,
        Err(gap) => return Ok(Err(gap.clone())),
    };
    let Some(secret) = stored else {
        return Ok(Ok(StalePods::default()));
    };
    let Some(written) = secret.written() else {
        return Ok(Err(Unavailable::Unknown(
            "it is not recorded when the credential was written".to_owned(),
        )));
    };
    let Some(selector) = &gateway.selector else {
        return Ok(Err(Unavailable::Unknown(
            "the selector of the workload is not valid".to_owned(),
        )));
    };
    let id = secret.rotation();
    // A Secret that was never changed held no older credential, which a pod
    // created along with it could have.
    let is_first = secret.created == Some(written);
    let own = pods
        .get(&gateway.namespace)
        .into_iter()
        .flatten()
        .filter(|pod| selector.matches(&pod.labels));
    let mut found = StalePods::default();
    for pod in own {
        match pod.age.is_stale(id, written) {
            Some(true) => found.stale.push(pod.name.clone()),
            Some(false) => {}
            None => found.unsure.push(pod.name.clone()),
        }
    }
    if found.unsure.is_empty() {
        return Ok(Ok(found));
    }
    let mut closer = read_whole_pods(cluster, gateway, selector, id, written, found).await?;
    if let Ok(found) = &mut closer
        && is_first
    {
        found.unsure.clear();
    }
    Ok(closer)
}

/// Reads whole pods, where metadata is not enough.
async fn read_whole_pods(
    cluster: &Cluster,
    gateway: &Gateway,
    selector: &Selector,
    id: Option<&str>,
    written: jiff::Timestamp,
    mut found: StalePods,
) -> Result<Fact<StalePods>> {
    let list = List {
        labels: Some(&selector.to_string()),
        ..List::of("/api/v1", "pods")
    };
    let place = Scope::Namespace(gateway.namespace.clone());
    let container = Some(gateway.container.name.as_str()).filter(|name| !name.is_empty());
    let age = |pod: k8s_openapi::api::core::v1::Pod| {
        let age = PodAge::of(&pod, container);
        Some((pod.metadata.name?, age))
    };
    let ages: BTreeMap<String, PodAge> = match cluster.list(list, &place, age).await {
        Ok(list) => list.into_iter().collect(),
        Err(error) => return Ok(Err(unread(error, "listing the pods")?.reason)),
    };
    for name in std::mem::take(&mut found.unsure) {
        // A pod that is gone is no longer stale.
        match ages.get(&name).map(|age| age.is_stale(id, written)) {
            Some(Some(true)) => found.stale.push(name),
            Some(None) => found.unsure.push(name),
            Some(Some(false)) | None => {}
        }
    }
    Ok(Ok(found))
}
