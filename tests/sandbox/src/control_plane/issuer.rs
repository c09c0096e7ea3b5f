//! The issuers that clusters have.

/// The issuer that kubeadm sets, whose name means nothing outside the cluster.
pub const CLUSTER_ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// An issuer as AKS sets it, on a public host and with a `/` at its end. No two are the same.
pub fn public_issuer() -> String {
    let [tenant, cluster] = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()];
    format!("https://westeurope.oic.prod-aks.azure.com/{tenant}/{cluster}/")
}
