//! Reading and writing the Secret with the credential.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::Cluster;
use super::workload::patching;
use crate::model::annotation::{FIELD_MANAGER, MARKS_MANAGER};
use crate::model::{Annotations, ObjectKind, SecretChange, SecretVersion};

impl Cluster {
    pub async fn secret(&self, name: &str) -> Result<Secret, kube::Error> {
        self.get(&format!(
            "{}/{name}",
            ObjectKind::Secret.collection(&self.namespace)
        ))
        .await
    }

    /// Writes the change. It is a conflict if the Secret's version is not the
    /// given one.
    pub async fn change_secret(
        &self,
        version: &SecretVersion,
        change: &SecretChange,
        dry_run: bool,
    ) -> Result<Secret, kube::Error> {
        let params = patching(FIELD_MANAGER, dry_run);
        self.patch_secret(version, &params, patch(version, change)).await
    }

    /// Writes only annotations, with a field manager of its own: the time of the
    /// other one stays the time at which the credential was written.
    pub async fn annotate_secret(
        &self,
        version: &SecretVersion,
        annotations: &Annotations,
    ) -> Result<Secret, kube::Error> {
        let params = patching(MARKS_MANAGER, false);
        let patch = json!({"metadata": metadata(version, annotations)});
        self.patch_secret(version, &params, patch).await
    }

    async fn patch_secret(
        &self,
        version: &SecretVersion,
        params: &PatchParams,
        patch: Value,
    ) -> Result<Secret, kube::Error> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let patch = Patch::Merge(patch);
        self.writing(params.dry_run, || api.patch(&version.name, params, &patch))
            .await
    }
}

/// The body of the request for a change. All keys and all annotations are in one
/// request, so that they always match.
fn patch(version: &SecretVersion, change: &SecretChange) -> Value {
    let encoded = |(key, value): (&str, &SecretString)| {
        let value = STANDARD.encode(value.expose_secret());
        (key.to_owned(), Value::String(value))
    };
    json!({
        "metadata": metadata(version, &change.annotations),
        "data": change.data.iter().map(encoded).collect::<Map<_, _>>(),
    })
}

/// The metadata of a change of this version.
fn metadata(version: &SecretVersion, annotations: &Annotations) -> Value {
    json!({
        "uid": version.uid,
        "resourceVersion": version.resource_version,
        "annotations": annotations,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::SecretData;

    fn pair() -> SecretData {
        SecretData::from([("pfx", "secret".into()), ("password", "x".into())])
    }

    #[test]
    fn one_request_writes_every_key_and_every_annotation() {
        let version = SecretVersion {
            name: "gw".to_owned(),
            uid: "u1".to_owned(),
            resource_version: "7".to_owned(),
        };
        let change = SecretChange {
            data: pair(),
            annotations: BTreeMap::from([
                ("set".to_owned(), Some("yes".to_owned())),
                ("removed".to_owned(), None),
            ]),
            stamps_time: false,
        };
        assert_eq!(
            patch(&version, &change),
            json!({
                "metadata": {
                    "uid": "u1",
                    "resourceVersion": "7",
                    "annotations": {"removed": null, "set": "yes"},
                },
                "data": {"password": "eA==", "pfx": "c2VjcmV0"},
            })
        );
    }
}
