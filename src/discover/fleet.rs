//! The credentials of many gateways, each with everything that uses it.

use std::collections::{BTreeMap, BTreeSet};

use super::pod_spec::{CredentialSource, GatewayContainer};
use super::read::Held;
use super::reference::{gets_prefix, refuse_other_sign_in};
use super::stale_pods::stale_pods;
use super::survey::{Gateway, Survey, Surveyed, survey};
use super::target_facts::{ConfigMapSettings, Containers, TargetFacts};
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::model::request::Selection;
use crate::model::{Gap, Snapshot, Source, Unavailable, WorkloadRef};

/// A credential of a fleet, or a workload without one, by its namespace, and
/// why.
pub enum Member {
    Credential(Box<TargetFacts>),
    /// A gateway that signs in without a token.
    Skipped(String, WorkloadRef, Error),
    /// A gateway whose credential cannot be rotated.
    Failed(String, WorkloadRef, Error),
}

/// The members of a fleet.
pub struct Fleet {
    /// Each credential once.
    pub members: Vec<Member>,
    /// What could not be read, and may matter.
    pub warnings: Vec<String>,
}

/// A Secret by its namespace and name.
type Place = (String, String);

/// Finds the credentials of the gateways that were selected.
pub async fn fleet(cluster: &Cluster, selection: &Selection) -> Result<Fleet> {
    let mut survey = survey(cluster, selection, true).await?;
    let mut members: Vec<Member> = survey
        .unread
        .drain(..)
        .map(|(workload, error)| Member::Failed(cluster.namespace.clone(), workload, error))
        .collect();
    let mut users: BTreeMap<Place, Vec<&Gateway>> = BTreeMap::new();
    for gateway in &survey.gateways {
        let (namespace, workload) = (gateway.namespace.clone(), gateway.workload().clone());
        if let Some(member) = without_rotation(gateway) {
            members.push(member);
            continue;
        }
        match survey.credential(gateway) {
            Some(((secret, _), Ok(_))) => users.entry((namespace, secret)).or_default().push(gateway),
            Some(((secret, _), Err(gap))) => {
                let hints = survey.hints(&namespace, &secret).iter();
                let error = hints.fold(unread(&gap), Error::hint);
                members.push(Member::Failed(namespace, workload, error));
            }
            None => {
                let error = Error::refused(format!("the pod spec of {workload} points at no Secret"));
                members.push(Member::Failed(namespace, workload, error));
            }
        }
    }
    // One limit for the pods of all, however many there are.
    let cluster = &cluster.for_optional_reads();
    for ((namespace, secret), gateways) in users {
        match one_credential(cluster, &survey, &namespace, &secret, &gateways).await {
            Ok(found) => members.push(Member::Credential(Box::new(found))),
            Err(error) => {
                let mut refused: Vec<&WorkloadRef> =
                    gateways.iter().map(|gateway| gateway.workload()).collect();
                refused.dedup();
                members.extend(
                    refused
                        .into_iter()
                        .map(|workload| Member::Failed(namespace.clone(), workload.clone(), error.again())),
                );
            }
        }
    }
    Ok(Fleet {
        members,
        warnings: Gap::warnings(&survey.gaps),
    })
}

/// A gateway that is not rotated, as its workload shows.
fn without_rotation(gateway: &Gateway) -> Option<Member> {
    let (namespace, workload) = (gateway.namespace.clone(), gateway.workload().clone());
    // Its controller, or a namespace that is being deleted, creates no new pods.
    if gateway.is_deleted {
        let error = being_deleted(&namespace, &workload);
        return Some(Member::Failed(namespace, workload, error));
    }
    // Its next pod would not start, or it may be no gateway.
    if let (true, Err(gap)) = (gateway.by_secret, &gateway.settings) {
        let error = Error::refused(format!(
            "{workload} in namespace {namespace} may run a gateway: {}",
            gap.why()
        ));
        return Some(Member::Failed(namespace, workload, error));
    }
    // The settings that could not be read may hold the credential.
    if let (CredentialSource::Missing, Some(gap)) = (&gateway.container.credential, &gateway.unread) {
        return Some(Member::Failed(namespace, workload, unread(gap)));
    }
    let error = refuse_other_sign_in(&workload, &gateway.container).err()?;
    Some(match gateway.container.credential {
        CredentialSource::Entra { .. } => Member::Skipped(namespace, workload, error),
        _ => Member::Failed(namespace, workload, error),
    })
}

