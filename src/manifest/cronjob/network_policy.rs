use std::collections::BTreeSet;

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::installation::{Installation, PodIdentity};
use crate::manifest::document::{document, meta};
use crate::manifest::ownership::Owner;
use crate::model::Object;

/// The port of Azure, and of the Service of the API server.
const HTTPS: u16 = 443;

/// The ports of DNS: that of its Service, and that of its pods on OpenShift.
const DNS: [u16; 2] = [53, 5353];

/// The metadata service of the node, which uses plain HTTP.
const METADATA_SERVICE: (&str, u16) = ("169.254.169.254/32", 80);

/// The ports of most API servers beside 443: kubeadm, k3s and OpenShift, minikube,
/// and `MicroK8s`.
pub const USUAL_API_SERVER_PORTS: [u16; 3] = [6443, 8443, 16443];

/// A NetworkPolicy that allows the pods DNS, TLS, and TCP to `ports`, and no
/// incoming connections. Most networks check the port after they have replaced the
/// address of a Service by that of a pod, so `ports` must contain those behind a
/// Service too. It restricts no addresses, because Azure's change.
pub fn network_policy(installation: &Installation, ports: &BTreeSet<u16>) -> Object {
    let Installation { namespace, name, .. } = installation;
    let mut tcp = BTreeSet::from([HTTPS]);
    tcp.extend(DNS);
    tcp.extend(ports);
    tcp.extend(installation.pod.proxy.as_deref().and_then(port_of));
    tcp.extend(port_of(&installation.task.cloud.to_string()));
    let dns = DNS.map(|number| port("UDP", number));
    let mut egress = vec![NetworkPolicyEgressRule {
        ports: Some(
            dns.into_iter()
                .chain(tcp.iter().map(|number| port("TCP", *number)))
                .collect(),
        ),
        to: None,
    }];
    if matches!(installation.identity, PodIdentity::Managed { .. }) {
        let (address, number) = METADATA_SERVICE;
        egress.push(NetworkPolicyEgressRule {
            ports: Some(vec![port("TCP", number)]),
            to: Some(vec![NetworkPolicyPeer {
                ip_block: Some(IPBlock {
                    cidr: address.to_owned(),
                    except: None,
                }),
                ..NetworkPolicyPeer::default()
            }]),
        });
    }
    document(&NetworkPolicy {
        metadata: meta(Some(namespace), name, Owner::installation(name)),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector {
                match_labels: Some(Owner::installation(name).labels()),
                ..LabelSelector::default()
            }),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            egress: Some(egress),
            ingress: None,
        }),
    })
}

fn port(protocol: &str, number: u16) -> NetworkPolicyPort {
    NetworkPolicyPort {
        protocol: Some(protocol.to_owned()),
        port: Some(IntOrString::Int(i32::from(number))),
        end_port: None,
    }
}

/// The port of a URL. The name of a cloud is not one.
fn port_of(url: &str) -> Option<u16> {
    let url: http::Uri = url.parse().ok()?;
    let usual = match url.scheme_str()? {
        "https" => HTTPS,
        _ => 80,
    };
    Some(url.port_u16().unwrap_or(usual))
}
