//! The facts about each gateway that `status` shows, without a request to Azure.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use futures::{StreamExt, stream};
use kube::core::{Selector, SelectorExt};

use super::cron_jobs::{Rotator, rotators as rotators_in};
use super::pod_spec::{CredentialSource, EntraCredential};
use super::read::{scopes, unread};
use super::survey::{Gateway, Survey, survey};
use crate::cluster::Cluster;
use crate::cluster::list::{List, MetadataOf};
use crate::cluster::rollout::PodAge;
use crate::error::Result;
use crate::model::annotation::ROTATION_ID;
use crate::model::request::{ReadCommandLine, Scope, Selection};
use crate::model::{
    Auth, Endpoint, Fact, GatewayFacts, GatewayId, Presented, SecretFacts, StalePods, Unavailable,
};

/// For how many gateways whole pods are read at a time.
const SIDE_BY_SIDE: usize = 8;

/// The gateways that were found.
pub struct StatusFacts {
    /// By namespace and name.
    pub gateways: Vec<GatewayFacts>,
    /// What could not be read, and may matter.
    pub warnings: Vec<String>,
    /// The CronJobs that rotate gateways, if there is a gateway.
    pub rotators: Option<Rotators>,
}

/// The CronJobs that rotate gateways, for when some of these are read again.
#[derive(Clone)]
pub struct Rotators(Fact<Vec<Rotator>>);

/// Reads the gateways that were selected.
pub async fn gateways(
    cluster: &Cluster,
    selection: &Selection,
    read: ReadCommandLine,
) -> Result<StatusFacts> {
    look(cluster, selection, CronJobsOf::Read(read)).await
}

/// Reads the gateways of one namespace again. Their CronJobs may be in any
/// namespace, and were read before.
pub async fn gateways_of(
    cluster: &Cluster,
    namespace: &str,
    selection: &Selection,
    rotators: &Rotators,
) -> Result<StatusFacts> {
    let selection = Selection {
        everywhere: false,
        ..selection.clone()
    };
    look(
        &cluster.in_namespace(namespace),
        &selection,
        CronJobsOf::Known(rotators),
    )
    .await
}

/// Where the CronJobs come from.
enum CronJobsOf<'a> {
    Read(ReadCommandLine),
    Known(&'a Rotators),
}

async fn look(cluster: &Cluster, selection: &Selection, cron_jobs: CronJobsOf<'_>) -> Result<StatusFacts> {
    let mut survey = survey(cluster, selection, false).await?;
    if let Some((_, error)) = survey.unread.pop() {
        return Err(error);
    }
    let scope = selection.scope(&cluster.namespace);
    let with_gateway: BTreeSet<&str> = survey
        .gateways
        .iter()
        .map(|gateway| gateway.namespace.as_str())
        .collect();
    let namespaces: Vec<&str> = with_gateway.into_iter().collect();
    if namespaces.is_empty() {
        return Ok(StatusFacts {
            gateways: Vec::new(),
            warnings: survey.warnings,
            rotators: match cron_jobs {
                CronJobsOf::Known(rotators) => Some(rotators.clone()),
                CronJobsOf::Read(_) => None,
            },
        });
    }
    let mut gateways: Vec<GatewayFacts> = survey
        .gateways
        .iter()
        .map(|gateway| facts(&survey, gateway))
        .collect();
    let rotators = async {
        match cron_jobs {
            CronJobsOf::Known(rotators) => Ok(rotators.clone()),
            CronJobsOf::Read(read) => rotators_in(cluster, &scope, &namespaces, read)
                .await
                .map(Rotators),
        }
    };
    let (pods, rotators) = tokio::join!(pods(cluster, &scope, &namespaces), rotators);
    let (pods, rotators) = (pods?, rotators?);
    for facts in &mut gateways {
        facts.cron_job = rotator_of(&rotators.0, facts);
    }
    let pairs = survey.gateways.iter().zip(&mut gateways);
    let mut looks = stream::iter(pairs)
        .map(async |(gateway, facts)| {
            facts.pods = stale_pods(cluster, &pods, gateway, facts.stored()).await?;
            Ok(())
        })
        .buffer_unordered(SIDE_BY_SIDE);
    while let Some(look) = looks.next().await {
        let look: Result<()> = look;
        look?;
    }
    drop(looks);
    Ok(StatusFacts {
        gateways,
        warnings: survey.warnings,
        rotators: Some(rotators),
    })
}

