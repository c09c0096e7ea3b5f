//! The facts about each gateway that `status` shows, without a request to Azure.

mod entra;
mod identities;

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};

use super::cron_jobs::{Rotator, Service, Surroundings, rotators as rotators_in};
use super::pod_spec::{CredentialSource, EntraCredential};
use super::pods::{of_gateway, pods, stale_pods};
use super::reference::candidates_of;
use super::survey::{Gateway, Survey, survey};
use crate::cluster::Cluster;
use crate::error::Result;
use crate::model::request::{ReadCommandLine, Selection};
use crate::model::setting::{AUTH, ENDPOINT, GATEWAY_NAME};
use crate::model::{
    Auth, CronJobFacts, Endpoint, Fact, Gap, GatewayFacts, GatewayId, Presented, StalePods, Unavailable,
    cleaned,
};
use identities::complete;

/// For how many gateways whole pods are read at a time.
const SIDE_BY_SIDE: usize = 8;

/// The gateways that were found.
pub struct StatusFacts {
    /// By namespace and name.
    pub gateways: Vec<GatewayFacts>,
    /// What could not be read, so that gateways may be missing.
    pub gaps: Vec<Gap>,
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
    read_command_line: ReadCommandLine,
) -> Result<StatusFacts> {
    read(cluster, selection, CronJobsOf::Read(read_command_line)).await
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
    read(
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

async fn read(cluster: &Cluster, selection: &Selection, cron_jobs: CronJobsOf<'_>) -> Result<StatusFacts> {
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
            gaps: survey.gaps,
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
            CronJobsOf::Read(read_command_line) => {
                rotators_in(cluster, &scope, &namespaces, read_command_line)
                    .await
                    .map(Rotators)
            }
        }
    };
    let (pods, rotators) = tokio::join!(pods(cluster, &scope, &survey.gateways), rotators);
    let (pods, rotators) = (pods?, rotators?);
    find_cron_jobs(cluster, selection, &survey, &rotators.0, &mut gateways).await;
    let rows = survey.gateways.iter().zip(&mut gateways).enumerate();
    let mut reads = stream::iter(rows)
        .map(async |(at, (gateway, facts))| {
            facts.pods =
                stale_pods(cluster, of_gateway(&pods, at), gateway, facts.comparable_secret()).await?;
            Ok(())
        })
        .buffer_unordered(SIDE_BY_SIDE);
    while let Some(read) = reads.next().await {
        let read: Result<()> = read;
        read?;
    }
    drop(reads);
    complete(cluster, &scope, &survey.gateways, &pods, &mut gateways).await?;
    Ok(StatusFacts {
        gateways,
        gaps: survey.gaps,
        rotators: Some(rotators),
    })
}

/// What the survey alone shows; pods and CronJobs are not read yet.
fn facts(survey: &Survey, gateway: &Gateway) -> GatewayFacts {
    let container = &gateway.container;
    let (auth, secret, presented) = presented(survey, gateway);
    let described = match &presented {
        Ok(Presented::Stored(facts)) => Some(facts.as_ref()).filter(|facts| facts.marks_hold()),
        Ok(Presented::Entra(sign_in)) => sign_in.recorded(),
        _ => None,
    };
    let recorded = described.and_then(|facts| GatewayId::parse(facts.marks.gateway.as_deref()?).ok());
    let unnamed = |what: &str, setting: &str| {
        let why = if container.hidden.contains(&setting) {
            format!("{setting} refers to what is not known, and nothing else names {what}")
        } else {
            format!("nothing names {what}")
        };
        gateway.unread.clone().unwrap_or(Unavailable::Unknown(why))
    };
    let of_token = match &presented {
        Ok(Presented::Stored(facts)) => facts.claims(),
        Ok(Presented::Inline { claims, .. }) => Some(claims),
        _ => None,
    };
    let endpoint = container.endpoint.as_deref().map(Endpoint::parse).transpose();
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
        gateway: id.ok_or_else(|| unnamed("the gateway", GATEWAY_NAME)),
        service: match &endpoint {
            Err(why) => Err(Unavailable::Unknown(format!(
                "config.service.endpoint is not valid: {why}"
            ))),
            Ok(endpoint) => (endpoint.as_ref().and_then(|endpoint| endpoint.service.clone()))
                .or_else(|| recorded.as_ref().map(|id| id.service.name.clone()))
                .ok_or_else(|| unnamed("the API Management instance", ENDPOINT)),
        },
        endpoint: (container.endpoint.as_deref().map(cleaned)).zip(container.endpoint_place.clone()),
        cloud: endpoint.ok().flatten().and_then(|endpoint| endpoint.cloud),
        recorded,
        presented,
        settings: gateway.settings.clone().and_then(|()| survey.imports(gateway)),
        wanted: gateway.facts.wanted,
        ready: gateway.facts.ready,
        pods: Ok(StalePods::default()),
        replacement: gateway.facts.replacement.clone(),
        partition: gateway.facts.partition,
        still_replaces: gateway.facts.still_replaces.clone(),
        blocked: gateway.facts.blocked.clone(),
        marks: gateway.facts.marks.template.clone(),
        cron_jobs: Ok(Vec::new()),
        not_counted: None,
        azure: None,
    }
}

