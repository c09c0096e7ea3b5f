//! The errors of a run that finds no gateway.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::workload_facts;
use super::pod_spec::{ConfigMaps, gateway_containers, secrets_used};
use super::read::{ConfigMapReads, Secrets, missing_namespace};
use super::reference::candidates_of;
use super::suspects::{Suspect, Wanted};
use crate::cluster::Cluster;
use crate::cluster::list::List;
use crate::cluster::workload::{APPS, Workload};
use crate::error::{Error, Result};
use crate::model::request::{Scope, TargetRequest};
use crate::model::{WorkloadKind, WorkloadRef};

/// How many namespaces a hint names.
const MOST_NAMESPACES: usize = 10;

/// `unread` is which workloads of the namespace could not be listed: a gateway may be among them.
pub(super) async fn no_gateway(cluster: &Cluster, request: &TargetRequest, unread: &[String]) -> Error {
    let namespace = &cluster.namespace;
    if let Some(workload) = &request.workload {
        return Error::refused(format!(
            "{} in namespace {namespace} runs no self-hosted gateway: no container has its image or its settings",
            workload.value
        ));
    }
    if let Some(error) = missing_namespace(cluster).await {
        return error;
    }
    if !unread.is_empty() {
        let error = Error::failed(format!(
            "no self-hosted gateway was found in namespace {namespace}, but not all of its workloads could be read"
        ));
        return unread
            .iter()
            .cloned()
            .fold(error, Error::hint)
            .hint("name the workload, as deployment/NAME; then nothing needs to be listed");
    }
    let error = Error::failed(format!("namespace {namespace} has no self-hosted gateway"));
    with_places(error, "choose the namespace with -n", cluster).await
}

/// The error with this next step, which names the namespaces that have a gateway
/// as far as the user may see them.
pub async fn with_places(error: Error, next: &str, cluster: &Cluster) -> Error {
    match namespaces_with_gateway(cluster).await.as_slice() {
        [] => error.hint(next),
        some => error.hint(format!("{next}; there is a gateway in {}", some.join(", "))),
    }
}

/// The workloads that may run a gateway although neither their image nor their
/// readable settings show it, each with the reason and its Secret. Without
/// `all`, only those for which more than a reference to a Secret speaks.
pub(super) async fn likely_gateways(
    cluster: &Cluster,
    workloads: &BTreeMap<WorkloadRef, Workload>,
    config_maps: &ConfigMapReads,
    all: bool,
) -> Result<Vec<Likely>> {
    let namespace = &cluster.namespace;
    let mut taken = BTreeSet::new();
    let mut suspects = Vec::new();
    for (name, workload) in workloads {
        let Some(spec) = workload.pod_spec() else {
            continue;
        };
        let containers = gateway_containers(spec, config_maps.of(namespace));
        if containers.is_empty() {
            let suspect = Suspect::of(namespace, &workload_facts(name, workload), spec, config_maps);
            suspects.push((suspect, secrets_used(spec)));
        }
        let candidates = containers
            .iter()
            .flat_map(|container| candidates_of(&container.credential));
        taken.extend(candidates.map(|(secret, _)| secret));
    }
    let suspects = suspects
        .into_iter()
        .map(|(suspect, used)| suspect.without(&used, &taken));
    let suspects: Vec<Suspect> = suspects.filter(|suspect| all || suspect.is_likely()).collect();
    let (mut wanted, mut possible) = (Wanted::new(), Wanted::new());
    for suspect in &suspects {
        suspect.add_to(if suspect.is_likely() {
            &mut wanted
        } else {
            &mut possible
        });
    }
    if wanted.is_empty() && possible.is_empty() {
        return Ok(Vec::new());
    }
    let scope = Scope::Namespace(namespace.clone());
    let secrets = Secrets::read(cluster, &scope, &wanted, possible, false).await?;
    let likely = suspects.iter().filter_map(|suspect| {
        let found = suspect.found(&secrets).into_iter().next()?;
        let secret = found.container.credential.secret()?.to_owned();
        let why = match found.settings {
            Err(gap) => gap.why().to_owned(),
            Ok(()) => format!("its settings may be in secret/{secret}"),
        };
        Some(Likely {
            workload: suspect.workload().clone(),
            secret,
            why,
        })
    });
    Ok(likely.collect())
}

/// A workload that may run a gateway.
pub(super) struct Likely {
    workload: WorkloadRef,
    /// The Secret that shows it.
    secret: String,
    why: String,
}

impl Likely {
    pub(super) fn workload(&self) -> &WorkloadRef {
        &self.workload
    }

    /// For a run that leaves it alone.
    pub(super) fn suspicion(&self) -> String {
        format!("{} may run a gateway: {}", self.workload, self.why)
    }

    /// For a run over other gateways of the namespace.
    pub(super) fn warning(&self) -> String {
        let Self { workload, why, .. } = self;
        format!("{workload} may run a gateway too, and is not rotated: {why}")
    }

    /// For a run that finds nothing else.
    pub(super) fn refusal(&self, namespace: &str) -> Error {
        let Self {
            workload,
            secret,
            why,
        } = self;
        Error::refused(format!(
            "{workload} in namespace {namespace} may run a gateway, but is not rotated: {why}"
        ))
        .hint(format!("see what it refers to: kubectl describe {workload} -n {namespace}"))
        .hint(format!(
            "if it runs a gateway, name its Secret too: kubectl apim rotate {workload} -n {namespace} --token-secret {secret}"
        ))
    }
}

/// The namespaces with a gateway that this user can see.
async fn namespaces_with_gateway(cluster: &Cluster) -> Vec<String> {
    let with_gateway = |workload: Workload| {
        let spec = workload.pod_spec()?;
        (!gateway_containers(spec, &ConfigMaps::new()).is_empty()).then_some(workload.metadata.namespace)
    };
    let deployments = List::of(APPS, WorkloadKind::Deployment.plural());
    let found = cluster.list(deployments, &Scope::Everywhere, with_gateway).await;
    let names: BTreeSet<String> = found.unwrap_or_default().into_iter().collect();
    names.into_iter().take(MOST_NAMESPACES).collect()
}
