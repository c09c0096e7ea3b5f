//! Kubeconfig files of the sandbox.

use kube::config::Kubeconfig;
use serde_json::{Value, json};

use crate::pki::Identity;

/// The name of cluster and context in every kubeconfig that the sandbox
/// writes; tests refuse a kubeconfig without it.
pub const CONTEXT: &str = "apim-sandbox";

/// A user as a kubeconfig describes it.
pub(crate) enum User<'a> {
    Certificate(&'a Identity),
    Token(&'a str),
}

/// The text of a kubeconfig, as JSON, which every reader of kubeconfigs takes for YAML.
pub(crate) fn text(url: &str, ca_pem: &str, user: &User, namespace: &str) -> String {
    let user = match user {
        User::Certificate(identity) => json!({
            "client-certificate-data": base64(&identity.certificate_pem),
            "client-key-data": base64(&identity.key_pem),
        }),
        User::Token(token) => json!({ "token": token }),
    };
    let kubeconfig: Value = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": CONTEXT,
            "cluster": { "server": url, "certificate-authority-data": base64(ca_pem) },
        }],
        "users": [{ "name": CONTEXT, "user": user }],
        "contexts": [{
            "name": CONTEXT,
            "context": { "cluster": CONTEXT, "user": CONTEXT, "namespace": namespace },
        }],
        "current-context": CONTEXT,
    });
    format!("{kubeconfig:#}\n")
}

/// The client configuration of a kubeconfig that was written here.
pub(crate) async fn config(text: &str, user_agent: &'static str) -> anyhow::Result<kube::Config> {
    use axum::http::{HeaderValue, header::USER_AGENT};

    let kubeconfig = Kubeconfig::from_yaml(text)?;
    let mut config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default()).await?;
    config.default_retry = false;
    // The server is on the loopback interface, so proxies in the environment do not apply.
    config.proxy_url = None;
    config
        .headers
        .push((USER_AGENT, HeaderValue::from_static(user_agent)));
    Ok(config)
}

fn base64(pem: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(pem)
}