/// How a gateway signs in, the Secret and the key of its credential if it is in
/// one, and the credential.
fn presented(survey: &Survey, gateway: &Gateway) -> (Auth, Option<(String, String)>, Fact<Presented>) {
    match &gateway.container.credential {
        CredentialSource::SecretKey { .. } | CredentialSource::EnvFrom(_) => {
            if let Some((place, held)) = survey.credential(gateway) {
                let stored = held.map(|(facts, _)| Presented::Stored(Box::new(facts.clone())));
                (Auth::Token, Some(place), stored)
            } else {
                let nothing = "the pod spec points at no Secret".to_owned();
                (Auth::Token, None, Err(Unavailable::Unknown(nothing)))
            }
        }
        CredentialSource::Inline { place, claims } => {
            let inline = Presented::Inline {
                claims: claims.clone(),
                location: place.clone(),
            };
            (Auth::Token, None, Ok(inline))
        }
        CredentialSource::Entra { credential, .. } => {
            let (auth, secret, sign_in) = entra::sign_in(survey, gateway, *credential);
            (auth, secret, Ok(Presented::Entra(Box::new(sign_in))))
        }
        // Its pods get an identity, and are not told to use it.
        CredentialSource::Missing if gateway.asks_webhook && gateway.unread.is_none() => {
            let (auth, secret, mut sign_in) = entra::sign_in(survey, gateway, EntraCredential::Federated);
            sign_in.lacking.setting = Some(AUTH);
            (auth, secret, Ok(Presented::Entra(Box::new(sign_in))))
        }
        CredentialSource::Missing => {
            let nothing = "no config.service.auth points at a Secret".to_owned();
            let reason = gateway.unread.clone().unwrap_or(Unavailable::Unknown(nothing));
            (Auth::Unknown, None, Err(reason))
        }
    }
}

/// Finds the CronJobs that rotate each gateway.
async fn find_cron_jobs(
    cluster: &Cluster,
    selection: &Selection,
    survey: &Survey,
    rotators: &Fact<Vec<Rotator>>,
    gateways: &mut [GatewayFacts],
) {
    let surroundings = surroundings(cluster, selection, survey, rotators).await;
    let nothing = Surroundings::default();
    for (facts, gateway) in gateways.iter_mut().zip(&survey.gateways) {
        let here = surroundings.get(facts.namespace.as_str()).unwrap_or(&nothing);
        (facts.cron_jobs, facts.not_counted) = serving(rotators, facts, gateway, here);
    }
}

/// What is known of each namespace: everything where it depends on that what a
/// CronJob rotates, unless it cannot be listed.
async fn surroundings<'a>(
    cluster: &Cluster,
    selection: &Selection,
    known: &'a Survey,
    rotators: &Fact<Vec<Rotator>>,
) -> BTreeMap<&'a str, Surroundings> {
    let is_whole = selection.names.is_empty() && selection.labels.is_none();
    let mut found = surveyed(known, is_whole);
    if is_whole {
        return found;
    }
    for (namespace, here) in &mut found {
        let mut rotators = rotators.iter().flatten();
        if !rotators.any(|rotator| rotator.depends_on_neighbours(namespace)) {
            continue;
        }
        let cluster = cluster.in_namespace(namespace).for_optional_reads();
        if let Ok(whole) = survey(&cluster, &Selection::default(), false).await
            && let Some(whole) = surveyed(&whole, true).remove(namespace)
        {
            *here = whole;
        }
    }
    found
}

/// What a survey shows of each namespace that has a gateway.
fn surveyed(survey: &Survey, is_whole: bool) -> BTreeMap<&str, Surroundings> {
    let mut found: BTreeMap<&str, Surroundings> = BTreeMap::new();
    for gateway in &survey.gateways {
        let here = found.entry(&gateway.namespace).or_default();
        let (workload, credential) = (gateway.workload().clone(), gateway.container.credential.clone());
        for (secret, _) in candidates_of(&credential) {
            here.users.entry(secret).or_default().push(workload.clone());
        }
        here.gateways.push((workload, credential));
    }
    for workload in &survey.workloads {
        if let Some(here) = found.get_mut(workload.namespace.as_str()) {
            here.workloads.insert(workload.reference().clone());
        }
    }
    for (namespace, here) in &mut found {
        let gaps = survey.gaps.iter();
        let of_it = gaps.filter(|gap| gap.namespace.as_deref().is_none_or(|other| other == *namespace));
        here.unread = of_it.map(|gap| gap.kind).collect();
        here.is_whole = is_whole;
    }
    found
}

/// The CronJobs that rotate a gateway, and why another one that may be meant for
/// it does not count.
fn serving(
    rotators: &Fact<Vec<Rotator>>,
    facts: &GatewayFacts,
    gateway: &Gateway,
    here: &Surroundings,
) -> (Fact<Vec<CronJobFacts>>, Option<String>) {
    let rotators = match rotators {
        Ok(rotators) => rotators,
        Err(unavailable) => return (Err(unavailable.clone()), None),
    };
    let (mut serving, mut not_counted) = (Vec::new(), None);
    for rotator in rotators {
        match rotator.service(facts, &gateway.container.credential, here) {
            Service::Rotates(window) => serving.push(CronJobFacts {
                window,
                ..rotator.facts.clone()
            }),
            Service::Other => {}
            Service::NotCounted(why) => {
                let name = &rotator.facts.name;
                not_counted = not_counted.or_else(|| Some(format!("cronjob/{name} does not count: {why}")));
            }
        }
    }
    (Ok(serving), not_counted)
}
