//! The Node object and its lease.

use std::time::Duration;

use anyhow::{Context as _, Result};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

use super::NODE_NAME;

const LEASE_INTERVAL: Duration = Duration::from_secs(10);

/// Creates the node and reports it ready.
pub(crate) async fn register(client: &Client, kubelet_port: u16) -> Result<()> {
    let nodes: Api<Node> = Api::all(client.clone());
    let node = serde_json::from_value(json!({
        "metadata": {
            "name": NODE_NAME,
            "labels": {
                "kubernetes.io/hostname": NODE_NAME,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
            },
        },
        "spec": { "podCIDR": "10.128.0.0/9", "providerID": format!("sandbox://{NODE_NAME}") },
    }))?;
    nodes
        .create(&PostParams::default(), &node)
        .await
        .context("registering the node")?;

    // The stand-in reports the version of the API server as its own.
    let version = client.apiserver_version().await?.git_version;
    let now = jiff::Timestamp::now();
    let conditions: Vec<_> = [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID"),
        ("Ready", "True", "KubeletReady"),
    ]
    .map(|(kind, status, reason)| {
        json!({
            "type": kind, "status": status, "reason": reason, "message": "the sandbox's stand-in for a kubelet",
            "lastHeartbeatTime": now, "lastTransitionTime": now,
        })
    })
    .into();
    let resources = json!({
        "cpu": "10000", "memory": "40Ti", "ephemeral-storage": "40Ti", "pods": "10000",
    });
    let status = json!({ "status": {
        "capacity": resources,
        "allocatable": resources,
        "conditions": conditions,
        "addresses": [
            { "type": "InternalIP", "address": "127.0.0.1" },
            { "type": "Hostname", "address": NODE_NAME },
        ],
        "daemonEndpoints": { "kubeletEndpoint": { "Port": kubelet_port } },
        "nodeInfo": {
            "architecture": "amd64", "operatingSystem": "linux", "osImage": "kubectl-apim sandbox",
            "kernelVersion": "", "containerRuntimeVersion": "sandbox://0", "kubeletVersion": version,
            "kubeProxyVersion": "", "machineID": "", "systemUUID": "", "bootID": "",
        },
    }});
    nodes
        .patch_status(NODE_NAME, &PatchParams::default(), &Patch::Strategic(status))
        .await
        .context("reporting the node ready")?;

    // The server taints every new node until a controller has seen it ready, which runs nowhere here.
    let untaint = json!({ "spec": { "taints": null } });
    nodes
        .patch(NODE_NAME, &PatchParams::default(), &Patch::Merge(untaint))
        .await
        .context("removing the node's first taint")?;
    Ok(())
}

/// Renews the lease for ever, and creates it when there is none.
pub(crate) async fn keep_lease(client: Client) {
    let leases: Api<Lease> = Api::namespaced(client, "kube-node-lease");
    loop {
        let now = jiff::Timestamp::now();
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": { "name": NODE_NAME },
            "spec": {
                "holderIdentity": NODE_NAME,
                "leaseDurationSeconds": 40,
                "renewTime": format!("{now:.6}"),
            },
        });
        let parameters = PatchParams::apply("kubelet").force();
        let renewed = leases.patch(NODE_NAME, &parameters, &Patch::Apply(lease)).await;
        // The server creates the namespace shortly after its start.
        tokio::time::sleep(if renewed.is_ok() {
            LEASE_INTERVAL
        } else {
            Duration::from_secs(1)
        })
        .await;
    }
}
