//! The workload of a set-up, and the gateway that it is for.

use std::collections::BTreeMap;

use super::named::{CONTRADICTION, OfSeveral, evidence, of_several};
use super::template::{
    certificate_volume, clear_secret, is_entra, other_volume, signs_in, skipped_by, template, unproved,
};
use super::workload_secrets::WorkloadSecrets;
use crate::cluster::described::Described;
use crate::cluster::pod_spec::PodSpec;
use crate::cluster::rollout::{is_ordered, partition, replacement, still_replaces};
use crate::cluster::workload::Workload;
use crate::cluster::{Cluster, explain};
use crate::discover::evidence::{Evidence, Named, identify, identify_or};
use crate::discover::no_gateway::{Likely, likely_gateways, no_gateway};
use crate::discover::owners::owner;
use crate::discover::pod_spec::{
    ConfigMaps, GatewayContainer, ImportedSecrets, Setting, gateway_containers, gateway_containers_with,
    settings_of,
};
use crate::discover::read::{ConfigMapReads, missing_namespace, named_as, requested};
use crate::error::{Error, Result};
use crate::model::entra::facts::WorkloadSide;
use crate::model::request::TargetRequest;
use crate::model::setting::AUTH;
use crate::model::{Object, Unavailable, WorkloadRef};

/// The target of a set-up, which is found before anything is read of Azure.
#[derive(Debug)]
pub struct SetupTarget {
    pub named: Named,
    /// `None` if only the Azure half is set up.
    pub workload: Option<WorkloadRef>,
    /// What could not be read, and may matter.
    pub warnings: Vec<String>,
    pub(super) side: Option<WorkloadSide>,
    /// The pod template of the workload.
    pub(super) pod: Option<Object>,
}

/// A workload as it was read.
struct Chosen {
    workload: WorkloadRef,
    described: Described,
    /// If they had to be read to choose it.
    config_maps: Option<ConfigMapReads>,
    warnings: Vec<String>,
}

/// Finds the workload that was named, or else the only gateway of the namespace.
/// Without one, instance and gateway have to be given.
pub async fn target(cluster: &Cluster, request: &TargetRequest) -> Result<SetupTarget> {
    let mut warnings = Vec::new();
    let Some(chosen) = choose(cluster, request, &mut warnings).await? else {
        return azure_half(cluster, request, warnings).await;
    };
    let spec = chosen.described.workload.pod_spec().cloned().unwrap_or_default();
    let config_maps = config_maps(cluster, chosen.config_maps, &spec);
    let (config_maps, secrets) = tokio::join!(config_maps, WorkloadSecrets::read(cluster, &spec));
    let config_maps = config_maps?;
    let maps = config_maps.of(&cluster.namespace);
    let containers = gateway_containers_with(&spec, maps, &secrets.imported);
    let Some(container) = only(containers, &chosen.workload)? else {
        return Err(with_gaps(&config_maps, no_gateway(cluster, request, &[]).await));
    };
    let (settings, shown) = settings(&spec, &container, maps, &secrets);
    let described = &chosen.described;
    let is_immutable = |map: &str| config_maps.is_immutable(&cluster.namespace, map);
    let evidence = evidence(&chosen.workload, &container, &secrets)?;
    let side = WorkloadSide {
        service: evidence.endpoints.iter().find_map(|it| it.service.clone()),
        hidden: container.hidden.clone(),
        template: template(described, &container.name, &shown),
        fingerprint: described.fingerprint,
        owner: owner(&described.metadata, ("apps", chosen.workload.kind.name()), &[]).map(|it| it.name),
        clear_secret: clear_secret(&spec, &container.name, maps, is_immutable),
        own_variables: container.entra.own_variables.clone(),
        certificate_volume: certificate_volume(&described.template, &container.name),
        other_volume: other_volume(&described.template, &container.name),
        skipped_by: skipped_by(&described.pod, &container.name),
        unproved: unproved(described),
        marks: described.workload.marks().template,
        is_deleted: described.metadata.deletion_timestamp.is_some(),
        paused: described.workload.spec.paused,
        still_replaces: still_replaces(&described.workload),
        replacement: replacement(chosen.workload.kind, &described.workload),
        ordered: is_ordered(chosen.workload.kind, &described.workload),
        partition: partition(&described.workload),
        created: described.metadata.creation_timestamp.as_ref().map(|time| time.0),
        workload: chosen.workload.clone(),
        container: container.name.clone(),
        image: container.image.clone(),
        signs_in: signs_in(&container, &settings, &gaps(&config_maps, &secrets, &settings)),
    };
    let evidence = without_mistake(request, evidence, &side, &container);
    let named = match identify_or(request, &evidence, CONTRADICTION) {
        Ok(named) => named,
        // The one that was found is not the one that was given: its deployment follows.
        Err(error) if request.workload.is_none() && names_gateway(request) => {
            warnings.push(format!("{} is left alone: {error}", chosen.workload));
            return azure_half(cluster, request, warnings).await;
        }
        Err(error) => return Err(with_gaps(&config_maps, hint_at_mistake(error, &side, &container))),
    };
    Ok(SetupTarget {
        named,
        workload: Some(chosen.workload),
        warnings: [warnings, chosen.warnings].concat(),
        side: Some(side),
        pod: Some(chosen.described.pod),
    })
}

