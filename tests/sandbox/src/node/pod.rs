//! The pods of the node.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Pod, Volume};
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::container::{Life, Report};
use super::environment::{ConfigError, Kind, Sources, not_found};
use super::status::PodStatus;
use super::stop::{Stop, Stopper};
use super::volumes::{self, PodDirectory};
use super::{Context, NODE_NAME, event, image};

const RETRY: Duration = Duration::from_secs(1);

/// Reports that arrive within this time of each other go out together.
const GATHER: Duration = Duration::from_millis(5);

/// Looks after every pod that is bound to the node, for ever.
pub(crate) async fn watch(context: Arc<Context>) {
    let pods: Api<Pod> = Api::all(context.client.clone());
    let config = watcher::Config::default().fields(&format!("spec.nodeName={NODE_NAME}"));
    let mut events = std::pin::pin!(watcher(pods, config).default_backoff());
    let mut pods = Pods {
        context,
        present: HashMap::new(),
        relisted: HashSet::new(),
        tasks: JoinSet::new(),
    };
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(event)) => pods.handle(event),
                // The watcher reconnects by itself.
                Some(Err(_)) => {}
                None => return,
            },
            Some(_) = pods.tasks.join_next() => {}
        }
    }
}

struct Pods {
    context: Arc<Context>,
    /// What is being done about each pod, by its uid.
    present: HashMap<String, Handled>,
    relisted: HashSet<String>,
    tasks: JoinSet<()>,
}

enum Handled {
    Running(AbortHandle, Stopper),
    Ending,
}

impl Pods {
    fn handle(&mut self, event: watcher::Event<Pod>) {
        match event {
            watcher::Event::Apply(pod) => self.applied(pod),
            watcher::Event::Delete(pod) => self.deleted(&pod),
            watcher::Event::Init => self.relisted.clear(),
            watcher::Event::InitApply(pod) => {
                self.relisted.extend(pod.uid());
                self.applied(pod);
            }
            watcher::Event::InitDone => {
                let relisted = std::mem::take(&mut self.relisted);
                self.present.retain(|uid, handled| {
                    let exists = relisted.contains(uid);
                    if let (false, Handled::Running(task, _)) = (exists, handled) {
                        task.abort();
                    }
                    exists
                });
            }
        }
    }

    fn applied(&mut self, pod: Pod) {
        let uid = pod.uid().unwrap_or_default();
        if pod.metadata.deletion_timestamp.is_some() {
            let stopper = match self.present.insert(uid, Handled::Ending) {
                Some(Handled::Ending) => return,
                Some(Handled::Running(_, stopper)) => Some(stopper),
                None => None,
            };
            self.tasks.spawn(end(self.context.clone(), pod, stopper));
        } else if !self.present.contains_key(&uid) && !is_finished(&pod) {
            let (stopper, stop) = Stopper::new();
            let task = self.tasks.spawn(run(self.context.clone(), Arc::new(pod), stop));
            self.present.insert(uid, Handled::Running(task, stopper));
        }
    }

    fn deleted(&mut self, pod: &Pod) {
        if let Some(Handled::Running(task, _)) = self.present.remove(&pod.uid().unwrap_or_default()) {
            task.abort();
        }
        self.context
            .logs
            .remove(&pod.namespace().unwrap_or_default(), &pod.name_any());
    }
}

fn is_finished(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// Lets a pod that is being deleted go as soon as its processes have ended; most pods have none.
async fn end(context: Arc<Context>, pod: Pod, stopper: Option<Stopper>) {
    if let Some(stopper) = stopper {
        let grace = pod.metadata.deletion_grace_period_seconds.unwrap_or_default();
        stopper
            .stop(Duration::from_secs(u64::try_from(grace).unwrap_or_default()))
            .await;
    }
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), &pod.namespace().unwrap_or_default());
    let preconditions = Preconditions {
        uid: pod.uid(),
        resource_version: None,
    };
    let parameters = DeleteParams::default()
        .grace_period(0)
        .preconditions(preconditions);
    loop {
        let deleted = {
            let _permit = context.requests.acquire().await;
            pods.delete(&pod.name_any(), &parameters).await
        };
        match deleted {
            Ok(_) => return,
            // Gone already, or its name belongs to another pod now.
            Err(kube::Error::Api(status)) if status.code < 500 && status.code != 429 => return,
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    }
}

