//! The Secrets that hold credentials of gateways.

use std::collections::BTreeMap;

use futures::future::join_all;
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Secret;

use super::failure::{Unread, is_forbidden, is_not_found, unread};
use super::place::{FEW, Key, SIDE_BY_SIDE, scopes};
use crate::cluster::last_applied::{LastApplied, scrub_last_applied};
use crate::cluster::list::List;
use crate::cluster::{Cluster, explain};
use crate::discover::facts::{PreviousCredential, secret_facts};
use crate::error::{Error, Result};
use crate::model::annotation::{LAST_APPLIED, LAST_USED_KEY, OUR_PREFIX};
use crate::model::request::Scope;
use crate::model::{Credential, SecretData, SecretFacts, Unavailable};

/// A field selector without the types of Secrets that hold no gateway's credential and may
/// be large or many: the releases of Helm, the tokens of service accounts, certificates.
pub const OF_CREDENTIALS: &str = "type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token,type!=kubernetes.io/tls,\
     type!=kubernetes.io/dockerconfigjson";

/// When the Secrets are larger than this in all, those that are wanted are read
/// one by one instead.
const LONGEST_LIST: usize = 32 * 1024 * 1024;

/// How much of the annotations of a Secret is kept when many are read.
const LONGEST_ANNOTATIONS: usize = 32 * 1024;

/// What a Secret holds under one key.
pub type Held = (SecretFacts, PreviousCredential);

/// What a Secret holds under each key that was asked for and that it has.
type Keys = BTreeMap<String, Held>;

/// What the Secrets hold, or why that is not known.
#[derive(Default)]
pub struct Secrets {
    reads: BTreeMap<Key, Result<Keys, Unread>>,
    rotate: bool,
}

impl Secrets {
    /// Reads the Secrets named, each with the keys that may hold the
    /// credential, the likeliest first.
    /// Those that are only possible are read where they are few or can be listed,
    /// because most of them are those of other workloads.
    /// With `rotate`, also what is needed to put a credential back.
    pub async fn read(
        cluster: &Cluster,
        scope: &Scope,
        wanted: &BTreeMap<Key, Vec<String>>,
        possible: BTreeMap<Key, Vec<String>>,
        rotate: bool,
    ) -> Result<Self> {
        let mut secrets = Self {
            rotate,
            ..Self::default()
        };
        let mut all = wanted.clone();
        for (place, keys) in possible {
            let known = all.entry(place).or_default();
            let new = keys.into_iter().filter(|key| !known.contains(key));
            let new: Vec<String> = new.collect();
            known.extend(new);
        }
        if all.len() <= FEW {
            secrets.get(cluster, &all).await?;
        } else if secrets.list(cluster, scope, &all).await? {
            // The list leaves out some types.
            let missing = wanted.iter().filter(|(key, _)| !secrets.reads.contains_key(*key));
            let missing: Vec<_> = missing.collect();
            secrets.get(cluster, missing).await?;
        } else {
            secrets.get(cluster, wanted).await?;
        }
        Ok(secrets)
    }

    /// Lists them; false without the right to, or if the lists are too large.
    async fn list(
        &mut self,
        cluster: &Cluster,
        scope: &Scope,
        wanted: &BTreeMap<Key, Vec<String>>,
    ) -> Result<bool> {
        let places = scopes(scope, wanted.keys().map(|(namespace, _)| namespace.as_str()));
        let list = List {
            fields: Some(OF_CREDENTIALS),
            ..List::of("/api/v1", "secrets")
        };
        let keep = |secret: Secret| {
            let meta = &secret.metadata;
            let key = (meta.namespace.clone()?, meta.name.clone()?);
            let keys = wanted.get(&key)?;
            let held = held(&secret, keys).and_then(|keys| reduced(keys, self.rotate));
            Some((key, held))
        };
        let lists = places
            .iter()
            .map(|place| cluster.list_within(LONGEST_LIST, list, place, keep));
        let lists = join_all(lists).await;
        if lists.iter().any(|list| list.as_ref().is_err_and(is_forbidden)) {
            return Ok(false);
        }
        for list in lists {
            let Some(list) = list.map_err(|error| explain(error, "listing the Secrets"))? else {
                return Ok(false);
            };
            self.reads.extend(list);
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
            let read = read?.and_then(|keys| reduced(keys, self.rotate));
            self.reads.insert(key.clone(), read);
        }
        Ok(())
    }

    /// What a Secret holds under a key.
    pub fn held(&self, place: &Key, key: &str) -> Result<&Held, Unavailable> {
        let unknown = |why: String| Err(Unavailable::Unknown(why));
        match self.reads.get(place) {
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

    /// Whether a Secret was looked for and could not be read; with `needs_key`,
    /// also one that has none of the keys.
    pub fn is_unread(&self, place: &Key, needs_key: bool) -> bool {
        match self.reads.get(place) {
            Some(Err(unread)) => needs_key || !unread.lacks_key,
            _ => false,
        }
    }

    /// The next steps where a Secret could not be read.
    pub fn hints(&self, place: &Key) -> &[String] {
        match self.reads.get(place) {
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

/// What of one Secret among many is kept: without `rotate`, only the facts.
fn reduced(mut keys: Keys, rotate: bool) -> Result<Keys, Unread> {
    for (key, (facts, previous)) in &mut keys {
        let names: Vec<&str> = previous.data.keys().collect();
        if scrub_last_applied(&previous.annotations, &names) == LastApplied::Clean || !rotate {
            previous.annotations.remove(LAST_APPLIED);
        }
        let ours = |name: &str| name.starts_with(OUR_PREFIX) || [LAST_USED_KEY, LAST_APPLIED].contains(&name);
        previous.annotations.retain(|name, _| ours(name));
        if !rotate || matches!(facts.credential, Credential::Unusable(_)) {
            previous.data = SecretData::from([(key.as_str(), "".into())]);
        }
        let length: usize = previous.annotations.values().map(String::len).sum();
        if rotate && length > LONGEST_ANNOTATIONS {
            let name = &facts.version.name;
            let error = Error::refused(format!(
                "the annotations of secret/{name} hold {} KiB, more than a run over several gateways keeps of each",
                length / 1024
            ));
            return Err(Unread::new(false, error.hint("rotate its gateway by name")));
        }
        if !rotate {
            previous.annotations.clear();
        }
    }
    Ok(keys)
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
        Some(error) if held.is_empty() => Err(Unread {
            lacks_key: true,
            ..Unread::new(false, error)
        }),
        _ => Ok(held),
    }
}