/// What the survey alone shows; pods and CronJobs are not read yet.
fn facts(survey: &Survey, gateway: &Gateway) -> GatewayFacts {
    let container = &gateway.container;
    let mut secret = None;
    let mut auth = Auth::Token;
    let presented = match &container.credential {
        CredentialSource::SecretKey { .. } | CredentialSource::EnvFrom(_) => match survey.credential(gateway)
        {
            Some((place, held)) => {
                secret = Some(place);
                held.map(|(facts, _)| Presented::Stored(Box::new(facts.clone())))
            }
            None => Err(Unavailable::Unknown(
                "the pod spec points at no Secret".to_owned(),
            )),
        },
        CredentialSource::Inline { place, claims } => Ok(Presented::Inline {
            claims: claims.clone(),
            location: place.clone(),
        }),
        CredentialSource::Entra { credential, .. } => {
            auth = match credential {
                EntraCredential::Secret => Auth::AppSecret,
                EntraCredential::Certificate => Auth::Certificate,
                EntraCredential::Federated => Auth::WorkloadIdentity,
                EntraCredential::Unknown => Auth::Unknown,
            };
            Ok(Presented::Entra)
        }
        CredentialSource::Missing => {
            auth = Auth::Unknown;
            let nothing = "no config.service.auth points at a Secret".to_owned();
            Err(gateway.unread.clone().unwrap_or(Unavailable::Unknown(nothing)))
        }
    };
    let stored = match &presented {
        Ok(Presented::Stored(facts)) => Some(facts.as_ref()),
        _ => None,
    };
    let recorded = stored
        .filter(|facts| facts.marks_hold())
        .and_then(|facts| GatewayId::parse(facts.marks.gateway.as_deref()?).ok());
    let unsaid = |what: &str| {
        gateway
            .unread
            .clone()
            .unwrap_or(Unavailable::Unknown(format!("nothing names {what}")))
    };
    let of_token = match &presented {
        Ok(Presented::Stored(facts)) => facts.claims(),
        Ok(Presented::Inline { claims, .. }) => Some(claims),
        _ => None,
    };
    let endpoint = container
        .endpoint
        .as_deref()
        .and_then(|text| Endpoint::parse(text).ok());
    let service = endpoint.as_ref().and_then(|endpoint| endpoint.service.clone());
    let id = of_token
        .map(|claims| claims.gateway.clone())
        .or_else(|| container.gateway_name.clone());
    GatewayFacts {
        namespace: gateway.namespace.clone(),
        workload: gateway.workload().clone(),
        container: container.name.clone(),
        image: container.image.clone(),
        auth,
        secret,
        gateway: id.ok_or_else(|| unsaid("the gateway")),
        service: service
            .or_else(|| recorded.as_ref().map(|id| id.service.name.clone()))
            .ok_or_else(|| unsaid("the API Management instance")),
        cloud: endpoint.and_then(|endpoint| endpoint.cloud),
        recorded,
        presented,
        wanted: gateway.facts.wanted,
        ready: gateway.facts.ready,
        pods: Ok(StalePods::default()),
        replacement: gateway.facts.replacement.clone(),
        marks: gateway.facts.marks.clone(),
        cron_job: Ok(None),
        azure: None,
    }
}

fn rotator_of(
    rotators: &Fact<Vec<Rotator>>,
    facts: &GatewayFacts,
) -> Fact<Option<crate::model::CronJobFacts>> {
    let rotators = rotators.as_ref().map_err(Unavailable::clone)?;
    let secret = facts.secret.as_ref().map(|(name, _)| name.as_str());
    let serving = rotators
        .iter()
        .filter(|rotator| rotator.serves(&facts.namespace, &facts.workload, secret));
    // A suspended CronJob protects nothing.
    Ok(serving
        .min_by_key(|rotator| rotator.facts.suspended)
        .map(|rotator| rotator.facts.clone()))
}

/// A pod by its metadata.
struct Pod {
    name: String,
    labels: BTreeMap<String, String>,
    age: PodAge,
}

type Pods = BTreeMap<String, Vec<Pod>>;

