//! Turns objects of the API server into facts.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::certificate::validity;
use super::owners::{manages, owner, owner_of_template};
use crate::cluster::rollout::{blocked, partition, replacement, rollout, still_replaces};
use crate::cluster::workload::Workload;
use crate::error::{Error, Result};
use crate::model::annotation::{
    ADOPTED, CLIENT_ID, EXPIRES_AT, FIELD_MANAGER, GATEWAY, KEY_ID, KIND, LAST_USED_KEY, PREVIOUS_IDS,
    PREVIOUS_KEY, PUT_BACK, RESTART_BY_OTHER, ROTATED_AT, ROTATION_ID,
};
use crate::model::{
    AppMarks, Credential, PutBack, SecretData, SecretFacts, SecretMarks, SecretVersion, Token, TokenError,
    Unavailable, WorkloadFacts, WorkloadRef, cleaned, is_azure_name,
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};

/// How many keys of a Secret an error names.
const MOST_KEYS: usize = 8;

/// The part of a Secret that is needed to put its credential back. It never
/// leaves the process.
#[derive(Clone, Debug)]
pub struct PreviousCredential {
    /// Its keys, empty where they held no text.
    pub data: SecretData,
    /// All annotations of the Secret.
    pub annotations: BTreeMap<String, String>,
}

/// The facts about a Secret whose key `key` holds the credential.
pub fn secret_facts(secret: &Secret, key: &str) -> Result<(SecretFacts, PreviousCredential)> {
    let meta = &secret.metadata;
    let name = meta.name.clone().unwrap_or_default();
    let Some(bytes) = secret.data.as_ref().and_then(|data| data.get(key)) else {
        return Err(without_key(secret, &name, key));
    };
    let text = std::str::from_utf8(&bytes.0).ok();
    let credential = match text.map(Token::parse) {
        Some(Ok(token)) => Credential::Token {
            claims: token.claims().clone(),
            prefixed: token.is_prefixed(),
        },
        Some(Err(reason)) => Credential::Unusable(reason),
        None => Credential::Unusable(TokenError::NotAToken),
    };
    let annotations = meta.annotations.clone().unwrap_or_default();
    let (last_writer, last_written) = last_write(meta, key);
    let facts = SecretFacts {
        version: SecretVersion {
            name,
            uid: meta.uid.clone().unwrap_or_default(),
            resource_version: meta.resource_version.clone().unwrap_or_default(),
        },
        key: key.to_owned(),
        created: meta.creation_timestamp.as_ref().map(|time| time.0),
        immutable: secret.immutable.unwrap_or_default(),
        owner: owner(meta, ("", "Secret"), &[key]),
        written_by_us: is_described(meta, key),
        gets_prefix: false,
        last_writer,
        last_written,
        credential,
        certificate: text.and_then(validity).map(|validity| {
            let unreadable = || {
                format!(
                    "key `{key}` of secret/{} holds no certificate that can be read",
                    cleaned(meta.name.as_deref().unwrap_or_default())
                )
            };
            validity.ok_or_else(|| Unavailable::Unknown(unreadable()))
        }),
        marks: marks(&annotations),
    };
    Ok((
        facts,
        PreviousCredential {
            data: SecretData::from([(key, text.unwrap_or_default().into())]),
            annotations,
        },
    ))
}

fn without_key(secret: &Secret, name: &str, key: &str) -> Error {
    let keys: Vec<&str> = secret
        .data
        .iter()
        .flatten()
        .map(|(key, _)| key.as_str())
        .collect();
    let (named, others) = keys.split_at(keys.len().min(MOST_KEYS));
    let present = match (named, others.len()) {
        ([], _) => "it is empty".to_owned(),
        (_, 0) => format!("it has {}", named.join(", ")),
        (_, others) => format!("it has {} and {others} more", named.join(", ")),
    };
    let namespace = secret.metadata.namespace.as_deref().unwrap_or_default();
    Error::failed(format!(
        "secret/{name} has no key `{key}`, which the pod spec points at; {present}"
    ))
    .hint(format!(
        "add the key, with an empty value: kubectl -n {namespace} patch secret {name} -p \
         '{{\"stringData\":{{\"{key}\":\"\"}}}}'"
    ))
}

