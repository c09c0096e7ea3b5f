//! The federated credential that a workload identity needs in Entra.

use serde_json::Value;

use crate::cluster::Cluster;
use crate::manifest::cronjob::{AUDIENCE, Installation};
use crate::output::Output;

/// Where an API server says who issues the tokens of its ServiceAccounts.
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// Says what to create, once for each identity.
pub(super) async fn tell(cluster: &Cluster, installation: &Installation, output: &Output) {
    let Installation { namespace, name, .. } = installation;
    let issuer = issuer(cluster).await;
    output.step(
        "federated",
        &format!(
            "Entra must trust issuer {}, subject system:serviceaccount:{namespace}:{name}, audience {AUDIENCE}",
            issuer.as_deref().unwrap_or("of this cluster's tokens")
        ),
    );
    if issuer.is_none() {
        output.hint(
            "the API server does not tell this user its issuer; for AKS: az aks show --query oidcIssuerProfile.issuerUrl",
        );
    }
    output.hint(
        "create that federated credential once: az identity federated-credential create, or az ad app \
         federated-credential create",
    );
}

async fn issuer(cluster: &Cluster) -> Option<String> {
    let request = || {
        http::Request::get(DISCOVERY)
            .body(Vec::new())
            .map_err(kube::Error::HttpError)
    };
    let read = cluster
        .reading(async || cluster.client.request::<Value>(request()?).await)
        .await;
    let issuer = read.ok()?.get("issuer")?.as_str()?.to_owned();
    Some(issuer)
}