/// The error with what was not read.
fn with_gaps(config_maps: &ConfigMapReads, error: Error) -> Error {
    config_maps.gaps().into_iter().fold(error, Error::hint)
}

/// The gateway's container of a workload; `None` if it has none.
fn only(mut containers: Vec<GatewayContainer>, workload: &WorkloadRef) -> Result<Option<GatewayContainer>> {
    match containers.len() {
        0 | 1 => Ok(containers.pop()),
        _ => Err(several_containers(workload, &containers)),
    }
}

/// The settings of the container, and those that it shows: without a kind of sign-in that only
/// the content of a Secret has, which nobody else reads.
fn settings(
    spec: &PodSpec,
    container: &GatewayContainer,
    maps: &ConfigMaps,
    secrets: &WorkloadSecrets,
) -> (BTreeMap<String, Setting>, BTreeMap<String, Setting>) {
    let of_spec = spec.containers.iter().find(|it| it.name == container.name);
    let with = |imported| of_spec.map_or_else(Default::default, |it| settings_of(it, maps, imported));
    let all: BTreeMap<String, Setting> = with(&secrets.imported);
    let mut shown = all.clone();
    if !with(&ImportedSecrets::new()).contains_key(AUTH) {
        shown.remove(AUTH);
    }
    (all, shown)
}

async fn config_maps(
    cluster: &Cluster,
    known: Option<ConfigMapReads>,
    spec: &PodSpec,
) -> Result<ConfigMapReads> {
    match known {
        Some(read) => Ok(read),
        None => ConfigMapReads::read_in(cluster, [spec]).await,
    }
}

/// The target without a workload.
async fn azure_half(
    cluster: &Cluster,
    request: &TargetRequest,
    warnings: Vec<String>,
) -> Result<SetupTarget> {
    if let Some(error) = missing_namespace(cluster).await {
        return Err(error.hint(format!(
            "or create it: kubectl create namespace {}",
            cluster.namespace
        )));
    }
    Ok(SetupTarget {
        named: identify(request, &Evidence::default())?,
        workload: None,
        warnings,
        side: None,
        pod: None,
    })
}

fn names_gateway(request: &TargetRequest) -> bool {
    request.service.is_some() && request.gateway.is_some()
}

/// Why the settings that sign in may not be known in full.
fn gaps(
    config_maps: &ConfigMapReads,
    secrets: &WorkloadSecrets,
    settings: &BTreeMap<String, Setting>,
) -> Vec<Unavailable> {
    let is_unreadable = settings
        .iter()
        .any(|(name, setting)| name.starts_with(AUTH) && *setting == Setting::Unreadable);
    let of_maps = config_maps.gaps().into_iter().map(Unavailable::Unknown);
    let why = "a variable of the container refers to what is not there or cannot be read";
    let of_variables = is_unreadable.then(|| Unavailable::Unknown(why.to_owned()));
    let of_secrets = secrets.unread.iter().cloned();
    of_secrets.chain(of_maps).chain(of_variables).collect()
}

async fn choose(
    cluster: &Cluster,
    request: &TargetRequest,
    warnings: &mut Vec<String>,
) -> Result<Option<Chosen>> {
    let read = async |reference: &WorkloadRef| cluster.described(reference).await;
    if let Some(given) = &request.workload {
        let (workload, described) = named_as(cluster, given, read).await?;
        return Ok(Some(Chosen {
            workload,
            described,
            config_maps: None,
            warnings: Vec::new(),
        }));
    }
    found(cluster, request, warnings).await
}

