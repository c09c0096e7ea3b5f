//! The ConfigMap with certificate authorities that the pods mount.

use k8s_openapi::api::core::v1::ConfigMap;

use crate::cluster::{Cluster, explain};
use crate::error::{Error, Result};
use crate::manifest::cronjob::Ca;
use crate::output::Output;

/// Refuses a ConfigMap that is missing or lacks the key: a pod would wait for it at
/// night until its Job ends.
pub(super) async fn refuse_missing(cluster: &Cluster, ca: &Ca, output: &Output) -> Result<()> {
    let Ca { name, key } = ca;
    let namespace = &cluster.namespace;
    let path = format!("/api/v1/namespaces/{namespace}/configmaps/{name}");
    let map = match cluster.get::<ConfigMap>(&path).await {
        Ok(map) => map,
        Err(kube::Error::Api(status)) if status.is_not_found() && status.details.is_some() => {
            return Err(Error::refused(format!(
                "configmap/{name} does not exist in namespace {namespace}"
            ))
            .hint(format!(
                "create it: kubectl -n {namespace} create configmap {name} --from-file={key}=FILE"
            )));
        }
        Err(kube::Error::Api(status)) if status.is_forbidden() => {
            output.note(&format!(
                "whether configmap/{name} holds `{key}` is unchecked, because this user may not read it"
            ));
            return Ok(());
        }
        Err(error) => {
            let doing = format!("reading configmap/{name} in namespace {namespace}");
            return Err(explain(error, &doing));
        }
    };
    let has_key = map.data.is_some_and(|data| data.contains_key(key))
        || map.binary_data.is_some_and(|data| data.contains_key(key));
    if has_key {
        return Ok(());
    }
    Err(Error::refused(format!(
        "configmap/{name} in namespace {namespace} has no key `{key}`"
    ))
    .hint("set the key with --ca-configmap NAME:KEY"))
}
