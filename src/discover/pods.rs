//! The pods of gateways, and whether they run with an older credential than the
//! Secret holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use kube::core::{Selector, SelectorExt};

use super::read::{scopes, unread};
use super::survey::Gateway;
use crate::cluster::Cluster;
use crate::cluster::list::{List, MetadataOf};
use crate::cluster::own_pod::asks_webhook;
use crate::cluster::pods::ReducedPod;
use crate::cluster::rollout::PodAge;
use crate::error::Result;
use crate::model::annotation::ROTATION_ID;
use crate::model::request::Scope;
use crate::model::{Fact, SecretFacts, StalePods, Unavailable};

/// A pod of a gateway, by its metadata.
pub(super) struct Pod {
    pub(super) name: String,
    pub(super) age: PodAge,
    /// Whether it asks the webhook of Azure Workload Identity for an identity.
    pub(super) asks_webhook: bool,
}

/// The pods of each gateway.
pub(super) type Pods = Vec<Vec<Arc<Pod>>>;

/// The pods of these gateways. Metadata is enough for nearly all.
pub(super) async fn pods(cluster: &Cluster, scope: &Scope, gateways: &[Gateway]) -> Result<Fact<Pods>> {
    let mut by_namespace: BTreeMap<&str, Vec<(usize, &Selector)>> = BTreeMap::new();
    for (at, gateway) in gateways.iter().enumerate() {
        let of_namespace = by_namespace.entry(&gateway.namespace).or_default();
        of_namespace.extend(gateway.selector.as_ref().map(|selector| (at, selector)));
    }
    let list = List {
        metadata_only: true,
        // A pod that has ended, such as an evicted one, runs no gateway.
        fields: Some("status.phase!=Failed,status.phase!=Succeeded"),
        ..List::of("/api/v1", "pods")
    };
    let keep = |object: MetadataOf| {
        let mut meta = object.metadata;
        let here = by_namespace.get(meta.namespace.as_str())?.iter();
        let matching = here.filter(|(_, selector)| selector.matches(&meta.labels));
        let of_gateways: Vec<usize> = matching.map(|(at, _)| *at).collect();
        (!of_gateways.is_empty()).then(|| {
            let age = PodAge {
                is_idle: meta.deletion_timestamp.is_some(),
                rotation_ids: meta.annotations.remove(ROTATION_ID).into(),
                created: meta.created(),
                started: None,
            };
            let asks_webhook = asks_webhook(&meta);
            let pod = Pod {
                name: meta.name,
                age,
                asks_webhook,
            };
            (of_gateways, Arc::new(pod))
        })
    };
    let places = scopes(scope, by_namespace.keys().copied());
    let mut pods: Pods = gateways.iter().map(|_| Vec::new()).collect();
    for list in join_all(places.iter().map(|place| cluster.list(list, place, keep))).await {
        match list {
            Ok(list) => {
                for (of_gateways, pod) in list {
                    for at in of_gateways {
                        if let Some(pods) = pods.get_mut(at) {
                            pods.push(pod.clone());
                        }
                    }
                }
            }
            Err(error) => return Ok(Err(unread(error, "listing the pods")?.reason)),
        }
    }
    Ok(Ok(pods))
}

/// The pods of the gateway at this place of the list that they were read for.
pub(super) fn of_gateway(pods: &Fact<Pods>, at: usize) -> Fact<&[Arc<Pod>]> {
    let pods = pods.as_ref().map_err(Unavailable::clone)?;
    Ok(pods.get(at).map(Vec::as_slice).unwrap_or_default())
}

/// Which pods run with an older credential than the Secret holds.
pub(super) async fn stale_pods(
    cluster: &Cluster,
    pods: Fact<&[Arc<Pod>]>,
    gateway: &Gateway,
    stored: Option<&SecretFacts>,
) -> Result<Fact<StalePods>> {
    let pods = match pods {
        Ok(pods) => pods,
        Err(gap) => return Ok(Err(gap)),
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
            "the selector of the workload is not valid, or too long".to_owned(),
        )));
    };
    let id = secret.id_of_pods();
    let id = id.as_deref();
    // A Secret that was never changed held no older credential, which a pod
    // created along with it could have.
    let is_first = secret.created == Some(written);
    let mut found = StalePods::default();
    for pod in pods {
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
        // A pod of the template before is certainly older.
        let template = &gateway.facts.marks.template.rotation_ids;
        let unsure = std::mem::take(&mut found.unsure);
        if id.is_some_and(|id| template.contains(id)) {
            found.stale.extend(unsure);
        }
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
    let age = |pod: ReducedPod| {
        let pod = k8s_openapi::api::core::v1::Pod::from(pod);
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
