//! The federated credential that a workload identity needs in Entra.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::manifest::cronjob::{AUDIENCE, Installation};
use crate::output::Output;

/// The path at which an API server publishes the issuer of its ServiceAccount tokens.
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// Shows what to create, once for each identity. A token of the ServiceAccount
/// contains its issuer in the spelling that Entra compares.
pub(super) async fn show(
    cluster: &Cluster,
    installation: &Installation,
    token: Option<&SecretString>,
    output: &Output,
) {
    let Installation { namespace, name, .. } = installation;
    let issuer = match token.and_then(issuer_of) {
        Some(issuer) => Some(issuer),
        None => issuer(cluster).await,
    };
    output.step(
        "federated",
        &format!(
            "Entra must trust issuer {}, subject system:serviceaccount:{namespace}:{name}, audience {AUDIENCE}",
            issuer.as_deref().unwrap_or("ISSUER")
        ),
    );
    if issuer.is_none() {
        output.hint(
            "ISSUER is unknown, because this user may not read it from the API server; on AKS: az aks show -g GROUP -n CLUSTER --query \
             oidcIssuerProfile.issuerUrl",
        );
    }
    output.hint(
        "create that federated credential once: az identity federated-credential create, or az ad app \
         federated-credential create",
    );
}

/// The issuer of a token.
fn issuer_of(token: &SecretString) -> Option<String> {
    let claims = token.expose_secret().split('.').nth(1)?;
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    Some(claims["iss"].as_str()?.to_owned())
}

async fn issuer(cluster: &Cluster) -> Option<String> {
    let read: Value = cluster.get(DISCOVERY).await.ok()?;
    Some(read["issuer"].as_str()?.to_owned())
}
