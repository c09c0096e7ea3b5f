//! The Secrets that hold credentials of gateways.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;

use super::{FEW, Key, is_forbidden, scopes, unavailable};
use crate::cluster::list::{List, Scope};
use crate::cluster::{Cluster, explain};
use crate::discover::facts::{PreviousCredential, secret_facts};
use crate::error::Result;
use crate::model::{Fact, SecretFacts, Unavailable};

/// How many are read at a time.
const SIDE_BY_SIDE: usize = 16;

/// The types that hold no gateway's credential and may be large or many: the
/// releases of Helm, the tokens of service accounts, certificates.
const FIELDS: &str = "type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token,type!=kubernetes.io/tls,\
     type!=kubernetes.io/dockerconfigjson";

/// What each key of a Secret holds.
type Held = BTreeMap<String, (SecretFacts, PreviousCredential)>;

/// What the Secrets hold, or why that is not known.
#[derive(Default)]
pub(super) struct Secrets(BTreeMap<Key, Fact<Held>>);

impl Secrets {
    /// Reads the Secrets named, each with the keys that may hold the
    /// credential.
    pub(super) async fn read(
        cluster: &Cluster,
        scope: &Scope,
        wanted: &BTreeMap<Key, BTreeSet<String>>,
    ) -> Result<Self> {
        let mut secrets = Self::default();
        if wanted.len() > FEW && secrets.list(cluster, scope, wanted).await? {
            // What the list left out is of another type, or is not there.
            let missing: BTreeMap<_, _> = wanted
                .iter()
                .filter(|(key, _)| !secrets.0.contains_key(*key))
                .collect();
            secrets.get(cluster, missing).await?;
        } else {
            secrets.get(cluster, wanted.iter()).await?;
        }
        Ok(secrets)
    }

    /// Lists them; false without the right to.
    async fn list(
        &mut self,
        cluster: &Cluster,
        scope: &Scope,
        wanted: &BTreeMap<Key, BTreeSet<String>>,
    ) -> Result<bool> {
        let places = scopes(scope, wanted.keys().map(|(namespace, _)| namespace.as_str()));
        let list = List {
            fields: Some(FIELDS),
            ..List::of("/api/v1", "secrets")
        };
        let keep = |secret: Secret| {
            let meta = &secret.metadata;
            let key = (meta.namespace.clone()?, meta.name.clone()?);
            let keys = wanted.get(&key)?;
            Some((key, held(&secret, keys)))
        };
        let lists = join_all(places.iter().map(|place| cluster.list(list, place, keep))).await;
        if lists.iter().any(|list| list.as_ref().is_err_and(is_forbidden)) {
            return Ok(false);
        }
        for list in lists {
            self.0
                .extend(list.map_err(|error| explain(error, "listing the Secrets"))?);
        }
        Ok(true)
    }

    async fn get(
        &mut self,
        cluster: &Cluster,
        wanted: impl IntoIterator<Item = (&Key, &BTreeSet<String>)>,
    ) -> Result<()> {
        let mut reads = stream::iter(wanted)
            .map(async |(key, keys)| {
                let (namespace, name) = key;
                let api: Api<Secret> = Api::namespaced(cluster.client.clone(), namespace);
                (key, keys, cluster.reading(|| api.get(name)).await)
            })
            .buffer_unordered(SIDE_BY_SIDE);
        while let Some((key, keys, read)) = reads.next().await {
            let part = match read {
                Ok(secret) => held(&secret, keys),
                Err(error) => {
                    let (namespace, name) = key;
                    Err(unavailable(
                        error,
                        &format!("reading secret/{name} in namespace {namespace}"),
                    )?)
                }
            };
            self.0.insert(key.clone(), part);
        }
        Ok(())
    }

    /// What a key of a Secret holds.
    pub(super) fn held(&self, place: &Key, key: &str) -> Fact<&(SecretFacts, PreviousCredential)> {
        let unread = || Unavailable::Unknown(format!("secret/{} was not read", place.1));
        let keys = self
            .0
            .get(place)
            .ok_or_else(unread)?
            .as_ref()
            .map_err(Unavailable::clone)?;
        keys.get(key).ok_or_else(|| {
            Unavailable::Unknown(format!(
                "secret/{} has no key `{key}`, which the pod spec points at",
                place.1
            ))
        })
    }
}

fn held(secret: &Secret, keys: &BTreeSet<String>) -> Fact<Held> {
    let mut held = Held::new();
    let mut first_miss = None;
    for key in keys {
        match secret_facts(secret, key) {
            Ok(facts) => {
                held.insert(key.clone(), facts);
            }
            Err(error) => {
                first_miss.get_or_insert(error);
            }
        }
    }
    match first_miss {
        Some(error) if held.is_empty() => Err(Unavailable::Unknown(error.to_string())),
        _ => Ok(held),
    }
}
