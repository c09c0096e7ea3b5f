//! Workloads, by name or by lists.

use std::collections::BTreeMap;

use futures::future::join_all;

use super::failure::{is_forbidden, is_not_found};
use crate::cluster::list::List;
use crate::cluster::workload::{APPS, Workload};
use crate::cluster::{Cluster, explain};
use crate::error::{Error, Result};
use crate::model::request::{Scope, TargetRequest, WorkloadRequest};
use crate::model::{Gap, Source, Sourced, WorkloadKind, WorkloadRef};

/// From which similarity on a name is proposed, from 0 to 1.
const SIMILAR: f64 = 0.8;

/// How many similar names are proposed.
const MOST_NEAR: usize = 3;

/// The workloads of one namespace.
pub struct Workloads {
    pub by_name: BTreeMap<WorkloadRef, Workload>,
    /// Where the name of the workload came from.
    pub source: Source,
    pub warnings: Vec<String>,
}

/// The workload that was requested, or all of the namespace.
pub async fn requested(cluster: &Cluster, request: &TargetRequest) -> Result<Workloads> {
    if let Some(workload) = &request.workload {
        return Ok(Workloads {
            by_name: BTreeMap::from([named(cluster, workload).await?]),
            source: workload.source.clone(),
            warnings: Vec::new(),
        });
    }
    let scope = Scope::Namespace(cluster.namespace.clone());
    let (workloads, gaps) = listed(cluster, &scope, with_reference).await?;
    Ok(Workloads {
        by_name: workloads.into_iter().collect(),
        source: Source::Discovery(format!("discovered in {scope}")),
        warnings: Gap::warnings(&gaps),
    })
}

fn with_reference(kind: WorkloadKind, workload: Workload) -> (WorkloadRef, Workload) {
    let name = workload.metadata.name.clone();
    (WorkloadRef { kind, name }, workload)
}

/// Lists the workloads of a namespace, or of all, and keeps what `keep` makes
/// of each. A kind that this user cannot list is a gap, unless that is all of
/// them.
pub async fn listed<T>(
    cluster: &Cluster,
    scope: &Scope,
    keep: impl Fn(WorkloadKind, Workload) -> T,
) -> Result<(Vec<T>, Vec<Gap>)> {
    let keep = &keep;
    let lists = WorkloadKind::ALL.map(async |kind| {
        let of_kind = |workload| Some(keep(kind, workload));
        cluster.list(List::of(APPS, kind.plural()), scope, of_kind).await
    });
    let mut found = Vec::new();
    let mut denied = Vec::new();
    for (kind, list) in WorkloadKind::ALL.into_iter().zip(join_all(lists).await) {
        match list {
            Ok(list) => found.extend(list),
            Err(error) => {
                let forbidden = is_forbidden(&error);
                let error = explain(error, &format!("listing the {} of {}", kind.plural(), scope));
                if !forbidden {
                    return Err(error);
                }
                denied.push((kind, error));
            }
        }
    }
    if denied.len() == WorkloadKind::ALL.len() {
        let (_, error) = denied.swap_remove(0);
        return Err(match scope {
            Scope::Everywhere => error.hint("choose one namespace, with -n"),
            Scope::Namespace(_) => {
                error.hint("name the workload, as deployment/NAME; then nothing needs to be listed")
            }
        });
    }
    let gap = |(kind, error): (WorkloadKind, Error)| Gap {
        kind: kind.plural(),
        namespace: match scope {
            Scope::Namespace(name) => Some(name.clone()),
            Scope::Everywhere => None,
        },
        why: error.to_string(),
    };
    Ok((found, denied.into_iter().map(gap).collect()))
}

/// Reads the workload that was requested.
pub async fn named(
    cluster: &Cluster,
    requested: &Sourced<WorkloadRequest>,
) -> Result<(WorkloadRef, Workload)> {
    named_as(cluster, requested, async |reference| {
        cluster.workload(reference).await
    })
    .await
}

/// The same by another way to read one.
pub async fn named_as<T>(
    cluster: &Cluster,
    requested: &Sourced<WorkloadRequest>,
    read: impl AsyncFn(&WorkloadRef) -> Result<T, kube::Error>,
) -> Result<(WorkloadRef, T)> {
    let (name, kinds): (&str, &[WorkloadKind]) = match &requested.value {
        WorkloadRequest::Exact(reference) => (&reference.name, std::slice::from_ref(&reference.kind)),
        WorkloadRequest::ByName(name) => (name, &WorkloadKind::ALL),
    };
    for &kind in kinds {
        let reference = WorkloadRef {
            kind,
            name: name.to_owned(),
        };
        match read(&reference).await {
            Ok(workload) => return Ok((reference, workload)),
            Err(error) if is_not_found(&error) => {}
            Err(error) => {
                return Err(explain(
                    error,
                    &format!("reading {reference} in namespace {}", cluster.namespace),
                ));
            }
        }
    }
    Err(absent(cluster, requested, name).await)
}

/// The error of a workload that does not exist, which names those with a similar
/// name.
async fn absent(cluster: &Cluster, requested: &Sourced<WorkloadRequest>, name: &str) -> Error {
    if let Some(error) = missing_namespace(cluster).await {
        return error;
    }
    let namespace = &cluster.namespace;
    let error = Error::failed(format!(
        "{} ({}) does not exist in namespace {namespace}",
        requested.value, requested.source
    ));
    let scope = Scope::Namespace(namespace.clone());
    let found = listed(cluster, &scope, with_reference).await;
    let found = found.map(|(found, _)| found).unwrap_or_default();
    let near = near(name, found.into_iter().map(|(reference, _)| reference));
    if near.is_empty() {
        return error.hint(format!(
            "list the workloads: kubectl -n {namespace} get deployments,statefulsets,daemonsets"
        ));
    }
    let near: Vec<String> = near.iter().map(ToString::to_string).collect();
    error.hint(format!("a similar name exists: {}", near.join(", ")))
}

/// The workloads whose name is nearest to this one, as clap finds the flag that was
/// meant; the nearest first.
fn near(name: &str, workloads: impl Iterator<Item = WorkloadRef>) -> Vec<WorkloadRef> {
    let scored = workloads.map(|workload| (strsim::jaro_winkler(name, &workload.name), workload));
    let mut scored: Vec<_> = scored.filter(|(score, _)| *score > SIMILAR).collect();
    scored.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    let nearest = scored.into_iter().take(MOST_NEAR);
    nearest.map(|(_, workload)| workload).collect()
}

/// The error of a namespace that does not exist, if that is certain.
pub async fn missing_namespace(cluster: &Cluster) -> Option<Error> {
    cluster.lacks_namespace().await.then(|| {
        Error::failed(format!("namespace {} does not exist", cluster.namespace))
            .hint("choose the namespace with -n; `kubectl get namespaces` lists them")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near_to(name: &str) -> Vec<String> {
        let workloads = ["gateway", "gateway-eu", "web", "orders"].map(|name| WorkloadRef {
            kind: WorkloadKind::Deployment,
            name: name.to_owned(),
        });
        let near = near(name, workloads.into_iter());
        near.into_iter().map(|workload| workload.name).collect()
    }

    #[test]
    fn a_misspelled_name_finds_the_near_ones() {
        assert_eq!(near_to("gatewy"), ["gateway", "gateway-eu"]);
        assert_eq!(near_to("gatewayeu"), ["gateway-eu", "gateway"]);
        assert_eq!(near_to("order"), ["orders"]);
        assert_eq!(near_to("nginx"), Vec::<String>::new());
    }
}
