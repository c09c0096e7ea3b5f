//! The credential of one gateway.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;

use super::facts::{secret_facts, workload_facts};
use super::no_gateway::{Likely, likely_gateways, no_gateway};
use super::pod_spec::{ConfigMaps, gateway_containers};
use super::read::{ConfigMapReads, Held, read_secret, requested};
use super::reference::{Candidates, Reference, credential_reference, gets_prefix};
use super::stale_pods::stale_pods;
use super::target_facts::{ConfigMapSettings, Containers, TargetFacts};
use crate::cluster::pods::selector;
use crate::cluster::workload::Workload;
use crate::cluster::{Cluster, explain};
use crate::error::{Error, Result};
use crate::model::request::TargetRequest;
use crate::model::{Snapshot, Source, Sourced, Token, WorkloadRef};

/// The key under which the script wrote the token.
const SCRIPT_KEY: &str = "value";

/// Finds the workload and the Secret: with two reads if both were given, or if
/// the pod spec of the workload that was given shows the Secret.
pub async fn target(cluster: &Cluster, request: &TargetRequest) -> Result<TargetFacts> {
    if let (Some(secret), true) = (&request.secret, request.secret_alone) {
        return secret_alone(cluster, secret).await;
    }
    let workloads = requested(cluster, request).await?;
    let mut warnings = workloads.warnings;
    let (reference, config_maps) = reference(cluster, request, &workloads.by_name, &warnings).await?;
    // A gateway of the namespace that its settings no longer show is named too.
    if let (None, Some(reads)) = (&request.workload, &config_maps) {
        let likely = likely_gateways(cluster, &workloads.by_name, reads, false).await?;
        let others = likely
            .iter()
            .filter(|likely| !reference.workloads.contains(likely.workload()));
        warnings.extend(others.map(Likely::warning));
    }
    let (mut secret, previous) = credential(cluster, &reference.candidates).await?;

    let users = workloads
        .by_name
        .into_iter()
        .filter(|(name, _)| reference.workloads.contains(name));
    let no_maps = ConfigMaps::new();
    let maps = config_maps
        .as_ref()
        .map_or(&no_maps, |reads| reads.of(&cluster.namespace));
    let for_pods = cluster.for_optional_reads();
    let mut facts = Vec::new();
    let (mut specs, mut readers) = (Vec::new(), Vec::new());
    let mut config_map_settings = ConfigMapSettings::default();
    for (name, workload) in users {
        let mut of_workload = workload_facts(&name, &workload);
        let selector = selector(&workload.spec.selector);
        of_workload.stale_pods = stale_pods(&for_pods, &secret, &of_workload, selector.as_ref()).await;
        facts.push(of_workload);
        if let Some(spec) = workload.spec.template.spec {
            let containers = gateway_containers(&spec, maps);
            config_map_settings.extend(ConfigMapSettings::of(&spec, &containers));
            readers.extend(containers.into_iter().map(|container| (name.clone(), container)));
            specs.push((name, spec));
        }
    }
    secret.gets_prefix = gets_prefix(&secret, readers.iter().map(|(name, reader)| (name, reader)))?;
    Ok(TargetFacts {
        snapshot: Snapshot {
            namespace: cluster.namespace.clone(),
            secret,
            workloads: facts,
        },
        previous,
        workload_source: workloads.source,
        secret_source: match &request.secret {
            Some(secret) => secret.source.clone(),
            None => Source::Discovery("pod spec".to_owned()),
        },
        config_map_settings,
        warnings,
        containers: match &config_maps {
            Some(reads) => Containers::of(&specs, &cluster.namespace, reads),
            None => Containers::Unread(specs),
        },
    })
}

/// Where the credential is, and what the ConfigMaps hold if they had to be
/// read for that: the pod spec of a workload that was given mostly shows it.
/// `unread` is which workloads could not be listed.
async fn reference(
    cluster: &Cluster,
    request: &TargetRequest,
    workloads: &BTreeMap<WorkloadRef, Workload>,
    unread: &[String],
) -> Result<(Reference, Option<ConfigMapReads>)> {
    let namespace = &cluster.namespace;
    if request.workload.is_some()
        && let Some(reference) = credential_reference(namespace, request, workloads, None)?
    {
        return Ok((reference, None));
    }
    let specs = workloads.values().filter_map(Workload::pod_spec);
    let reads = ConfigMapReads::read_in(cluster, specs).await?;
    let with_gaps = |error| reads.gaps().into_iter().fold(error, Error::hint);
    if let Some(reference) =
        credential_reference(namespace, request, workloads, Some(reads.of(namespace))).map_err(with_gaps)?
    {
        return Ok((reference, Some(reads)));
    }
    let likely = likely_gateways(cluster, workloads, &reads, true).await?;
    Err(with_gaps(match likely.first() {
        Some(first) => {
            let others = likely.iter().skip(1).map(Likely::warning);
            others.fold(first.refusal(namespace), Error::hint)
        }
        None => no_gateway(cluster, request, unread).await,
    }))
}

/// The credential, in the first of the Secrets that has it.
async fn credential(cluster: &Cluster, candidates: &Candidates) -> Result<Held> {
    let mut first_failure = None;
    for (name, keys) in candidates {
        match read_secret(cluster, name, keys).await? {
            Ok(mut held) => {
                if let Some(found) = keys.iter().find_map(|key| held.remove(key)) {
                    return Ok(found);
                }
            }
            Err(unread) => {
                first_failure.get_or_insert(unread.error);
            }
        }
    }
    Err(first_failure.unwrap_or_else(|| Error::failed("the pod spec points at no Secret")))
}

/// A Secret without its workloads, as the script rotated it: the token is
/// under `value`, or under the only key that holds one.
async fn secret_alone(cluster: &Cluster, requested: &Sourced<String>) -> Result<TargetFacts> {
    let name = &requested.value;
    let mut secret = cluster
        .secret(name)
        .await
        .map_err(|error| explain(error, &format!("reading secret/{name}")))?;
    let data = secret.data.get_or_insert_default();
    let holds_token =
        |bytes: &ByteString| std::str::from_utf8(&bytes.0).is_ok_and(|text| Token::parse(text).is_ok());
    let mut with_token = data
        .iter()
        .filter(|(_, bytes)| holds_token(bytes))
        .map(|(key, _)| key.clone());
    let key = match (
        data.contains_key(SCRIPT_KEY),
        with_token.next(),
        with_token.next(),
    ) {
        (false, Some(only), None) => only,
        _ => SCRIPT_KEY.to_owned(),
    };
    data.entry(key.clone()).or_default();
    let (secret, previous) = secret_facts(&secret, &key)?;
    Ok(TargetFacts {
        snapshot: Snapshot {
            namespace: cluster.namespace.clone(),
            secret,
            workloads: Vec::new(),
        },
        previous,
        workload_source: Source::Default,
        secret_source: requested.source.clone(),
        config_map_settings: ConfigMapSettings::default(),
        warnings: Vec::new(),
        containers: Containers::Read {
            containers: Vec::new(),
            gaps: Vec::new(),
        },
    })
}
