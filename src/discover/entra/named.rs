//! Which gateway a workload is for.

use super::workload_secrets::WorkloadSecrets;
use crate::cluster::Cluster;
use crate::cluster::pod_spec::PodSpec;
use crate::discover::evidence::{Evidence, identify_or};
use crate::discover::pod_spec::{ConfigMaps, CredentialSource, GatewayContainer, gateway_containers_with};
use crate::error::{Error, Result};
use crate::model::request::TargetRequest;
use crate::model::{Endpoint, WorkloadRef};

/// What to do if the workload is for another gateway than the one that was given.
pub(super) const CONTRADICTION: &str = "choose the workload of the gateway, or correct the one that is wrong";

/// The names that a workload has for its gateway.
pub(super) fn evidence(
    workload: &WorkloadRef,
    container: &GatewayContainer,
    secrets: &WorkloadSecrets,
) -> Result<Evidence> {
    let token = match &container.credential {
        CredentialSource::Inline { claims, .. } => Some(claims.gateway.clone()),
        _ => secrets.token_of.clone(),
    };
    let recorded = secrets.recorded.as_ref();
    let mut evidence = Evidence {
        token,
        location: recorded.map(|(id, _)| id.service.clone()),
        recorded: recorded.filter(|(_, holds)| *holds).map(|(id, _)| id.clone()),
        gateway_names: container.gateway_name.iter().cloned().collect(),
        ..Evidence::default()
    };
    if let Some(text) = &container.endpoint {
        let endpoint = Endpoint::parse(text).map_err(|error| {
            Error::refused(format!(
                "{workload} has the configuration endpoint `{text}`: {error}"
            ))
            .hint("correct config.service.endpoint in the settings of the workload")
            .caused_by(error)
        })?;
        evidence.endpoints.push(endpoint);
    }
    Ok(evidence)
}

/// Which of several workloads is for the gateway that was given.
pub(super) enum OfSeveral {
    One(WorkloadRef),
    /// Each is for another one, for the reason given.
    None(Vec<String>),
    Unclear,
}

/// How a workload relates to the gateway that was given.
enum Relation {
    Same,
    Other(String),
    Unclear,
}

pub(super) async fn of_several(
    cluster: &Cluster,
    request: &TargetRequest,
    found: &[(&WorkloadRef, PodSpec)],
    config_maps: &ConfigMaps,
) -> OfSeveral {
    let (mut same, mut others, mut is_unclear) = (Vec::new(), Vec::new(), false);
    for (workload, spec) in found {
        match relation(cluster, request, (workload, spec), config_maps).await {
            Relation::Same => same.push((*workload).clone()),
            Relation::Other(why) => others.push(why),
            Relation::Unclear => is_unclear = true,
        }
    }
    match (same.pop(), same.is_empty()) {
        (Some(only), true) => OfSeveral::One(only),
        (None, _) if !is_unclear => OfSeveral::None(others),
        _ => OfSeveral::Unclear,
    }
}

async fn relation(
    cluster: &Cluster,
    request: &TargetRequest,
    (workload, spec): (&WorkloadRef, &PodSpec),
    config_maps: &ConfigMaps,
) -> Relation {
    let (Some(service), Some(gateway)) = (&request.service, &request.gateway) else {
        return Relation::Unclear;
    };
    let secrets = WorkloadSecrets::read(cluster, spec).await;
    let containers = gateway_containers_with(spec, config_maps, &secrets.imported);
    let [container] = containers.as_slice() else {
        return Relation::Unclear;
    };
    let Ok(mut evidence) = evidence(workload, container, &secrets) else {
        return Relation::Unclear;
    };
    // The name of the instance in its place is the documents' own mistake.
    let is_same = |name: &String, other: &str| name.eq_ignore_ascii_case(other);
    evidence
        .gateway_names
        .retain(|name| !is_same(name, &service.value));
    if let Err(error) = identify_or(request, &evidence, CONTRADICTION) {
        return Relation::Other(format!("{workload} is left alone: {error}"));
    }
    let recorded = evidence.recorded.as_ref().map(|id| &id.name);
    let mut names = evidence
        .gateway_names
        .iter()
        .chain(&evidence.token)
        .chain(recorded);
    if names.any(|name| is_same(name, &gateway.value)) {
        Relation::Same
    } else {
        Relation::Unclear
    }
}
