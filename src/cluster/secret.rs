//! The Secret that holds the credential: what is read from it and the one
//! write to it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::{Cluster, FIELD_MANAGER};
use crate::model::SecretVersion;
use crate::model::annotation::LAST_APPLIED;

/// One write to a Secret: the credential and the annotations about it, in one
/// request, so that they can never disagree.
#[derive(Clone, Debug)]
pub struct SecretChange {
    /// The key of the Secret's data.
    pub key: String,
    /// What to put there.
    pub credential: SecretString,
    /// The annotations to set; `None` removes one.
    pub annotations: BTreeMap<String, Option<String>>,
}

impl Cluster {
    /// Reads a Secret.
    pub async fn secret(&self, name: &str) -> Result<Secret, kube::Error> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        self.reading(|| api.get(name)).await
    }

    /// Writes to exactly the version named; any other is a conflict.
    pub async fn change_secret(
        &self,
        version: &SecretVersion,
        change: &SecretChange,
        dry_run: bool,
    ) -> Result<Secret, kube::Error> {
        let patch = json!({
            "metadata": {
                "uid": version.uid,
                "resourceVersion": version.resource_version,
                "annotations": change.annotations,
            },
            "data": {change.key.as_str(): STANDARD.encode(change.credential.expose_secret())},
        });
        let params = PatchParams {
            dry_run,
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        api.patch(&version.name, &params, &Patch::Merge(patch)).await
    }
}

/// What must become of `last-applied-configuration`, so that it holds no copy
/// of the credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastApplied {
    /// It holds none.
    Clean,
    /// It is kept without the credential.
    Cut(String),
    /// It does not parse, so it can only be removed whole.
    Remove,
}

/// Cuts the credential out of `last-applied-configuration`.
pub fn scrub_last_applied(annotations: &BTreeMap<String, String>, key: &str) -> LastApplied {
    let Some(text) = annotations.get(LAST_APPLIED) else {
        return LastApplied::Clean;
    };
    let Ok(mut object) = serde_json::from_str::<Map<String, Value>>(text) else {
        return LastApplied::Remove;
    };
    let mut found = false;
    for field in ["data", "stringData"] {
        if let Some(Value::Object(values)) = object.get_mut(field) {
            found |= values.remove(key).is_some();
        }
    }
    // kubectl ends its own copy with a line feed.
    if found {
        LastApplied::Cut(format!("{}\n", Value::Object(object)))
    } else {
        LastApplied::Clean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrub(text: &str) -> LastApplied {
        scrub_last_applied(
            &BTreeMap::from([(LAST_APPLIED.to_owned(), text.to_owned())]),
            "value",
        )
    }

    #[test]
    fn only_the_credential_is_cut_out() {
        let text = r#"{"apiVersion":"v1","data":{"other":"eA==","value":"c2VjcmV0"},"kind":"Secret","stringData":{"value":"secret"}}"#;
        let cut = r#"{"apiVersion":"v1","data":{"other":"eA=="},"kind":"Secret","stringData":{}}"#;
        assert_eq!(scrub(text), LastApplied::Cut(format!("{cut}\n")));
    }

    #[test]
    fn without_a_copy_nothing_changes_and_nonsense_is_removed() {
        assert_eq!(scrub_last_applied(&BTreeMap::new(), "value"), LastApplied::Clean);
        assert_eq!(scrub(r#"{"data":{"other":"eA=="}}"#), LastApplied::Clean);
        assert_eq!(scrub("not json"), LastApplied::Remove);
    }
}