/// The pods of these namespaces, by namespace. Their metadata is enough for
/// nearly all.
async fn pods(cluster: &Cluster, scope: &Scope, namespaces: &[&str]) -> Result<Fact<Pods>> {
    let list = List {
        metadata_only: true,
        // A pod that has ended, such as an evicted one, runs no gateway.
        fields: Some("status.phase!=Failed,status.phase!=Succeeded"),
        ..List::of("/api/v1", "pods")
    };
    let keep = |object: MetadataOf| {
        let mut meta = object.metadata;
        namespaces.contains(&meta.namespace.as_str()).then(|| {
            let age = PodAge {
                is_idle: meta.deletion_timestamp.is_some(),
                rotation_id: meta.annotations.remove(ROTATION_ID),
                created: meta.created(),
                started: None,
            };
            (
                meta.namespace,
                Pod {
                    name: meta.name,
                    labels: meta.labels,
                    age,
                },
            )
        })
    };
    let places = scopes(scope, namespaces.iter().copied());
    let mut pods = Pods::new();
    for list in join_all(places.iter().map(|place| cluster.list(list, place, keep))).await {
        match list {
            Ok(list) => {
                for (namespace, pod) in list {
                    pods.entry(namespace).or_default().push(pod);
                }
            }
            Err(error) => return Ok(Err(unread(error, "listing the pods")?.reason)),
        }
    }
    Ok(Ok(pods))
}

/// Which pods run with an older credential than the Secret holds.
async fn stale_pods(
    cluster: &Cluster,
    pods: &Fact<Pods>,
    gateway: &Gateway,
    stored: Option<&SecretFacts>,
) -> Result<Fact<StalePods>> {
    let pods = match pods {
        Ok(pods) => pods,
        Err(gap) => return Ok(Err(gap.clone())),
    };
    let Some(secret) = stored else {
        return Ok(Ok(StalePods::default()));
    };
    let Some(written) = secret.written() else {
        return Ok(Err(Unavailable::Unknown(
            "it is not recorded when the credential was written".to_owned(),
        )));
    };
    let Some(selector) = &gateway.selector else {
        return Ok(Err(Unavailable::Unknown(
            "the selector of the workload is not valid".to_owned(),
        )));
    };
    let id = secret.rotation();
    // A Secret that was never changed held no older credential, which a pod
    // created along with it could have.
    let is_first = secret.created == Some(written);
    let own = pods
        .get(&gateway.namespace)
        .into_iter()
        .flatten()
        .filter(|pod| selector.matches(&pod.labels));
    let mut found = StalePods::default();
    for pod in own {
        match pod.age.is_stale(id, written) {
            Some(true) => found.stale.push(pod.name.clone()),
            Some(false) => {}
            None => found.unsure.push(pod.name.clone()),
        }
    }
    if found.unsure.is_empty() {
        return Ok(Ok(found));
    }
    let mut closer = look_closer(cluster, gateway, selector, id, written, found).await?;
    if let Ok(found) = &mut closer
        && is_first
    {
        found.unsure.clear();
    }
    Ok(closer)
}

/// Reads whole pods, where metadata is not enough.
async fn look_closer(
    cluster: &Cluster,
    gateway: &Gateway,
    selector: &Selector,
    id: Option<&str>,
    written: jiff::Timestamp,
    mut found: StalePods,
) -> Result<Fact<StalePods>> {
    let list = List {
        labels: Some(&selector.to_string()),
        ..List::of("/api/v1", "pods")
    };
    let place = Scope::Namespace(gateway.namespace.clone());
    let container = Some(gateway.container.name.as_str()).filter(|name| !name.is_empty());
    let age = |pod: k8s_openapi::api::core::v1::Pod| {
        let age = PodAge::of(&pod, container);
        Some((pod.metadata.name?, age))
    };
    let ages: BTreeMap<String, PodAge> = match cluster.list(list, &place, age).await {
        Ok(list) => list.into_iter().collect(),
        Err(error) => return Ok(Err(unread(error, "listing the pods")?.reason)),
    };
    for name in std::mem::take(&mut found.unsure) {
        // A pod that is gone is no longer stale.
        match ages.get(&name).map(|age| age.is_stale(id, written)) {
            Some(Some(true)) => found.stale.push(name),
            Some(None) => found.unsure.push(name),
            Some(Some(false)) | None => {}
        }
    }
    Ok(Ok(found))
}