/// Runs the containers of a pod and reports on them until nothing can change any more.
async fn run(context: Arc<Context>, pod: Arc<Pod>, stop: Stop) {
    let Some(spec) = &pod.spec else { return };
    let address = address(context.next_address.fetch_add(1, Ordering::Relaxed));
    let mut status = PodStatus::new(&pod, address.clone());
    let mut reports = vec![Report::creating(); spec.containers.len()];
    let creating = status.patch(&pod, spec, &reports);
    let mounting = mount(&context, &pod, &address, &creating);
    let Some(files) = stop.unless(mounting).await else {
        return;
    };

    let (sender, mut receiver) = mpsc::unbounded_channel();
    let mut lives = JoinSet::new();
    for (index, container) in spec.containers.iter().cloned().enumerate() {
        let sender = sender.clone();
        let life = Life {
            context: context.clone(),
            pod: pod.clone(),
            container,
            address: address.clone(),
            files: files.clone(),
            stop: stop.clone(),
            report: move |report| drop(sender.send((index, report))),
        };
        lives.spawn(life.run());
    }
    drop(sender);
    while let Some((index, report)) = receiver.recv().await {
        reports[index] = report;
        while let Ok(Some((index, report))) = tokio::time::timeout(GATHER, receiver.recv()).await {
            reports[index] = report;
        }
        if !write(&context, &pod, &status.patch(&pod, spec, &reports)).await {
            return;
        }
    }
}

/// Writes a status; false if the pod no longer exists.
async fn write(context: &Context, pod: &Pod, patch: &serde_json::Value) -> bool {
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), &pod.namespace().unwrap_or_default());
    loop {
        let written = {
            let _permit = context.requests.acquire().await;
            pods.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Strategic(patch))
                .await
        };
        match written {
            Ok(_) => return true,
            Err(kube::Error::Api(status)) if status.code < 500 && status.code != 429 => return false,
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    }
}

/// Waits until everything that the pod's volumes refer to is there, and prepares the volumes of a
/// pod that has processes. With the first failure it reports the pod as being created.
async fn mount(
    context: &Context,
    pod: &Pod,
    address: &str,
    creating: &serde_json::Value,
) -> Option<Arc<PodDirectory>> {
    let mut waited = false;
    loop {
        let prepared = match find_volumes(context, pod).await {
            Ok(()) if image::has_own(pod) => volumes::prepare(context, pod, address).await.map(Some),
            checked => checked.map(|()| None),
        };
        match prepared {
            Ok(files) => return files.map(Arc::new),
            Err(_) if waited => {}
            Err(ConfigError(message)) => {
                event::warn(context, pod, "FailedMount", &message).await;
                write(context, pod, creating).await;
                waited = true;
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Checks that the Secrets and `ConfigMaps` of the pod's volumes exist, with the keys of Secrets that it names.
async fn find_volumes(context: &Context, pod: &Pod) -> Result<(), ConfigError> {
    let mut sources = Sources::new(context, &pod.namespace().unwrap_or_default());
    for volume in pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten()) {
        find_volume(&mut sources, volume)
            .await
            .map_err(|ConfigError(cause)| {
                ConfigError(format!(
                    "MountVolume.SetUp failed for volume \"{}\" : {cause}",
                    volume.name
                ))
            })?;
    }
    Ok(())
}

async fn find_volume(sources: &mut Sources<'_>, volume: &Volume) -> Result<(), ConfigError> {
    if let Some(map) = volume
        .config_map
        .as_ref()
        .filter(|map| map.optional != Some(true))
        && sources.get(Kind::ConfigMap, &map.name).await?.is_none()
    {
        return Err(not_found(Kind::ConfigMap, &map.name));
    }
    let Some(secret) = volume
        .secret
        .as_ref()
        .filter(|secret| secret.optional != Some(true))
    else {
        return Ok(());
    };
    let name = secret.secret_name.as_deref().unwrap_or_default();
    let Some(data) = sources.get(Kind::Secret, name).await? else {
        return Err(not_found(Kind::Secret, name));
    };
    let mut items = secret.items.iter().flatten();
    match items.find(|item| !data.contains_key(&item.key)) {
        Some(item) => Err(ConfigError(format!(
            "references non-existent secret key: {}",
            item.key
        ))),
        None => Ok(()),
    }
}

/// The address of the pod with this number, within 10.128.0.0/9.
fn address(number: u32) -> String {
    const FIRST: u32 = u32::from_be_bytes([10, 128, 0, 0]);
    std::net::Ipv4Addr::from(FIRST + number % (1 << 23)).to_string()
}