/// The facts about a workload, without `stale_pods`: only its pods show that.
pub fn workload_facts(reference: &WorkloadRef, workload: &Workload) -> WorkloadFacts {
    WorkloadFacts {
        version: workload.version(reference),
        paused: workload.spec.paused,
        replacement: replacement(reference.kind, workload),
        partition: partition(workload),
        wanted: workload.wanted(),
        ready: workload.status.ready_replicas,
        rollout: rollout(workload),
        still_replaces: still_replaces(workload),
        blocked: blocked(workload),
        marks: workload.marks(),
        owner: owner_of_template(&workload.metadata, reference.kind),
        stale_pods: None,
    }
}

fn marks(annotations: &BTreeMap<String, String>) -> SecretMarks {
    fn parsed<T: FromStr>(annotations: &BTreeMap<String, String>, name: &str) -> Option<T> {
        annotations.get(name)?.parse().ok()
    }
    SecretMarks {
        last_used_key: parsed(annotations, LAST_USED_KEY),
        // Ours are UUIDs.
        rotation_id: annotations
            .get(ROTATION_ID)
            .filter(|id| is_azure_name(id))
            .cloned(),
        previous_key: parsed(annotations, PREVIOUS_KEY),
        expires_at: parsed(annotations, EXPIRES_AT),
        rotated_at: parsed(annotations, ROTATED_AT),
        gateway: annotations.get(GATEWAY).map(|id| cleaned(id)),
        restart_by_other: annotations.contains_key(RESTART_BY_OTHER),
        previous_ids: annotations.get(PREVIOUS_IDS).cloned().into(),
        put_back: annotations
            .get(PUT_BACK)
            .and_then(|text| PutBack::of_annotation(text)),
        app: AppMarks {
            kind: annotations.get(KIND).map(|kind| cleaned(kind)),
            client_id: parsed(annotations, CLIENT_ID),
            key_id: parsed(annotations, KEY_ID),
        },
    }
}

/// The field manager that last wrote the key, and when it did.
pub fn last_write(meta: &ObjectMeta, key: &str) -> (Option<String>, Option<Timestamp>) {
    let entries = meta.managed_fields.iter().flatten();
    let writers = entries.filter(|entry| manages(entry, key));
    let time = |entry: &ManagedFieldsEntry| entry.time.as_ref().map(|time| time.0);
    match writers.max_by_key(|entry| time(entry)) {
        Some(last) => (last.manager.as_deref().map(cleaned), time(last)),
        None => (None, None),
    }
}

/// Whether our annotations describe the present value of a key: the last write was ours,
/// or is the one that was adopted.
pub fn is_described(meta: &ObjectMeta, key: &str) -> bool {
    let (writer, written) = last_write(meta, key);
    let annotations = meta.annotations.as_ref();
    let adopted = annotations.and_then(|all| all.get(ADOPTED)?.parse::<Timestamp>().ok());
    writer.as_deref() == Some(FIELD_MANAGER)
        || written.zip(adopted).is_some_and(|(at, adopted)| at <= adopted)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn meta(value: Value) -> ObjectMeta {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_last_write_is_the_latest_of_that_key() {
        let meta = meta(json!({"managedFields": [
            {"manager": "old", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:data": {"f:value": {}}}},
            {"manager": "kubectl-edit", "time": "2026-02-01T00:00:00Z", "fieldsV1": {"f:data": {"f:value": {}}}},
            {"manager": "other-key", "time": "2026-03-01T00:00:00Z", "fieldsV1": {"f:data": {"f:note": {}}}},
            {"manager": "labeller", "time": "2026-04-01T00:00:00Z", "fieldsV1": {"f:metadata": {}}},
        ]}));
        let time: Timestamp = "2026-02-01T00:00:00Z".parse().unwrap();
        assert_eq!(
            last_write(&meta, "value"),
            (Some("kubectl-edit".to_owned()), Some(time))
        );
        assert_eq!(last_write(&meta, "absent"), (None, None));
    }

    #[test]
    fn a_missing_key_names_the_keys_there_are() {
        let secret: Secret =
            serde_json::from_value(json!({"metadata": {"name": "s"}, "data": {"a": "", "b": ""}})).unwrap();
        let error = secret_facts(&secret, "value").unwrap_err();
        assert_eq!(
            error.to_string(),
            "secret/s has no key `value`, which the pod spec points at; it has a, b"
        );
    }

    #[test]
    fn bytes_that_are_not_text_are_not_a_token() {
        let secret: Secret =
            serde_json::from_value(json!({"metadata": {"name": "s"}, "data": {"value": "//79"}})).unwrap();
        let (facts, _) = secret_facts(&secret, "value").unwrap();
        assert_eq!(facts.credential, Credential::Unusable(TokenError::NotAToken));
    }
}
