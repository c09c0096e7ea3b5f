//! The ConfigMaps that hold settings of gateways.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use futures::{StreamExt, stream};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::failure::{is_forbidden, is_not_found, unread};
use super::place::{FEW, Key, SIDE_BY_SIDE, scopes};
use crate::cluster::lean::picked;
use crate::cluster::list::{List, Meta};
use crate::cluster::pod_spec::PodSpec;
use crate::cluster::{Cluster, explain};
use crate::discover::pod_spec::{ConfigMaps, missing_config_map, settings_in_config_maps};
use crate::error::Result;
use crate::model::Unavailable;
use crate::model::request::Scope;

/// When the ConfigMaps are larger than this in all, those that are named are read
/// one by one instead.
const LONGEST_LIST: usize = 32 * 1024 * 1024;

/// The settings that are sought: the ConfigMaps, each with its keys.
pub type Sought = BTreeMap<Key, BTreeSet<String>>;

/// A ConfigMap, whose data is searched for the keys that are sought.
#[derive(Deserialize)]
struct ConfigMap {
    metadata: Meta,
    data: Option<Box<RawValue>>,
    #[serde(default)]
    immutable: Option<bool>,
}

/// What is kept of a `ConfigMap`.
struct Content {
    settings: BTreeMap<String, String>,
    is_immutable: bool,
}

impl Content {
    fn of(data: Option<&RawValue>, immutable: Option<bool>, keys: &BTreeSet<String>) -> Self {
        Self {
            settings: settings(data, keys),
            is_immutable: immutable == Some(true),
        }
    }
}

/// What the ConfigMaps hold, by namespace.
#[derive(Debug, Default)]
pub struct ConfigMapReads {
    maps: BTreeMap<String, ConfigMaps>,
    unread: BTreeMap<Key, Unavailable>,
    missing: BTreeSet<Key>,
    immutable: BTreeSet<Key>,
    nothing: ConfigMaps,
}

impl ConfigMapReads {
    /// Reads the ConfigMaps named.
    pub async fn read(cluster: &Cluster, scope: &Scope, sought: &Sought) -> Result<Self> {
        let cluster = &cluster.for_optional_reads();
        let mut reads = Self::default();
        if sought.len() <= FEW || !reads.list(cluster, scope, sought).await? {
            reads.get(cluster, sought).await?;
        }
        let is_missing = |key: &&Key| {
            let (namespace, name) = key;
            !reads.of(namespace).contains_key(name) && !reads.unread.contains_key(*key)
        };
        reads.missing = sought.keys().filter(is_missing).cloned().collect();
        Ok(reads)
    }

    /// Reads those that hold settings of these pods, in one namespace.
    pub async fn read_in<'a>(
        cluster: &Cluster,
        specs: impl IntoIterator<Item = &'a PodSpec>,
    ) -> Result<Self> {
        let namespace = &cluster.namespace;
        let mut sought = Sought::new();
        for (name, keys) in specs.into_iter().flat_map(settings_in_config_maps) {
            sought.entry((namespace.clone(), name)).or_default().extend(keys);
        }
        Self::read(cluster, &Scope::Namespace(namespace.clone()), &sought).await
    }

    /// Lists them; false without the right to, or if the lists are too large.
    async fn list(&mut self, cluster: &Cluster, scope: &Scope, sought: &Sought) -> Result<bool> {
        let places = scopes(scope, sought.keys().map(|(namespace, _)| namespace.as_str()));
        let keep = |map: ConfigMap| {
            let key = (map.metadata.namespace, map.metadata.name);
            let keys = sought.get(&key)?;
            Some((key, Content::of(map.data.as_deref(), map.immutable, keys)))
        };
        let list = List::of("/api/v1", "configmaps");
        let lists = places
            .iter()
            .map(|place| cluster.list_within(LONGEST_LIST, list, place, keep));
        let lists = join_all(lists).await;
        if lists.iter().any(|list| list.as_ref().is_err_and(is_forbidden)) {
            return Ok(false);
        }
        for list in lists {
            let Some(list) = list.map_err(|error| explain(error, "listing the ConfigMaps"))? else {
                return Ok(false);
            };
            for (key, content) in list {
                self.insert(key, content);
            }
        }
        Ok(true)
    }

    async fn get(&mut self, cluster: &Cluster, sought: &Sought) -> Result<()> {
        let mut reads = stream::iter(sought)
            .map(async |(key, keys)| {
                let (namespace, name) = key;
                let path = format!("/api/v1/namespaces/{namespace}/configmaps/{name}");
                let read = cluster.get::<ConfigMap>(&path).await;
                let content = |map: ConfigMap| Content::of(map.data.as_deref(), map.immutable, keys);
                (key, read.map(content))
            })
            .buffer_unordered(SIDE_BY_SIDE);
        while let Some((key, read)) = reads.next().await {
            match read {
                Ok(content) => self.insert(key.clone(), content),
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

    fn insert(&mut self, (namespace, name): Key, content: Content) {
        if content.is_immutable {
            self.immutable.insert((namespace.clone(), name.clone()));
        }
        let of_namespace = self.maps.entry(namespace).or_default();
        of_namespace.insert(name, content.settings);
    }

    /// Whether a `ConfigMap` can only be replaced as a whole.
    pub fn is_immutable(&self, namespace: &str, name: &str) -> bool {
        self.immutable.contains(&(namespace.to_owned(), name.to_owned()))
    }

    /// The ConfigMaps of a namespace.
    pub fn of(&self, namespace: &str) -> &ConfigMaps {
        self.maps.get(namespace).unwrap_or(&self.nothing)
    }

    /// Why no new pod of this namespace and spec will start, as far as its
    /// settings show it.
    pub fn missing(&self, namespace: &str, spec: &PodSpec) -> Option<Unavailable> {
        let lacks = |name: &str| self.missing.contains(&(namespace.to_owned(), name.to_owned()));
        missing_config_map(spec, self.of(namespace), lacks).map(Unavailable::Unknown)
    }

    /// Why settings in any of these are not known.
    pub fn unavailable<'a>(
        &self,
        namespace: &str,
        names: impl IntoIterator<Item = &'a String>,
    ) -> Option<Unavailable> {
        let mut keys = names.into_iter().map(|name| (namespace.to_owned(), name.clone()));
        keys.find_map(|key| self.unread.get(&key).cloned())
    }

    /// Each that could not be read, in a sentence.
    pub fn gaps(&self) -> Vec<String> {
        let gaps = self.unread.iter();
        gaps.map(|((_, name), gap)| format!("configmap/{name} may hold the settings: {}", gap.why()))
            .collect()
    }
}

/// The data under these keys; none if it is not what a ConfigMap holds.
fn settings(data: Option<&RawValue>, keys: &BTreeSet<String>) -> BTreeMap<String, String> {
    data.and_then(|data| picked(data.get(), keys).ok())
        .unwrap_or_default()
}
