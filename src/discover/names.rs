//! The gateways of a namespace by name alone, for a user who is typing.

use futures::future::join_all;

use super::pod_spec::{ConfigMaps, gateway_containers, settings_in_config_maps};
use super::read::ConfigMapReads;
use crate::cluster::Cluster;
use crate::cluster::list::List;
use crate::cluster::pod_spec::PodSpec;
use crate::cluster::workload::{APPS, Workload};
use crate::error::Result;
use crate::model::request::Scope;
use crate::model::{WorkloadKind, WorkloadRef};

/// A workload, with its pod spec if only a ConfigMap can show that it runs a gateway.
struct Possible {
    name: WorkloadRef,
    spec: Option<PodSpec>,
}

/// The workloads of these kinds whose image or readable settings show that they
/// run a gateway. No Secret is read. A kind that cannot be listed is left out.
pub async fn gateway_names(cluster: &Cluster, kinds: &[WorkloadKind]) -> Result<Vec<WorkloadRef>> {
    let scope = &Scope::Namespace(cluster.namespace.clone());
    let lists = kinds.iter().map(|&kind| {
        let list = List::of(APPS, kind.plural());
        cluster.list(list, scope, move |workload| possible(kind, workload))
    });
    let listed = join_all(lists).await.into_iter().flatten().flatten();
    let listed: Vec<Possible> = listed.collect();
    let specs = listed.iter().filter_map(|workload| workload.spec.as_ref());
    let config_maps = ConfigMapReads::read_in(cluster, specs).await?;
    let found = listed.into_iter().filter(|workload| match &workload.spec {
        None => true,
        Some(spec) => !gateway_containers(spec, config_maps.of(&cluster.namespace)).is_empty(),
    });
    Ok(found.map(|workload| workload.name).collect())
}

fn possible(kind: WorkloadKind, workload: Workload) -> Option<Possible> {
    let spec = workload.spec.template.spec?;
    let name = WorkloadRef {
        kind,
        name: workload.metadata.name,
    };
    if !gateway_containers(&spec, &ConfigMaps::new()).is_empty() {
        return Some(Possible { name, spec: None });
    }
    let spec = Some(spec).filter(|spec| !settings_in_config_maps(spec).is_empty())?;
    Some(Possible {
        name,
        spec: Some(spec),
    })
}
