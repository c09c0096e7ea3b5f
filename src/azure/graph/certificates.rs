use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::Method;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::passwords::instant;
use super::refusal::once_replicated;
use super::{Error, Graph};
use crate::azure::connection::{json, nothing};
use crate::azure::transport::exchange::Call;
use crate::retry::Backoff;

/// How long a list without what was just added is read again.
const LONGEST_LAG: Duration = Duration::from_mins(2);

/// A certificate to add to an application. Only its public part goes to Entra.
#[derive(Clone, Debug)]
pub struct NewCertificate {
    /// An id of our own, by which a repetition is recognized.
    pub key_id: Uuid,
    pub name: String,
    pub der: Vec<u8>,
    /// The validity of the certificate.
    pub begins: Timestamp,
    pub expires: Timestamp,
}

impl Graph {
    /// Adds a certificate to an application, which is given by its object id.
    /// The certificates that it has stay: Graph replaces all of them, so they
    /// are read with their keys and sent as they are. False if it is there
    /// already; then nothing is sent. Until the deadline this waits for an
    /// application that was made just before.
    pub async fn add_certificate(
        &self,
        application: Uuid,
        certificate: &NewCertificate,
    ) -> Result<bool, Error> {
        let keys = self.keys(application).await?;
        let Some(keys) = with(keys, certificate) else {
            return Ok(false);
        };
        let purpose = format!("add a certificate to application {application}");
        self.replace_keys(application, purpose, keys).await.map(|()| true)
    }

    /// Removes a certificate, and keeps the others. False if there is none of
    /// this id; then nothing is sent. `newest` is one that was added just before:
    /// Graph may still read a list without it, and to send that would remove it.
    pub async fn remove_certificate(
        &self,
        application: Uuid,
        key_id: Uuid,
        newest: Option<Uuid>,
    ) -> Result<bool, Error> {
        let mut backoff = Backoff::until(self.deadline.min(Instant::now() + LONGEST_LAG));
        let mut keys = loop {
            let keys = self.keys(application).await?;
            if newest.is_none_or(|newest| keys.iter().any(|key| is(key, newest))) {
                break keys;
            }
            if !backoff.wait(Duration::ZERO).await {
                let purpose = format!("remove the certificate {key_id} of application {application}");
                return Err(Error::Timeout { purpose });
            }
        };
        let before = keys.len();
        keys.retain(|key| !is(key, key_id));
        if keys.len() == before {
            return Ok(false);
        }
        let purpose = format!("remove the certificate {key_id} of application {application}");
        self.replace_keys(application, purpose, keys).await.map(|()| true)
    }

    /// The certificates with their keys, which Graph shows only for one object
    /// and only if they are selected.
    async fn keys(&self, application: Uuid) -> Result<Vec<Value>, Error> {
        let title = format!("application {application}");
        let path = format!("/applications/{application}");
        let url = self.url(&path, &[("$select", "id,keyCredentials")])?;
        let call = Call::get(format!("read the certificates of {title}"), title, url);
        let answer: KeysAnswer = self.call(&call, once_replicated, json).await?;
        Ok(answer.key_credentials)
    }

    /// The same list twice is the same state, so this is safe to repeat.
    async fn replace_keys(&self, application: Uuid, purpose: String, keys: Vec<Value>) -> Result<(), Error> {
        let title = format!("application {application}");
        let path = format!("/applications/{application}");
        let call = self.request(Method::PATCH, &path, purpose, &title)?;
        let call = call.with(json!({"keyCredentials": keys}));
        self.call(&call, once_replicated, nothing).await
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeysAnswer {
    key_credentials: Vec<Value>,
}

fn is(key: &Value, key_id: Uuid) -> bool {
    let id = key["keyId"].as_str();
    id.is_some_and(|id| id.eq_ignore_ascii_case(&key_id.to_string()))
}

/// The list with the certificate; `None` if it is in the list.
fn with(mut keys: Vec<Value>, certificate: &NewCertificate) -> Option<Vec<Value>> {
    let key = BASE64_STANDARD.encode(&certificate.der);
    let known = |it: &Value| is(it, certificate.key_id) || it["key"].as_str() == Some(&key);
    if keys.iter().any(known) {
        return None;
    }
    keys.push(json!({
        "keyId": certificate.key_id.to_string(),
        "displayName": certificate.name,
        "startDateTime": instant(certificate.begins),
        "endDateTime": instant(certificate.expires),
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
        "key": key,
    }));
    Some(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificates_that_are_there_are_sent_as_they_are() {
        let old = json!({
            "customKeyIdentifier": "A1B2", "displayName": null, "endDateTime": "2027-05-27T08:00:00Z",
            "key": "AAAA", "keyId": Uuid::from_u128(1).to_string().to_uppercase(),
            "startDateTime": "2026-11-27T08:00:00.5Z", "type": "AsymmetricX509Cert", "usage": "Verify",
        });
        let certificate = NewCertificate {
            key_id: Uuid::from_u128(2),
            name: "gw".into(),
            der: vec![1, 2, 3],
            begins: "2026-11-27T08:00:00Z".parse().unwrap(),
            expires: "2027-05-27T08:00:00Z".parse().unwrap(),
        };
        let keys = with(vec![old.clone()], &certificate).unwrap();
        assert_eq!(keys.len(), 2);
        assert_eq!(keys[0], old);
        assert_eq!(
            (&keys[1]["key"], &keys[1]["endDateTime"]),
            (&json!("AQID"), &json!("2027-05-27T08:00:00Z"))
        );
        assert_eq!(with(keys.clone(), &certificate), None, "the same key");
        let renamed = NewCertificate {
            key_id: Uuid::from_u128(1),
            der: vec![9],
            ..certificate
        };
        assert_eq!(with(keys, &renamed), None, "the same id");
    }
}
