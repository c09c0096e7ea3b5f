//! Sees every version of the objects that a rotation is about, and judges what the program writes.
//!
//! A test that looks at the end of a run only does not see what was wrong for a second. One watch
//! for each kind follows all namespaces, and a [`Judge`] for each namespace holds what it saw
//! against the rules.

mod judge;
#[cfg(test)]
mod tests;
mod version;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use self::judge::Judge;
use self::version::Kind;
use crate::azure::Azure;
use crate::wait;

/// How far the watches may be behind.
const LIMIT: Duration = Duration::from_secs(20);

/// What the configuration endpoint would do with a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Accepted,
    Refused,
    /// It is refused because the test wanted it.
    Spoiled,
}

/// The watches, which end when it is dropped.
pub struct Observer {
    judges: Arc<Mutex<Judges>>,
    _watches: JoinSet<()>,
}

/// By namespace.
type Judges = BTreeMap<String, Judge>;

impl Observer {
    /// Returns as soon as no write can be missed any more.
    pub(crate) async fn start(client: Client, azure: Azure) -> Result<Self> {
        let judges = Arc::new(Mutex::new(Judges::default()));
        let mut watches = JoinSet::new();
        for kind in Kind::ALL {
            let (ready, is_ready) = oneshot::channel();
            let api: Api<DynamicObject> = Api::all_with(client.clone(), &kind.resource());
            watches.spawn(follow(kind, api, azure.clone(), judges.clone(), ready));
            is_ready.await.context("a watch has ended")?;
        }
        Ok(Self {
            judges,
            _watches: watches,
        })
    }

    /// What broke a rule in a namespace, in order. Everything that happened before the call is judged.
    ///
    /// The client is the caller's, since the connections of one end with the runtime that opened them.
    pub async fn violations(&self, client: &Client, namespace: &str) -> Result<Vec<String>> {
        for kind in Kind::ALL {
            let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &kind.resource());
            for object in api.list(&ListParams::default()).await? {
                let what = format!("the watch to see {} {}", kind.noun(), object.name_any());
                wait::until(&what, LIMIT, async || {
                    Ok(self.has_seen(namespace, kind, &object).then_some(()))
                })
                .await?;
            }
        }
        Ok(lock(&self.judges)
            .get(namespace)
            .map(Judge::violations)
            .unwrap_or_default())
    }

    /// What broke a rule so far, as far as the watches have come.
    pub fn violations_so_far(&self, namespace: &str) -> Vec<String> {
        lock(&self.judges)
            .get(namespace)
            .map(Judge::found)
            .unwrap_or_default()
    }

    fn has_seen(&self, namespace: &str, kind: Kind, object: &DynamicObject) -> bool {
        lock(&self.judges)
            .get(namespace)
            .is_some_and(|judge| judge.has_seen(kind, object))
    }
}

async fn follow(
    kind: Kind,
    api: Api<DynamicObject>,
    azure: Azure,
    judges: Arc<Mutex<Judges>>,
    ready: oneshot::Sender<()>,
) {
    let mut ready = Some(ready);
    let mut events = watcher(api, watcher::Config::default()).boxed();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => {
                let namespace = object.namespace().unwrap_or_default();
                let mut judges = lock(&judges);
                let judge = judges.entry(namespace).or_default();
                judge.see(kind, &object, |credential| standing(&azure, credential));
            }
            Ok(Event::InitDone) => {
                if let Some(ready) = ready.take() {
                    let _ = ready.send(());
                }
            }
            // The watch starts again by itself after an error, where it was.
            Ok(Event::Init | Event::Delete(_)) | Err(_) => {}
        }
    }
}

fn standing(azure: &Azure, credential: &str) -> Standing {
    if azure.accepts(credential) {
        Standing::Accepted
    } else if azure.is_spoiled(credential) {
        Standing::Spoiled
    } else {
        Standing::Refused
    }
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Secret,
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::Pod,
    ];

    fn resource(self) -> ApiResource {
        match self {
            Self::Secret => ApiResource::erase::<Secret>(&()),
            Self::Deployment => ApiResource::erase::<Deployment>(&()),
            Self::StatefulSet => ApiResource::erase::<StatefulSet>(&()),
            Self::DaemonSet => ApiResource::erase::<DaemonSet>(&()),
            Self::Pod => ApiResource::erase::<Pod>(&()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
