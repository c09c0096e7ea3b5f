//! The ConfigMaps that hold settings of gateways.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use futures::{StreamExt, stream};
use kube::Api;
use serde::Deserialize;

use super::failure::{is_forbidden, is_not_found, unread};
use super::place::{FEW, Key, SIDE_BY_SIDE, scopes};
use crate::cluster::list::{List, Meta};
use crate::cluster::{Cluster, explain};
use crate::discover::pod_spec::ConfigMaps;
use crate::error::Result;
use crate::model::Unavailable;
use crate::model::request::Scope;

/// A ConfigMap without its managed fields.
#[derive(Deserialize)]
struct ConfigMap {
    metadata: Meta,
    #[serde(default)]
    data: BTreeMap<String, String>,
}

/// What the ConfigMaps hold, by namespace.
#[derive(Debug, Default)]
pub struct ConfigMapReads {
    maps: BTreeMap<String, ConfigMaps>,
    unread: BTreeMap<Key, Unavailable>,
    nothing: ConfigMaps,
}

impl ConfigMapReads {
    /// Reads the ConfigMaps named. One that does not exist holds no setting:
    /// the pods may start without it.
    pub async fn read(cluster: &Cluster, scope: &Scope, names: &BTreeSet<Key>) -> Result<Self> {
        let cluster = &cluster.for_optional_reads();
        let mut reads = Self::default();
        if names.len() <= FEW || !reads.list(cluster, scope, names).await? {
            reads.get(cluster, names).await?;
        }
        Ok(reads)
    }

    /// Reads those of one namespace.
    pub async fn read_in(cluster: &Cluster, names: &BTreeSet<String>) -> Result<Self> {
        let namespace = &cluster.namespace;
        let names = names.iter().map(|name| (namespace.clone(), name.clone()));
        Self::read(cluster, &Scope::Namespace(namespace.clone()), &names.collect()).await
    }

    /// Lists them; false without the right to.
    async fn list(&mut self, cluster: &Cluster, scope: &Scope, names: &BTreeSet<Key>) -> Result<bool> {
        let places = scopes(scope, names.iter().map(|(namespace, _)| namespace.as_str()));
        let keep = |map: ConfigMap| {
            let key = (map.metadata.namespace, map.metadata.name);
            names.contains(&key).then_some((key, map.data))
        };
        let lists = places
            .iter()
            .map(|place| cluster.list(List::of("/api/v1", "configmaps"), place, keep));
        let lists = join_all(lists).await;
        if lists.iter().any(|list| list.as_ref().is_err_and(is_forbidden)) {
            return Ok(false);
        }
        for list in lists {
            let list = list.map_err(|error| explain(error, "listing the ConfigMaps"))?;
            for (key, data) in list {
                self.insert(key, data);
            }
        }
        Ok(true)
    }

    async fn get(&mut self, cluster: &Cluster, names: &BTreeSet<Key>) -> Result<()> {
        let mut reads = stream::iter(names)
            .map(async |key| {
                let (namespace, name) = key;
                let api: Api<k8s_openapi::api::core::v1::ConfigMap> =
                    Api::namespaced(cluster.client.clone(), namespace);
                (key, cluster.reading(|| api.get(name)).await)
            })
            .buffer_unordered(SIDE_BY_SIDE);
        while let Some((key, read)) = reads.next().await {
            match read {
                Ok(map) => self.insert(key.clone(), map.data.unwrap_or_default()),
                Err(error) if is_not_found(&error) => {}
                Err(error) => {
                    let (namespace, name) = key;
                    let doing = format!("reading configmap/{name} in namespace {namespace}");
                    self.unread.insert(key.clone(), unread(error, &doing)?.reason);
                }
            }
        }
        Ok(())
    }

    fn insert(&mut self, (namespace, name): Key, data: BTreeMap<String, String>) {
        self.maps.entry(namespace).or_default().insert(name, data);
    }

    /// The ConfigMaps of a namespace.
    pub fn of(&self, namespace: &str) -> &ConfigMaps {
        self.maps.get(namespace).unwrap_or(&self.nothing)
    }

    /// Why settings in any of these are not known.
    pub fn unavailable(&self, namespace: &str, names: &BTreeSet<String>) -> Option<Unavailable> {
        let mut keys = names.iter().map(|name| (namespace.to_owned(), name.clone()));
        keys.find_map(|key| self.unread.get(&key).cloned())
    }

    /// Each that could not be read, in a sentence.
    pub fn gaps(&self) -> Vec<String> {
        let gaps = self.unread.iter();
        gaps.map(|((_, name), gap)| format!("configmap/{name} may hold the settings: {}", gap.why()))
            .collect()
    }
}
