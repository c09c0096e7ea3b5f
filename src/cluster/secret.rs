//! Reading and writing the Secret with the credential.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::{Cluster, FIELD_MANAGER, MARKS_MANAGER};
use crate::model::annotation::LAST_APPLIED;
use crate::model::{Annotations, ObjectKind, SecretChange, SecretData, SecretVersion};

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
        let params = PatchParams {
            dry_run,
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        self.patch_secret(version, &params, patch(version, change)).await
    }

    /// Writes only annotations, with a field manager of its own: the time of the
    /// other one stays the time at which the credential was written.
    pub async fn annotate_secret(
        &self,
        version: &SecretVersion,
        annotations: &Annotations,
    ) -> Result<Secret, kube::Error> {
        let params = PatchParams {
            field_manager: Some(MARKS_MANAGER.to_owned()),
            ..PatchParams::default()
        };
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

/// How to keep `last-applied-configuration` free of copies of the credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastApplied {
    /// It contains no copy.
    Clean,
    /// The annotation without the copy.
    Cut(String),
    /// It does not parse and must be removed.
    Remove,
}

/// Removes the keys of a credential from `last-applied-configuration`.
pub fn scrub_last_applied(annotations: &BTreeMap<String, String>, data: &SecretData) -> LastApplied {
    let Some(text) = annotations.get(LAST_APPLIED) else {
        return LastApplied::Clean;
    };
    let Ok(mut object) = serde_json::from_str::<Map<String, Value>>(text) else {
        return LastApplied::Remove;
    };
    let mut found = false;
    for field in ["data", "stringData"] {
        if let Some(Value::Object(values)) = object.get_mut(field) {
            for key in data.keys() {
                found |= values.remove(key).is_some();
            }
        }
    }
    // kubectl ends the annotation with a line feed.
    if found {
        LastApplied::Cut(format!("{}\n", Value::Object(object)))
    } else {
        LastApplied::Clean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrub(text: &str, keys: &SecretData) -> LastApplied {
        scrub_last_applied(
            &BTreeMap::from([(LAST_APPLIED.to_owned(), text.to_owned())]),
            keys,
        )
    }

    fn value() -> SecretData {
        SecretData::from([("value", "secret".into())])
    }

    fn pair() -> SecretData {
        SecretData::from([("pfx", "secret".into()), ("password", "x".into())])
    }

    #[test]
    fn only_the_credential_is_removed() {
        let text = r#"{"apiVersion":"v1","data":{"other":"eA==","value":"c2VjcmV0"},"kind":"Secret","stringData":{"value":"secret"}}"#;
        let cut = r#"{"apiVersion":"v1","data":{"other":"eA=="},"kind":"Secret","stringData":{}}"#;
        assert_eq!(scrub(text, &value()), LastApplied::Cut(format!("{cut}\n")));
    }

    #[test]
    fn every_key_of_a_credential_is_removed() {
        let text = r#"{"data":{"other":"eA==","pfx":"c2VjcmV0"},"stringData":{"password":"x"}}"#;
        let cut = r#"{"data":{"other":"eA=="},"stringData":{}}"#;
        assert_eq!(scrub(text, &pair()), LastApplied::Cut(format!("{cut}\n")));
    }

    #[test]
    fn an_annotation_without_a_copy_is_kept_and_an_invalid_one_removed() {
        assert_eq!(scrub_last_applied(&BTreeMap::new(), &value()), LastApplied::Clean);
        assert_eq!(
            scrub(r#"{"data":{"other":"eA=="}}"#, &value()),
            LastApplied::Clean
        );
        assert_eq!(scrub("not json", &value()), LastApplied::Remove);
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
