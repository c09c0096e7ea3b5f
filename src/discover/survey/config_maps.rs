//! The ConfigMaps that hold settings of gateways.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use futures::{StreamExt, stream};
use kube::Api;
use serde::Deserialize;

use super::{ConfigMaps, FEW, Key, is_forbidden, scopes, unavailable};
use crate::cluster::list::{List, Meta};
use crate::cluster::{Cluster, explain};
use crate::error::Result;
use crate::model::Unavailable;
use crate::model::request::Scope;

/// How many are read at a time.
const SIDE_BY_SIDE: usize = 16;

/// A ConfigMap without its managed fields.
#[derive(Deserialize)]
struct ConfigMap {
    metadata: Meta,
    #[serde(default)]
    data: BTreeMap<String, String>,
}

/// The settings, by namespace.
#[derive(Default)]
pub(super) struct Settings {
    maps: BTreeMap<String, ConfigMaps>,
    denied: BTreeMap<Key, Unavailable>,
    nothing: ConfigMaps,
}

impl Settings {
    /// Reads the ConfigMaps named. One that is missing says nothing: the pods
    /// may start without it.
    pub(super) async fn read(cluster: &Cluster, scope: &Scope, named: &BTreeSet<Key>) -> Result<Self> {
        let mut settings = Self::default();
        if named.len() > FEW {
            let places = scopes(scope, named.iter().map(|(namespace, _)| namespace.as_str()));
            let keep = |map: ConfigMap| {
                let key = (map.metadata.namespace, map.metadata.name);
                named.contains(&key).then_some((key, map.data))
            };
            let lists = places
                .iter()
                .map(|place| cluster.list(List::of("/api/v1", "configmaps"), place, keep));
            let mut lists = join_all(lists).await;
            if !lists.iter().any(|list| list.as_ref().is_err_and(is_forbidden)) {
                for list in lists.drain(..) {
                    let list = list.map_err(|error| explain(error, "listing the ConfigMaps"))?;
                    settings.extend(list);
                }
                return Ok(settings);
            }
        }
        let mut reads = stream::iter(named)
            .map(async |key| {
                let (namespace, name) = key;
                let api: Api<k8s_openapi::api::core::v1::ConfigMap> =
                    Api::namespaced(cluster.client.clone(), namespace);
                (key, cluster.reading(|| api.get(name)).await)
            })
            .buffer_unordered(SIDE_BY_SIDE);
        while let Some((key, read)) = reads.next().await {
            match read {
                Ok(map) => settings.extend([(key.clone(), map.data.unwrap_or_default())]),
                Err(error) => {
                    let (namespace, name) = key;
                    match unavailable(
                        error,
                        &format!("reading configmap/{name} in namespace {namespace}"),
                    )? {
                        Unavailable::Unknown(_) => {}
                        denied @ Unavailable::Forbidden(_) => {
                            settings.denied.insert(key.clone(), denied);
                        }
                    }
                }
            }
        }
        Ok(settings)
    }

    fn extend(&mut self, maps: impl IntoIterator<Item = (Key, BTreeMap<String, String>)>) {
        for ((namespace, name), data) in maps {
            self.maps.entry(namespace).or_default().insert(name, data);
        }
    }

    /// The ConfigMaps of a namespace.
    pub(super) fn of(&self, namespace: &str) -> &ConfigMaps {
        self.maps.get(namespace).unwrap_or(&self.nothing)
    }

    /// Why settings in any of these are not known.
    pub(super) fn unavailable(&self, namespace: &str, names: &BTreeSet<String>) -> Option<Unavailable> {
        let mut keys = names.iter().map(|name| (namespace.to_owned(), name.clone()));
        keys.find_map(|key| self.denied.get(&key).cloned())
    }
}