/// One Secret, with all the workloads that use it, gateways or not.
async fn one_credential(
    cluster: &Cluster,
    survey: &Survey,
    namespace: &str,
    secret: &str,
    gateways: &[&Gateway],
) -> Result<TargetFacts> {
    let (facts, previous) = held(survey, namespace, secret, gateways)?;
    let mut facts = facts.clone();
    let readers = gateways
        .iter()
        .map(|gateway| (gateway.workload(), &gateway.container));
    facts.gets_prefix = gets_prefix(&facts, readers)?;
    let here = cluster.in_namespace(namespace);
    let mut workloads = Vec::new();
    let uses_it = |workload: &&Surveyed| {
        workload.namespace == namespace && workload.secrets.contains(secret) && !workload.is_deleted
    };
    for workload in survey.workloads.iter().filter(uses_it) {
        let mut of_workload = workload.facts.clone();
        of_workload.stale_pods = stale_pods(&here, &facts, &of_workload, workload.selector.as_ref()).await;
        workloads.push(of_workload);
    }
    let mut config_map_settings = ConfigMapSettings::default();
    for gateway in gateways {
        config_map_settings.extend(gateway.config_map_settings.clone());
    }
    let containers: Vec<(WorkloadRef, GatewayContainer)> = gateways
        .iter()
        .map(|gateway| (gateway.workload().clone(), gateway.container.clone()))
        .collect();
    Ok(TargetFacts {
        snapshot: Snapshot {
            namespace: namespace.to_owned(),
            secret: facts,
            workloads,
        },
        previous: previous.clone(),
        workload_source: Source::Discovery(format!("discovered in namespace {namespace}")),
        secret_source: Source::Discovery("pod spec".to_owned()),
        config_map_settings,
        warnings: Vec::new(),
        containers: Containers::Read {
            containers,
            gaps: gateways
                .iter()
                .filter_map(|gateway| Some(gateway.unread.as_ref()?.why().to_owned()))
                .collect(),
        },
    })
}

/// What the Secret holds for all of the gateways.
fn held<'a>(survey: &'a Survey, namespace: &str, secret: &str, gateways: &[&Gateway]) -> Result<&'a Held> {
    let held: Vec<_> = gateways
        .iter()
        .filter_map(|gateway| survey.credential(gateway))
        .collect();
    let keys: BTreeSet<&str> = held.iter().map(|((_, key), _)| key.as_str()).collect();
    if keys.len() > 1 {
        let keys: Vec<&str> = keys.into_iter().collect();
        return Err(Error::refused(format!(
            "secret/{secret} in namespace {namespace} holds the tokens of several gateways, under {}, but its \
             annotations can describe only one",
            keys.join(" and ")
        ))
        .hint("give each gateway a Secret of its own, or rotate each by name"));
    }
    match held.into_iter().next() {
        Some((_, Ok(held))) => Ok(held),
        _ => Err(Error::failed(format!(
            "secret/{secret} in namespace {namespace} was not read"
        ))),
    }
}

fn being_deleted(namespace: &str, workload: &WorkloadRef) -> Error {
    Error::refused(format!("{workload} is being deleted")).hint(workload.deletion_hint(namespace))
}

fn unread(gap: &Unavailable) -> Error {
    match gap {
        Unavailable::Forbidden(why) => Error::refused(why.clone()),
        Unavailable::Unknown(why) => Error::failed(why.clone()),
    }
}