/// The gateway of the namespace that is meant.
async fn found(
    cluster: &Cluster,
    request: &TargetRequest,
    warnings: &mut Vec<String>,
) -> Result<Option<Chosen>> {
    let workloads = requested(cluster, request).await?;
    let specs = workloads.by_name.values().filter_map(Workload::pod_spec);
    let config_maps = ConfigMapReads::read_in(cluster, specs).await?;
    let maps = config_maps.of(&cluster.namespace);
    let gateway = |(name, workload): (_, &'_ Workload)| {
        let spec = workload.pod_spec()?.clone();
        (!gateway_containers(&spec, maps).is_empty()).then_some((name, spec))
    };
    let found: Vec<(&WorkloadRef, PodSpec)> = workloads.by_name.iter().filter_map(gateway).collect();
    let workload = match found.as_slice() {
        [] => {
            return none(
                cluster,
                request,
                &workloads.by_name,
                &config_maps,
                workloads.warnings,
                warnings,
            )
            .await;
        }
        [(only, _)] => (*only).clone(),
        several => {
            match of_several(cluster, request, several, maps).await {
                OfSeveral::One(workload) => workload,
                // Its deployment follows.
                OfSeveral::None(others) => {
                    warnings.extend(others.into_iter().chain(workloads.warnings));
                    return Ok(None);
                }
                OfSeveral::Unclear => return Err(several_workloads(&cluster.namespace, several)),
            }
        }
    };
    let described = cluster.described(&workload).await.map_err(|error| {
        let doing = format!("reading {workload} in namespace {}", cluster.namespace);
        explain(error, &doing)
    })?;
    Ok(Some(Chosen {
        workload,
        described,
        config_maps: Some(config_maps),
        warnings: workloads.warnings,
    }))
}

/// Without a gateway in the namespace, only the Azure half is set up, if it was asked
/// for by name.
async fn none(
    cluster: &Cluster,
    request: &TargetRequest,
    workloads: &BTreeMap<WorkloadRef, Workload>,
    config_maps: &ConfigMapReads,
    unread: Vec<String>,
    warnings: &mut Vec<String>,
) -> Result<Option<Chosen>> {
    let likely = likely_gateways(cluster, workloads, config_maps, true).await?;
    let suspicions = likely.iter().map(Likely::suspicion);
    if request.service.is_some() && request.gateway.is_some() {
        warnings.extend(suspicions.chain(unread));
        return Ok(None);
    }
    let error = no_gateway(cluster, request, &unread).await;
    let error = suspicions.fold(error, Error::hint);
    Err(error.hint(
        "to set up Azure before the gateway is deployed, name its instance with -a and the gateway with -g",
    ))
}

fn several_workloads(namespace: &str, found: &[(&WorkloadRef, PodSpec)]) -> Error {
    let names: Vec<String> = found.iter().map(|(name, _)| name.to_string()).collect();
    Error::usage(format!(
        "namespace {namespace} has several gateways: {}",
        names.join(", ")
    ))
    .hint("choose one, as TYPE/NAME")
}

fn several_containers(workload: &WorkloadRef, found: &[GatewayContainer]) -> Error {
    let names: Vec<&str> = found.iter().map(|container| container.name.as_str()).collect();
    Error::usage(format!(
        "{workload} runs several gateways, in the containers {}",
        names.join(", ")
    ))
    .hint("give each gateway a workload of its own")
}

/// The setting `gateway.name` names the instance instead of the gateway in what the
/// documents say of Helm. Such a name is no evidence, and a set-up corrects it.
fn without_mistake(
    request: &TargetRequest,
    mut evidence: Evidence,
    side: &WorkloadSide,
    container: &GatewayContainer,
) -> Evidence {
    let given = request.service.as_ref().map(|service| &service.value);
    if let Some(instance) = given.or(side.service.as_ref())
        && (request.gateway.is_some() || is_entra(&side.signs_in, container))
    {
        evidence
            .gateway_names
            .retain(|name| !name.eq_ignore_ascii_case(instance));
    }
    evidence
}

fn hint_at_mistake(error: Error, side: &WorkloadSide, container: &GatewayContainer) -> Error {
    match (&container.gateway_name, &side.service) {
        (Some(name), Some(service)) if name.eq_ignore_ascii_case(service) => error.hint(format!(
            "gateway.name is `{name}`, the name of the instance; a set-up corrects it"
        )),
        _ => error,
    }
}
