//! The ports of the API server.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;

use crate::cluster::list::List;
use crate::cluster::{Cluster, explain};
use crate::error::Result;
use crate::model::request::Scope;

/// The namespace and the name of the Service through which pods reach the API
/// server.
const NAMESPACE: &str = "default";
const SERVICE: &str = "kubernetes";

/// The TCP ports on which pods reach the API server: that of its Service, and those
/// behind it, to which the network translates it.
pub async fn api_server_ports(cluster: &Cluster) -> Result<BTreeSet<u16>> {
    let scope = Scope::Namespace(NAMESPACE.to_owned());
    let of_service = format!("kubernetes.io/service-name={SERVICE}");
    let list = List {
        labels: Some(&of_service),
        ..List::of("/apis/discovery.k8s.io/v1", "endpointslices")
    };
    let slices = cluster
        .list(list, &scope, |slice: EndpointSlice| Some(slice.ports))
        .await
        .map_err(|error| explain(error, &format!("listing the EndpointSlices of {scope}")))?;
    let behind = slices
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|port| port.port);
    let services: Api<Service> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    let service = cluster
        .reading(|| services.get(SERVICE))
        .await
        .map_err(|error| explain(error, &format!("reading service/{SERVICE} in {scope}")))?;
    let ports = service.spec.and_then(|spec| spec.ports).unwrap_or_default();
    let all = behind.chain(ports.into_iter().map(|port| port.port));
    Ok(all.filter_map(|port| u16::try_from(port).ok()).collect())
}
