//! The `auth-provider` of a kubeconfig, which came before plugins. Of those,
//! kubectl has kept `oidc`.

use http::{Request, Response, Uri};
use kube::Config;
use kube::client::{Body, ConfigExt};
use kube::config::AuthProviderConfig;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer, ServiceExt, service_fn};

use super::kubeconfig::AuthProvider;
use super::session::Provider;
use crate::error::{Error, Result};

/// Adds the user's token to requests, and fetches a new one when it has expired.
pub(super) fn provider(found: &AuthProvider) -> Result<Provider> {
    let name = &found.name;
    if name != "oidc" {
        let error = Error::failed(format!(
            "the kubeconfig's auth-provider `{name}` is not supported"
        ));
        return Err(match name.as_str() {
            "azure" => error.hint("replace it with a plugin: kubelogin convert-kubeconfig"),
            "gcp" => error
                .hint("replace it with gke-gcloud-auth-plugin: gcloud container clusters get-credentials"),
            _ => error.hint("only oidc is supported, the same as in kubectl"),
        });
    }
    let mut config = Config::new(Uri::from_static("https://localhost"));
    let mut provider = AuthProviderConfig::default();
    provider.name.clone_from(name);
    provider.config = found.config.clone().into_iter().collect();
    config.auth_info.auth_provider = Some(provider);
    let layer = config.auth_layer().map_err(|error| {
        Error::failed("the kubeconfig's auth-provider `oidc` cannot be used").caused_by(error)
    })?;
    let unchanged = service_fn(async |request: Request<Body>| Ok::<_, BoxError>(Response::new(request)));
    Ok(match layer {
        Some(layer) => BoxCloneSyncService::new(layer.layer(unchanged).map_err(failed)),
        None => BoxCloneSyncService::new(unchanged.map_err(failed)),
    })
}

fn failed(error: BoxError) -> kube::Error {
    match error.downcast() {
        Ok(error) => kube::Error::Auth(*error),
        Err(error) => kube::Error::Service(error),
    }
}
