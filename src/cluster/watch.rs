//! Watches that tell that something has changed, and where. They see metadata
//! alone: what a Secret holds is read only by whoever looks then.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use futures::stream::{BoxStream, LocalBoxStream, SelectAll, select_all, unfold};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::DynamicObject;
use kube::core::{ApiResource, PartialObjectMeta};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Config, Event, watcher};

use super::Cluster;
use super::list::Scope;

/// What can be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watched {
    /// Deployments.
    Deployments,
    /// StatefulSets.
    StatefulSets,
    /// DaemonSets.
    DaemonSets,
    /// CronJobs.
    CronJobs,
    /// Pods.
    Pods,
    /// Secrets, but for the releases of Helm.
    Secrets,
    /// ConfigMaps.
    ConfigMaps,
}

/// What a watch has to say.
#[derive(Debug)]
pub enum Notice {
    /// It has begun, or begun anew: from now on nothing is missed, and what
    /// was before may have been.
    Listed,
    /// An object came, changed or went.
    Changed {
        /// Where it is.
        namespace: String,
        /// Whether somebody has changed what is wanted of it, and not just
        /// its controller what has become of it.
        declared: bool,
    },
    /// It cannot go on for now, and tries again by itself.
    Failing(kube::Error),
    /// This user may not watch it. This is the last that is heard of it.
    Forbidden(kube::Error),
}

/// Several watches as one stream, which ends with the last of them.
pub type Watches = SelectAll<LocalBoxStream<'static, (Watched, Notice)>>;

type Metadata = PartialObjectMeta<DynamicObject>;

impl Watched {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Deployments,
        Self::StatefulSets,
        Self::DaemonSets,
        Self::CronJobs,
        Self::Pods,
        Self::Secrets,
        Self::ConfigMaps,
    ];

    /// Whether its objects run pods for good.
    pub fn is_workload(self) -> bool {
        matches!(self, Self::Deployments | Self::StatefulSets | Self::DaemonSets)
    }

    /// The resource in plural.
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
        }
    }

    fn config(self) -> Config {
        match self {
            // Every upgrade by Helm writes one.
            Self::Secrets => Config::default().fields("type!=helm.sh/release.v1"),
            _ => Config::default(),
        }
    }
}

impl Cluster {
    /// Watches everything that `status` reads. Nothing is sent before the
    /// stream is polled.
    pub fn watch(&self, scope: &Scope) -> Watches {
        select_all(Watched::ALL.map(|what| {
            let (client, resource) = (self.client.clone(), what.resource());
            let api: Api<Metadata> = match scope {
                Scope::Namespace(name) => Api::namespaced_with(client, name, &resource),
                Scope::Everywhere => Api::all_with(client, &resource),
            };
            let watch = Watch {
                what,
                events: watcher(api, what.config()).default_backoff().boxed(),
                declared: HashMap::new(),
            };
            unfold(Some(watch), async |watch| watch?.next().await).boxed_local()
        }))
    }
}

/// One watch.
struct Watch {
    what: Watched,
    events: BoxStream<'static, watcher::Result<Event<Metadata>>>,
    /// What is wanted of each object, as a hash under its uid.
    declared: HashMap<String, u64>,
}

impl Watch {
    /// The next thing that it has to say, and the watch unless it is over.
    async fn next(mut self) -> Option<((Watched, Notice), Option<Self>)> {
        loop {
            let notice = match self.events.try_next().await {
                Ok(event) => self.notice(event?),
                Err(error) => failure(error),
            };
            if let Some(notice) = notice {
                let is_over = matches!(notice, Notice::Forbidden(_));
                return Some(((self.what, notice), (!is_over).then_some(self)));
            }
        }
    }

    fn notice(&mut self, event: Event<Metadata>) -> Option<Notice> {
        match event {
            Event::Init => {
                self.declared.clear();
                None
            }
            Event::InitApply(object) => {
                self.is_declared(&object.metadata);
                None
            }
            Event::InitDone => Some(Notice::Listed),
            Event::Apply(object) => Some(Notice::Changed {
                declared: self.is_declared(&object.metadata),
                namespace: object.metadata.namespace?,
            }),
            Event::Delete(object) => {
                self.declared.remove(&object.metadata.uid?);
                Some(Notice::Changed {
                    namespace: object.metadata.namespace?,
                    declared: true,
                })
            }
        }
    }

    /// Whether something else is wanted of an object than when it was seen
    /// last.
    fn is_declared(&mut self, meta: &ObjectMeta) -> bool {
        let has_controller = self.what.is_workload() || self.what == Watched::CronJobs;
        let Some(uid) = meta.uid.clone().filter(|_| has_controller) else {
            return true;
        };
        // The generation counts the changes of the spec, and of no label.
        let mut hash = DefaultHasher::new();
        (meta.generation, &meta.labels).hash(&mut hash);
        let hash = hash.finish();
        self.declared.insert(uid, hash) != Some(hash)
    }
}

/// What a failure means. A stream that breaks off is resumed where it ended,
/// and one whose place the server has forgotten begins anew.
fn failure(error: watcher::Error) -> Option<Notice> {
    let error = match error {
        watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error) => error,
        watcher::Error::WatchError(status) if status.code != 410 => kube::Error::Api(status),
        other => {
            tracing::debug!(target: "kubectl_apim::cluster", "a watch was cut: {other}");
            return None;
        }
    };
    Some(match &error {
        kube::Error::Api(status) if status.is_forbidden() => Notice::Forbidden(error),
        _ => Notice::Failing(error),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use futures::stream;
    use kube::core::{PartialObjectMetaExt, Status};

    use super::*;

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

    async fn heard(what: Watched, events: Vec<watcher::Result<Event<Metadata>>>) -> Vec<String> {
        let watch = Watch {
            what,
            events: stream::iter(events).boxed(),
            declared: HashMap::new(),
        };
        let notices = unfold(Some(watch), async |watch| watch?.next().await);
        let words = notices.map(|(_, notice)| match notice {
            Notice::Listed => "listed".to_owned(),
            Notice::Changed { declared, .. } => format!("changed {declared}"),
            Notice::Failing(_) => "failing".to_owned(),
            Notice::Forbidden(_) => "forbidden".to_owned(),
        });
        words.collect().await
    }

    fn refused(code: u16, reason: &str) -> watcher::Error {
        let status = Status::failure("no", reason).with_code(code);
        watcher::Error::InitialListFailed(kube::Error::Api(status.boxed()))
    }

    #[tokio::test]
    async fn a_controllers_word_is_told_from_a_persons() {
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
            heard(Watched::Deployments, events()).await,
            [
                "listed",
                "changed false",
                "changed true",
                "changed true",
                "changed true"
            ]
        );
        assert_eq!(heard(Watched::Secrets, events()).await[1], "changed true");
    }

    #[tokio::test]
    async fn what_is_forbidden_is_asked_once_and_what_fails_again() {
        let after = |error| vec![Err(error), Ok(Event::InitDone)];
        assert_eq!(
            heard(Watched::Pods, after(refused(403, "Forbidden"))).await,
            ["forbidden"]
        );
        assert_eq!(
            heard(Watched::Pods, after(refused(500, "InternalError"))).await,
            ["failing", "listed"]
        );
        let gone = Status::failure("too old", "Expired").with_code(410);
        let gone = watcher::Error::WatchError(gone.boxed());
        assert_eq!(heard(Watched::Pods, after(gone)).await, ["listed"]);
    }
}
