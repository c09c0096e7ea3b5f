//! The workloads of the namespace, and what to say when none runs a gateway.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join_all;

use super::pod_spec::{ConfigMaps, gateway_containers};
use super::target::{Workloads, pod_spec_of};
use crate::cluster::list::List;
use crate::cluster::workload::{APPS, Workload};
use crate::cluster::{Cluster, explain};
use crate::error::{Error, Result};
use crate::model::request::{Scope, TargetRequest, WorkloadRequest};
use crate::model::{Source, Sourced, WorkloadKind, WorkloadRef};

/// The workload that was named, or all of the namespace; and who named it.
pub(super) async fn workloads(cluster: &Cluster, told: &TargetRequest) -> Result<(Workloads, Source)> {
    let Some(asked) = &told.workload else {
        let lists = try_join_all(WorkloadKind::ALL.map(|kind| cluster.workloads(kind))).await;
        let lists = lists.map_err(|error| {
            let forbidden = matches!(&error, kube::Error::Api(status) if status.is_forbidden());
            let doing = format!("listing the workloads of namespace {}", cluster.namespace);
            let explained = explain(error, &doing);
            if forbidden {
                explained.hint("name the workload, as deployment/NAME; then nothing needs to be listed")
            } else {
                explained
            }
        })?;
        let place = format!("discovered in namespace {}", cluster.namespace);
        return Ok((lists.into_iter().flatten().collect(), Source::Discovery(place)));
    };
    let (reference, workload) = named(cluster, asked).await?;
    Ok((BTreeMap::from([(reference, workload)]), asked.source.clone()))
}

/// The workload that was named.
pub(super) async fn named(
    cluster: &Cluster,
    asked: &Sourced<WorkloadRequest>,
) -> Result<(WorkloadRef, Workload)> {
    let (name, kinds): (&str, &[WorkloadKind]) = match &asked.value {
        WorkloadRequest::Exact(reference) => (&reference.name, std::slice::from_ref(&reference.kind)),
        WorkloadRequest::ByName(name) => (name, &WorkloadKind::ALL),
    };
    for &kind in kinds {
        let reference = WorkloadRef {
            kind,
            name: name.to_owned(),
        };
        match cluster.workload(&reference).await {
            Ok(workload) => return Ok((reference, workload)),
            Err(kube::Error::Api(status)) if status.is_not_found() && status.details.is_some() => {}
            Err(error) => {
                return Err(explain(
                    error,
                    &format!("reading {reference} in namespace {}", cluster.namespace),
                ));
            }
        }
    }
    if cluster.lacks_namespace().await {
        return Err(no_namespace(cluster));
    }
    let what = match &asked.value {
        WorkloadRequest::Exact(reference) => reference.to_string(),
        WorkloadRequest::ByName(name) => format!("workload {name}"),
    };
    Err(Error::failed(format!(
        "{what} ({}) does not exist in namespace {}",
        asked.source, cluster.namespace
    ))
    .hint(format!(
        "see what there is: kubectl -n {} get deployments,statefulsets,daemonsets",
        cluster.namespace
    )))
}

/// Why nothing was found.
pub(super) async fn no_gateway(cluster: &Cluster, told: &TargetRequest) -> Error {
    let namespace = &cluster.namespace;
    match &told.workload {
        Some(Sourced {
            value: WorkloadRequest::Exact(reference),
            ..
        }) => Error::refused(format!(
            "{reference} in namespace {namespace} runs no self-hosted gateway: no container has its image or its settings"
        )),
        Some(Sourced {
            value: WorkloadRequest::ByName(name),
            ..
        }) => Error::refused(format!(
            "workload {name} in namespace {namespace} runs no self-hosted gateway: no container has its image or its settings"
        )),
        None if cluster.lacks_namespace().await => no_namespace(cluster),
        None => {
            let error = Error::failed(format!("namespace {namespace} has no self-hosted gateway"));
            match namespaces_with_gateway(cluster).await.as_slice() {
                [] => error.hint("choose the namespace with -n"),
                some => error.hint(format!(
                    "choose the namespace with -n; there is a gateway in {}",
                    some.join(", ")
                )),
            }
        }
    }
}

/// Where there are gateways, as far as the user may look.
async fn namespaces_with_gateway(cluster: &Cluster) -> Vec<String> {
    let with_gateway = |workload: Workload| {
        let spec = pod_spec_of(&workload)?;
        (!gateway_containers(spec, &ConfigMaps::new()).is_empty()).then_some(workload.metadata.namespace)
    };
    let deployments = List::of(APPS, WorkloadKind::Deployment.plural());
    let found = cluster.list(deployments, &Scope::Everywhere, with_gateway).await;
    let names: BTreeSet<String> = found.unwrap_or_default().into_iter().collect();
    // More would hide what the message is about.
    names.into_iter().take(10).collect()
}

fn no_namespace(cluster: &Cluster) -> Error {
    Error::failed(format!("namespace {} does not exist", cluster.namespace))
        .hint("choose the namespace with -n; `kubectl get namespaces` lists them")
}
