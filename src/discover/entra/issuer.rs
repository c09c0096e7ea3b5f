//! The issuer of the cluster's tokens, as the API server and as anyone sees it.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use secrecy::ExposeSecret;
use serde::Deserialize;
use tokio::time::Instant;

use super::unavailable::{of_azure, of_cluster};
use crate::azure::Arm;
use crate::cluster::Cluster;
use crate::model::entra::facts::IssuerFacts;
use crate::model::{Fact, Unavailable, cleaned, one_line};

/// The longest issuer of a federated credential (learn.microsoft.com, "Workload
/// identity federation considerations").
const LONGEST: usize = 600;

/// How long the issuer's own server gets. Entra asks it as well.
const PATIENCE: Duration = Duration::from_secs(10);

/// Nobody accepts a token for it.
const AUDIENCE: &str = "kubectl-apim";

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
}

pub(super) async fn issuer(cluster: &Cluster, arm: &Arm) -> Fact<IssuerFacts> {
    let cluster = cluster.for_optional_reads();
    let name = match name(&cluster).await {
        Ok(name) => name,
        Err(why @ Unavailable::Forbidden(_)) => of_a_token(&cluster).await.ok_or(why)?,
        Err(why) => return Err(why),
    };
    if name.len() > LONGEST || one_line(&name) != name {
        return Err(Unavailable::Unknown(format!(
            "the issuer of the cluster's tokens is not a name that Entra takes: {}",
            cleaned(&name)
        )));
    }
    if !is_public(&name) {
        let why = || Unavailable::Unknown("it is not a public name".to_owned());
        return Ok(IssuerFacts {
            name,
            published: Err(why()),
            key_types: Err(why()),
        });
    }
    let arm = arm.until(Instant::now() + PATIENCE);
    let (published, key_types) = match of_azure(arm.issuer_document(&name).await) {
        Ok(document) => {
            let keys = of_azure(arm.issuer_key_types(&document).await);
            (Ok(document.issuer), keys)
        }
        Err(why) => (Err(why.clone()), Err(why)),
    };
    Ok(IssuerFacts {
        name,
        published,
        key_types,
    })
}

async fn name(cluster: &Cluster) -> Fact<String> {
    let read = cluster
        .get::<Discovery>("/.well-known/openid-configuration")
        .await;
    Ok(of_cluster(read, "reading the issuer of the cluster's tokens")?.issuer)
}

/// The issuer in a token of the namespace, for users who may only read what is in it.
async fn of_a_token(cluster: &Cluster) -> Option<String> {
    let token = cluster.account_token("default", AUDIENCE).await.ok()??;
    issuer_of(token.expose_secret())
}

fn issuer_of(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        iss: String,
    }
    let payload = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    Some(serde_json::from_slice::<Claims>(&payload).ok()?.iss)
}

/// Whether it is worth a request: not a name that only the cluster resolves.
fn is_public(name: &str) -> bool {
    let host = name.strip_prefix("https://").unwrap_or_default();
    let host = host.split(['/', ':']).next().unwrap_or_default();
    !host.is_empty() && host != "kubernetes.default" && !host.starts_with("kubernetes.default.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_issuer_to_the_letter() {
        let payload = BASE64_URL_SAFE_NO_PAD.encode(r#"{"iss": "https://a/", "sub": "s"}"#);
        assert_eq!(
            issuer_of(&format!("h.{payload}.s")).as_deref(),
            Some("https://a/")
        );
        assert_eq!(issuer_of("opaque"), None);
    }

    #[test]
    fn names_of_the_cluster_itself_are_not_asked() {
        for name in [
            "",
            "https://",
            "http://issuer.example",
            "kubernetes/serviceaccount",
            "https://kubernetes.default.svc",
            "https://kubernetes.default.svc.cluster.local:443/x",
        ] {
            assert!(!is_public(name), "{name}");
        }
        assert!(is_public("https://eastus.oic.example/tenant/id/"));
    }
}
