//! The command lines of the four components.

use std::path::Path;

use super::Options;

/// What the command lines have in common.
pub(crate) struct Layout<'a> {
    pub(crate) directory: &'a Path,
    pub(crate) etcd_port: u16,
    pub(crate) etcd_peer_port: u16,
    pub(crate) server_port: u16,
    pub(crate) issuer: &'a str,
}

impl Layout<'_> {
    fn file(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }

    pub(crate) fn etcd(&self) -> Vec<String> {
        let client = format!("http://127.0.0.1:{}", self.etcd_port);
        let peer = format!("http://127.0.0.1:{}", self.etcd_peer_port);
        flags(&[
            ("name", "sandbox"),
            ("data-dir", &self.file("etcd")),
            ("listen-client-urls", &client),
            ("advertise-client-urls", &client),
            ("listen-peer-urls", &peer),
            ("initial-advertise-peer-urls", &peer),
            ("initial-cluster", &format!("sandbox={peer}")),
            ("unsafe-no-fsync", "true"),
            // The only member elects itself after one election timeout, so a short one starts sooner.
            ("heartbeat-interval", "10"),
            ("election-timeout", "50"),
            ("log-level", "warn"),
        ])
    }

    pub(crate) fn api_server(&self) -> Vec<String> {
        flags(&[
            ("etcd-servers", &format!("http://127.0.0.1:{}", self.etcd_port)),
            ("bind-address", "127.0.0.1"),
            ("advertise-address", "127.0.0.1"),
            ("secure-port", &self.server_port.to_string()),
            // Endpoints may not be loopback addresses, and nothing here needs those of the server.
            ("endpoint-reconciler-type", "none"),
            ("cert-dir", &self.file("apiserver")),
            ("tls-cert-file", &self.file("server.crt")),
            ("tls-private-key-file", &self.file("server.key")),
            ("client-ca-file", &self.file("ca.crt")),
            ("kubelet-client-certificate", &self.file("kubelet-client.crt")),
            ("kubelet-client-key", &self.file("kubelet-client.key")),
            ("kubelet-certificate-authority", &self.file("ca.crt")),
            ("kubelet-preferred-address-types", "InternalIP"),
            ("authorization-mode", "RBAC"),
            ("service-cluster-ip-range", "10.96.0.0/16"),
            ("service-account-issuer", self.issuer),
            (
                "service-account-jwks-uri",
                &format!("{}/openid/v1/jwks", self.issuer.trim_end_matches('/')),
            ),
            ("service-account-key-file", &self.file("service-account.key")),
            (
                "service-account-signing-key-file",
                &self.file("service-account.key"),
            ),
            ("audit-policy-file", &self.file("audit-policy.yaml")),
            ("audit-log-path", &self.file("audit.log")),
            // Records are read back from one file, so it must never be rotated.
            ("audit-log-maxsize", "1000000"),
            ("profiling", "false"),
            ("allow-privileged", "true"),
        ])
    }

    pub(crate) fn controller_manager(&self, options: &Options) -> Vec<String> {
        flags(&[
            ("kubeconfig", &self.file("kube-controller-manager.kubeconfig")),
            ("leader-elect", "false"),
            ("secure-port", "0"),
            ("controllers", &CONTROLLERS.join(",")),
            ("root-ca-file", &self.file("ca.crt")),
            (
                "service-account-private-key-file",
                &self.file("service-account.key"),
            ),
            ("kube-api-qps", &options.qps.to_string()),
            ("kube-api-burst", &options.burst.to_string()),
            ("concurrent-deployment-syncs", "20"),
            ("concurrent-replicaset-syncs", "20"),
            ("profiling", "false"),
        ])
    }

    pub(crate) fn scheduler(&self, options: &Options) -> Vec<String> {
        flags(&[
            ("kubeconfig", &self.file("kube-scheduler.kubeconfig")),
            ("leader-elect", "false"),
            ("secure-port", "0"),
            ("kube-api-qps", &options.qps.to_string()),
            ("kube-api-burst", &options.burst.to_string()),
            ("profiling", "false"),
        ])
    }
}

/// The controllers whose work can be seen from a namespace. The others watch
/// nodes, clouds and disks that the sandbox does not have; among them the one
/// that would evict pods when a busy machine delays the node's lease.
const CONTROLLERS: [&str; 18] = [
    "clusterrole-aggregation-controller",
    "cronjob-controller",
    "daemonset-controller",
    "deployment-controller",
    "disruption-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "pod-garbage-collector-controller",
    "replicaset-controller",
    "resourcequota-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "statefulset-controller",
    "ttl-after-finished-controller",
    "validatingadmissionpolicy-status-controller",
];

/// Keeps the requests of the control plane and the node out of the records.
pub(crate) const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  users: [system:apiserver, system:kube-controller-manager, system:kube-scheduler, system:node:sandbox-node, system:observer]
- level: None
  nonResourceURLs: [/healthz*, /livez*, /readyz*]
- level: Metadata
";

fn flags(pairs: &[(&str, &str)]) -> Vec<String> {
    pairs
        .iter()
        .map(|(name, value)| format!("--{name}={value}"))
        .collect()
}
