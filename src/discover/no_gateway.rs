//! The errors of a run that finds no gateway.

use std::collections::BTreeSet;

use super::pod_spec::{ConfigMaps, gateway_containers};
use super::read::no_namespace;
use crate::cluster::Cluster;
use crate::cluster::list::List;
use crate::cluster::workload::{APPS, Workload};
use crate::error::Error;
use crate::model::WorkloadKind;
use crate::model::request::{Scope, TargetRequest};

/// How many namespaces a hint names.
const MOST_NAMESPACES: usize = 10;

pub(super) async fn no_gateway(cluster: &Cluster, request: &TargetRequest) -> Error {
    let namespace = &cluster.namespace;
    if let Some(workload) = &request.workload {
        return Error::refused(format!(
            "{} in namespace {namespace} runs no self-hosted gateway: no container has its image or its settings",
            workload.value
        ));
    }
    if cluster.lacks_namespace().await {
        return no_namespace(cluster);
    }
    let error = Error::failed(format!("namespace {namespace} has no self-hosted gateway"));
    match namespaces_with_gateway(cluster).await.as_slice() {
        [] => error.hint("choose the namespace with -n"),
        some => error.hint(format!(
            "choose the namespace with -n; there is a gateway in {}",
            some.join(", ")
        )),
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
