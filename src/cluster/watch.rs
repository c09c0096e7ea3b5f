//! Watches that report that an object has changed, and in which namespace. They
//! receive metadata only, never the content of a Secret.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use futures::stream::{BoxStream, LocalBoxStream, SelectAll, select_all, unfold};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::DynamicObject;
use kube::core::{ApiResource, PartialObjectMeta};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Config, Event, watcher};

use super::Cluster;
use super::session::Session;
use crate::model::request::Scope;

/// The resources that can be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watched {
    Deployments,
    StatefulSets,
    DaemonSets,
    CronJobs,
    Pods,
    /// Secrets except Helm's releases.
    Secrets,
    ConfigMaps,
    /// They decide on the identity of pods, which few gateways have.
    ServiceAccounts,
}

/// An item of a watch's stream.
#[derive(Debug)]
pub enum WatchEvent {
    /// The watch started or restarted. From now on no change is missed, but
    /// earlier ones may have been.
    Listed,
    /// An object was created, changed or deleted.
    Changed {
        namespace: String,
        /// Whether its desired state changed, and not only its status.
        declared: bool,
    },
    /// It fails for now and retries by itself.
    Failing(kube::Error),
    /// The user is not allowed to watch. The stream ends here.
    Forbidden(kube::Error),
}

/// Several watches as one stream, which ends with the last of them.
pub type Watches = SelectAll<OneWatch>;

pub type OneWatch = LocalBoxStream<'static, (Watched, WatchEvent)>;

type Metadata = PartialObjectMeta<DynamicObject>;

impl Watched {
    /// What every gateway depends on.
    pub const ALWAYS: [Self; 7] = [
        Self::Deployments,
        Self::StatefulSets,
        Self::DaemonSets,
        Self::CronJobs,
        Self::Pods,
        Self::Secrets,
        Self::ConfigMaps,
    ];

    pub fn is_workload(self) -> bool {
        matches!(self, Self::Deployments | Self::StatefulSets | Self::DaemonSets)
    }

    /// The resource in plural, `deployments`.
    pub fn plural(self) -> String {
        self.resource().plural
    }

    fn resource(self) -> ApiResource {
        match self {
            Self::Deployments => ApiResource::erase::<Deployment>(&()),
            Self::StatefulSets => ApiResource::erase::<StatefulSet>(&()),
            Self::DaemonSets => ApiResource::erase::<DaemonSet>(&()),
            Self::CronJobs => ApiResource::erase::<CronJob>(&()),
            Self::Pods => ApiResource::erase::<Pod>(&()),
            Self::Secrets => ApiResource::erase::<Secret>(&()),
            Self::ConfigMaps => ApiResource::erase::<ConfigMap>(&()),
            Self::ServiceAccounts => ApiResource::erase::<ServiceAccount>(&()),
        }
    }

    fn config(self) -> Config {
        match self {
            // Every Helm upgrade writes such a Secret.
            Self::Secrets => Config::default().fields("type!=helm.sh/release.v1"),
            _ => Config::default(),
        }
    }
}

impl Cluster {
    /// Watches the resources that `status` reads of every gateway. Nothing is sent before
    /// the stream is polled.
    pub fn watch(&self, scope: &Scope) -> Watches {
        select_all(Watched::ALWAYS.map(|what| self.watch_of(what, scope)))
    }

    /// Watches one resource.
    pub fn watch_of(&self, what: Watched, scope: &Scope) -> OneWatch {
        let (client, resource) = (self.client.clone(), what.resource());
        let api: Api<Metadata> = match scope {
            Scope::Namespace(name) => Api::namespaced_with(client, name, &resource),
            Scope::Everywhere => Api::all_with(client, &resource),
        };
        let watch = Watch {
            what,
            events: watcher(api, what.config()).default_backoff().boxed(),
            declared: HashMap::new(),
            session: self.session.clone(),
            credential: self.session.generation(),
        };
        unfold(Some(watch), async |watch| watch?.next().await).boxed_local()
    }
}

struct Watch {
    what: Watched,
    events: BoxStream<'static, watcher::Result<Event<Metadata>>>,
    /// A hash of each object's desired state, by uid.
    declared: HashMap<String, u64>,
    session: Arc<Session>,
    /// The number of the credential that was the present one at the last failure.
    credential: u64,
}

impl Watch {
    /// The next event, and the watch unless it has ended.
    async fn next(mut self) -> Option<((Watched, WatchEvent), Option<Self>)> {
        loop {
            let event = match self.events.try_next().await {
                Ok(event) => self.event(event?),
                Err(error) => self.failure(error),
            };
            if let Some(event) = event {
                let is_over = matches!(event, WatchEvent::Forbidden(_));
                return Some(((self.what, event), (!is_over).then_some(self)));
            }
        }
    }

    fn event(&mut self, event: Event<Metadata>) -> Option<WatchEvent> {
        match event {
            Event::Init => {
                self.declared.clear();
                None
            }
            Event::InitApply(object) => {
                self.is_declared(&object.metadata);
                None
            }
            Event::InitDone => Some(WatchEvent::Listed),
            Event::Apply(object) => Some(WatchEvent::Changed {
                declared: self.is_declared(&object.metadata),
                namespace: object.metadata.namespace?,
            }),
            Event::Delete(object) => {
                self.declared.remove(&object.metadata.uid?);
                Some(WatchEvent::Changed {
                    namespace: object.metadata.namespace?,
                    declared: true,
                })
            }
        }
    }

