//! Where the pods may connect to with a NetworkPolicy.

use std::collections::BTreeSet;

use apim_sandbox::wire::{Action, Answer, Fault};
use serde_json::{Value, json};

use super::NAME;
use crate::case::Case;
use crate::user::{may, user};

const MANAGED: [&str; 3] = ["--auth", "managed-identity", "--network-policy"];

/// The TCP ports of the first rule, which names no address, and the second rule.
async fn allowed(case: &Case) -> (BTreeSet<u64>, Value) {
    let get = ["get", "networkpolicy", NAME, "-o", "json"];
    let policy: Value = serde_json::from_str(&case.kubectl_in_namespace(&get).await).unwrap();
    let rules = &policy["spec"]["egress"];
    assert!(rules[0].get("to").is_none(), "{rules}");
    let ports = rules[0]["ports"].as_array().unwrap().iter();
    let tcp = ports.filter(|port| port["protocol"] == "TCP");
    (
        tcp.map(|port| port["port"].as_u64().unwrap()).collect(),
        rules[1].clone(),
    )
}

/// The `EndpointSlices` of the API server of a cluster, which has three masters.
fn slices(port: u16) -> Action {
    let endpoint = |address: &str| json!({"addresses": [address]});
    let slice = json!({
        "metadata": {"name": "kubernetes", "namespace": "default"}, "addressType": "IPv4",
        "endpoints": [endpoint("10.0.0.4"), endpoint("10.0.0.5"), endpoint("10.0.0.6")],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    });
    Action::Answer(Answer::json(
        200,
        &json!({"kind": "EndpointSliceList", "apiVersion": "discovery.k8s.io/v1", "metadata": {}, "items": [slice]}),
    ))
}

#[tokio::test]
async fn the_ports_behind_the_service_of_the_api_server_are_allowed() {
    let case = Case::new("network-ports").await;
    case.deploy(&case.idle_portal()).await;
    let wire = case.sandbox.wire(&case.kubeconfig_path()).await.unwrap();
    wire.fault(Fault::on("/endpointslices", slices(16443)).once());
    let ended = case.install_cronjob(&MANAGED).through(&wire).exits(0).await;
    assert!(!ended.stderr.contains("are unknown"), "{}", ended.stderr);
    let (ports, metadata_service) = allowed(&case).await;
    assert_eq!(ports, BTreeSet::from([53, 443, 5353, 16443]));
    assert_eq!(
        metadata_service,
        json!({"ports": [{"port": 80, "protocol": "TCP"}], "to": [{"ipBlock": {"cidr": "169.254.169.254/32"}}]})
    );

    // It follows the cluster, and takes what nothing shows.
    wire.fault(Fault::on("/endpointslices", slices(7443)).once());
    let more = [
        "--network-policy-port",
        "3128",
        "--network-policy-port",
        "8080",
        "--cloud",
        "https://arm.local.azurestack.external:30024",
        "--proxy",
        "http://proxy.corp:8888",
    ];
    let line = [&MANAGED[..], &more].concat();
    case.install_cronjob(&line).through(&wire).exits(0).await;
    let (ports, _) = allowed(&case).await;
    assert_eq!(
        ports,
        BTreeSet::from([53, 443, 3128, 5353, 7443, 8080, 8888, 30024])
    );
}

#[tokio::test]
async fn without_the_right_to_read_them_the_usual_ports_are_allowed() {
    let case = Case::new("network-usual").await;
    case.deploy(&case.idle_portal()).await;
    let rules = json!([may("*", &["*"], &["*"])]);
    let kubeconfig = user(&case, &rules).await;
    let line = [&MANAGED[..], &["--network-policy-port", "7443"]].concat();
    let run = case.install_cronjob(&line).env("KUBECONFIG", &kubeconfig);
    run.exits(0).await.says(&[
        "the ports of the API server are unknown",
        "endpointslices",
        "the usual ones: 443, 6443, 8443, 16443",
        "--network-policy-port PORT",
    ]);
    let (ports, _) = allowed(&case).await;
    assert_eq!(ports, BTreeSet::from([53, 443, 5353, 6443, 7443, 8443, 16443]));
}
