//! The ports of the API server.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::cluster::lean::{Element, few};
use crate::cluster::list::List;
use crate::cluster::{Cluster, explain};
use crate::error::Result;
use crate::model::request::Scope;

/// The namespace and the name of the Service through which pods reach the API
/// server.
const NAMESPACE: &str = "default";
const SERVICE: &str = "kubernetes";

#[derive(Deserialize)]
struct Service {
    spec: Ports,
}

/// The ports of a Service, or of an `EndpointSlice`.
#[derive(Deserialize)]
struct Ports {
    #[serde(default, deserialize_with = "few")]
    ports: Vec<Port>,
}

#[derive(Deserialize)]
struct Port {
    port: Option<u16>,
}

impl Element for Port {}

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
        .list(list, &scope, |slice: Ports| Some(slice.ports))
        .await
        .map_err(|error| explain(error, &format!("listing the EndpointSlices of {scope}")))?;
    let behind = slices.into_iter().flatten();
    let service: Service = cluster
        .get(&format!("/api/v1/namespaces/{NAMESPACE}/services/{SERVICE}"))
        .await
        .map_err(|error| explain(error, &format!("reading service/{SERVICE} in {scope}")))?;
    let all = behind.chain(service.spec.ports);
    Ok(all.filter_map(|port| port.port).collect())
}
