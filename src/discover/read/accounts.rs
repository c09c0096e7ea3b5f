//! ServiceAccounts, and the identity that each gives to pods.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use futures::{StreamExt, stream};
use serde::Deserialize;
use uuid::Uuid;

use super::failure::{is_forbidden, is_not_found, unread};
use super::place::{FEW, Key, SIDE_BY_SIDE, scopes};
use crate::cluster::list::{List, Meta};
use crate::cluster::{Cluster, explain};
use crate::error::Result;
use crate::model::entra::{CLIENT_ID_ANNOTATION, TENANT_ID_ANNOTATION};
use crate::model::request::Scope;
use crate::model::{Fact, cleaned};

#[derive(Deserialize)]
struct Account {
    metadata: Meta,
}

/// What the annotations of a ServiceAccount give to pods.
#[derive(Clone)]
pub struct Identity {
    /// Or why there certainly is none.
    pub client_id: Result<Uuid, String>,
    pub tenant: Option<String>,
}

impl Identity {
    fn none(why: String) -> Self {
        Self {
            client_id: Err(why),
            tenant: None,
        }
    }

    fn of(account: &Meta) -> Self {
        Self {
            client_id: client_id(account),
            tenant: account.annotations.get(TENANT_ID_ANNOTATION).cloned(),
        }
    }
}

/// ServiceAccounts, as far as they could be read.
pub type Identities = BTreeMap<Key, Fact<Identity>>;

/// What the annotations of these ServiceAccounts give to pods.
pub async fn accounts(cluster: &Cluster, wanted: &BTreeSet<Key>) -> Result<Identities> {
    let cluster = &cluster.for_optional_reads();
    if wanted.len() > FEW
        && let Some(listed) = listed(cluster, wanted).await?
    {
        let none = |(_, name): &Key| Ok(Identity::none(format!("serviceaccount/{name} does not exist")));
        let of = |key: &Key| (key.clone(), listed.get(key).cloned().unwrap_or_else(|| none(key)));
        return Ok(wanted.iter().map(of).collect());
    }
    let mut reads = stream::iter(wanted)
        .map(async |key| {
            let (namespace, name) = key;
            let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}");
            (key, cluster.get::<Account>(&path).await)
        })
        .buffer_unordered(SIDE_BY_SIDE);
    let mut found = BTreeMap::new();
    while let Some((key, read)) = reads.next().await {
        let (namespace, name) = key;
        let identity = match read {
            Ok(account) => Ok(Identity::of(&account.metadata)),
            Err(error) if is_not_found(&error) => Ok(Identity::none(format!(
                "serviceaccount/{name} does not exist in namespace {namespace}"
            ))),
            Err(error) => {
                let doing = format!("reading serviceaccount/{name} in namespace {namespace}");
                Err(unread(error, &doing)?.reason)
            }
        };
        found.insert(key.clone(), identity);
    }
    Ok(found)
}

/// `None` without the right to list them.
async fn listed(cluster: &Cluster, wanted: &BTreeSet<Key>) -> Result<Option<Identities>> {
    let places = scopes(
        &Scope::Everywhere,
        wanted.iter().map(|(namespace, _)| namespace.as_str()),
    );
    let list = List::of("/api/v1", "serviceaccounts");
    let keep = |account: Account| {
        let key = (account.metadata.namespace.clone(), account.metadata.name.clone());
        wanted
            .contains(&key)
            .then(|| (key, Ok(Identity::of(&account.metadata))))
    };
    let lists = join_all(places.iter().map(|place| cluster.list(list, place, keep))).await;
    if lists.iter().any(|list| list.as_ref().is_err_and(is_forbidden)) {
        return Ok(None);
    }
    let mut all = BTreeMap::new();
    for list in lists {
        all.extend(list.map_err(|error| explain(error, "listing the ServiceAccounts"))?);
    }
    Ok(Some(all))
}

/// Or why there certainly is none.
fn client_id(account: &Meta) -> Result<Uuid, String> {
    let name = &account.name;
    let Some(text) = account.annotations.get(CLIENT_ID_ANNOTATION) else {
        return Err(format!(
            "serviceaccount/{name} has no annotation {CLIENT_ID_ANNOTATION}"
        ));
    };
    Uuid::try_parse(text.trim()).map_err(|_| {
        format!(
            "the annotation {CLIENT_ID_ANNOTATION} of serviceaccount/{name} is not a GUID: `{}`",
            cleaned(text)
        )
    })
}