    /// The event for a failure. None is needed for a stream that breaks off, which
    /// resumes where it ended, nor for one whose position the server has dropped,
    /// which restarts, nor for one that goes on with a new credential.
    fn failure(&mut self, error: watcher::Error) -> Option<WatchEvent> {
        let error = match error {
            watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error) => error,
            watcher::Error::WatchError(status) if status.code != 410 => kube::Error::Api(status),
            other => {
                tracing::debug!(target: "kubectl_apim::cluster", "a watch was interrupted: {other}");
                return None;
            }
        };
        if matches!(&error, kube::Error::Api(status) if status.code == 401)
            && self
                .session
                .refused(std::mem::replace(&mut self.credential, self.session.generation()))
        {
            return None;
        }
        Some(match &error {
            kube::Error::Api(status) if status.is_forbidden() => WatchEvent::Forbidden(error),
            _ => WatchEvent::Failing(error),
        })
    }

    /// Whether an object's desired state differs from when it was last seen.
    fn is_declared(&mut self, meta: &ObjectMeta) -> bool {
        let has_controller = self.what.is_workload() || self.what == Watched::CronJobs;
        let Some(uid) = meta.uid.clone().filter(|_| has_controller) else {
            return true;
        };
        // The generation counts changes of the spec, but not of labels.
        let mut hash = DefaultHasher::new();
        (meta.generation, &meta.labels).hash(&mut hash);
        let hash = hash.finish();
        self.declared.insert(uid, hash) != Some(hash)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use futures::{FutureExt, stream};
    use kube::core::{PartialObjectMetaExt, Status};

    use super::*;
    use crate::cluster::ConnectInputs;
    use crate::model::request::KubeConnection;

    fn object(generation: i64, label: &str) -> Metadata {
        let meta = ObjectMeta {
            uid: Some("1".to_owned()),
            namespace: Some("shop".to_owned()),
            generation: Some(generation),
            labels: Some(BTreeMap::from([("team".to_owned(), label.to_owned())])),
            ..ObjectMeta::default()
        };
        meta.into_response_partial()
    }

    fn session() -> Arc<Session> {
        let inputs = ConnectInputs::new(&|_| None, false, jiff::Timestamp::UNIX_EPOCH);
        let elsewhere = KubeConnection {
            server: Some("http://localhost:1".to_owned()),
            ..KubeConnection::default()
        };
        let cluster = Cluster::connect(&elsewhere, inputs);
        cluster.now_or_never().unwrap().unwrap().session
    }

    async fn yielded(what: Watched, events: Vec<watcher::Result<Event<Metadata>>>) -> Vec<String> {
        let watch = Watch {
            what,
            events: stream::iter(events).boxed(),
            declared: HashMap::new(),
            session: session(),
            credential: 0,
        };
        let events = unfold(Some(watch), async |watch| watch?.next().await);
        let words = events.map(|(_, event)| match event {
            WatchEvent::Listed => "listed".to_owned(),
            WatchEvent::Changed { declared, .. } => format!("changed {declared}"),
            WatchEvent::Failing(_) => "failing".to_owned(),
            WatchEvent::Forbidden(_) => "forbidden".to_owned(),
        });
        words.collect().await
    }

    fn refused(code: u16, reason: &str) -> watcher::Error {
        let status = Status::failure("no", reason).with_code(code);
        watcher::Error::InitialListFailed(kube::Error::Api(status.boxed()))
    }

    #[tokio::test]
    async fn changes_of_spec_or_labels_are_declared_and_of_status_are_not() {
        let events = || {
            vec![
                Ok(Event::Init),
                Ok(Event::InitApply(object(1, "blue"))),
                Ok(Event::InitDone),
                Ok(Event::Apply(object(1, "blue"))),
                Ok(Event::Apply(object(2, "blue"))),
                Ok(Event::Apply(object(2, "red"))),
                Ok(Event::Delete(object(2, "red"))),
            ]
        };
        assert_eq!(
            yielded(Watched::Deployments, events()).await,
            [
                "listed",
                "changed false",
                "changed true",
                "changed true",
                "changed true"
            ]
        );
        assert_eq!(yielded(Watched::Secrets, events()).await[1], "changed true");
    }

    #[tokio::test]
    async fn a_forbidden_watch_ends_and_a_failing_one_goes_on() {
        let after = |error| vec![Err(error), Ok(Event::InitDone)];
        assert_eq!(
            yielded(Watched::Pods, after(refused(403, "Forbidden"))).await,
            ["forbidden"]
        );
        assert_eq!(
            yielded(Watched::Pods, after(refused(500, "InternalError"))).await,
            ["failing", "listed"]
        );
        let gone = Status::failure("too old", "Expired").with_code(410);
        let gone = watcher::Error::WatchError(gone.boxed());
        assert_eq!(yielded(Watched::Pods, after(gone)).await, ["listed"]);
    }
}
