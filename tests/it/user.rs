//! Users with few rights.

use apim_sandbox::manifests::apply;
use serde_json::{Value, json};

use crate::case::Case;

/// The kubeconfig of a service account with these rules.
pub(crate) async fn user(case: &Case, rules: &Value) -> String {
    let name = json!({ "name": "viewer" });
    for object in [
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": name }),
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": name, "rules": rules }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": name,
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "viewer" },
            "subjects": [{ "kind": "ServiceAccount", "name": "viewer" }],
        }),
    ] {
        apply(&case.client, &case.namespace, object).await.unwrap();
    }
    let path = case
        .sandbox
        .kubeconfig_for(&case.namespace, "viewer")
        .await
        .unwrap();
    path.display().to_string()
}

pub(crate) fn may(group: &str, resources: &[&str], verbs: &[&str]) -> Value {
    json!({"apiGroups": [group], "resources": resources, "verbs": verbs})
}
