//! The Secrets that hold credentials of gateways.

use std::collections::BTreeMap;

use futures::future::join_all;
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Secret;

use super::failure::{Unread, is_forbidden, is_not_found, unread};
use super::place::{FEW, Key, SIDE_BY_SIDE, scopes};
use crate::cluster::list::List;
use crate::cluster::{Cluster, explain};
use crate::discover::facts::{PreviousCredential, secret_facts};
use crate::error::{Error, Result};
use crate::model::request::Scope;
use crate::model::{SecretFacts, Unavailable};

/// Types of Secrets that hold no gateway's credential and may be large or
/// many: the releases of Helm, the tokens of service accounts, certificates.
const FIELDS: &str = "type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token,type!=kubernetes.io/tls,\
     type!=kubernetes.io/dockerconfigjson";

/// What a Secret holds under one key.
pub type Held = (SecretFacts, PreviousCredential);

/// What a Secret holds under each key that was asked for and that it has.
type Keys = BTreeMap<String, Held>;

/// What the Secrets hold, or why that is not known.
#[derive(Default)]
pub struct Secrets(BTreeMap<Key, Result<Keys, Unread>>);

impl Secrets {
    /// Reads the Secrets named, each with the keys that may hold the
    /// credential, the likeliest first.
    pub async fn read(cluster: &Cluster, scope: &Scope, wanted: &BTreeMap<Key, Vec<String>>) -> Result<Self> {
        let mut secrets = Self::default();
        if wanted.len() > FEW && secrets.list(cluster, scope, wanted).await? {
            // The list leaves out some types.
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
        wanted: &BTreeMap<Key, Vec<String>>,
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
        wanted: impl IntoIterator<Item = (&Key, &Vec<String>)>,
    ) -> Result<()> {
        let mut reads = stream::iter(wanted)
            .map(async |(key, keys)| {
                let (namespace, name) = key;
                let cluster = cluster.in_namespace(namespace);
                (key, read_secret(&cluster, name, keys).await)
            })
            .buffer_unordered(SIDE_BY_SIDE);
        while let Some((key, read)) = reads.next().await {
            self.0.insert(key.clone(), read?);
        }
        Ok(())
    }

    /// What a Secret holds under a key.
    pub fn held(&self, place: &Key, key: &str) -> Result<&Held, Unavailable> {
        let unknown = |why: String| Err(Unavailable::Unknown(why));
        match self.0.get(place) {
            None => unknown(format!("secret/{} was not read", place.1)),
            Some(Err(unread)) => Err(unread.reason.clone()),
            Some(Ok(keys)) => match keys.get(key) {
                Some(held) => Ok(held),
                None => unknown(format!(
                    "secret/{} has no key `{key}`, which the pod spec points at",
                    place.1
                )),
            },
        }
    }

    /// The next steps where a Secret could not be read.
    pub fn hints(&self, place: &Key) -> &[String] {
        match self.0.get(place) {
            Some(Err(unread)) => unread.error.hints(),
            _ => &[],
        }
    }
}

/// Reads one Secret of the namespace.
pub async fn read_secret(cluster: &Cluster, name: &str, keys: &[String]) -> Result<Result<Keys, Unread>> {
    let namespace = &cluster.namespace;
    match cluster.secret(name).await {
        Ok(secret) => Ok(held(&secret, keys)),
        Err(error) if is_not_found(&error) => {
            let key = keys.first().map_or("value", String::as_str);
            let error = Error::failed(format!(
                "secret/{name}, which the pod spec points at, does not exist in namespace {namespace}"
            ))
            .hint(format!(
                "create it, empty: kubectl -n {namespace} create secret generic {name} --from-literal={key}="
            ));
            Ok(Err(Unread::new(false, error)))
        }
        Err(error) => {
            let doing = format!("reading secret/{name} in namespace {namespace}");
            unread(error, &doing).map(Err)
        }
    }
}

fn held(secret: &Secret, keys: &[String]) -> Result<Keys, Unread> {
    let mut held = Keys::new();
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
        Some(error) if held.is_empty() => Err(Unread::new(false, error)),
        _ => Ok(held),
    }
}
