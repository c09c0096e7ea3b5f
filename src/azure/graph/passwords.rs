use http::Method;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::refusal::{once_replicated, only_once};
use super::wire::{ApplicationAnswer, guid};
use super::{Error, Graph};
use crate::azure::connection::{json, nothing};
use crate::model::cleaned;
use crate::retry::Backoff;

/// A client secret that Graph has just made. It is shown only once.
#[derive(Debug)]
pub struct NewSecret {
    pub key_id: Uuid,
    /// By Graph's answer.
    pub expires: Timestamp,
    pub secret: SecretString,
}

impl Graph {
    /// Has Graph make a client secret for an application, which is given by its
    /// object id. Until the deadline this waits for an application that was made
    /// just before.
    ///
    /// The name must belong to this one secret: what an attempt without a usable
    /// answer may have made under it, and nobody knows the value of, is removed
    /// before the next attempt. Graph may show it only later.
    pub async fn add_password(
        &self,
        application: Uuid,
        name: &str,
        expires: Timestamp,
    ) -> Result<NewSecret, Error> {
        let title = format!("application {application}");
        let call = self
            .request(
                Method::POST,
                &format!("/applications/{application}/addPassword"),
                format!("add the client secret `{}` to {title}", cleaned(name)),
                &title,
            )?
            .with(json!({"passwordCredential": {"displayName": name, "endDateTime": instant(expires)}}));
        let mut backoff = Backoff::until(self.deadline);
        loop {
            match self.call(&call, only_once, json::<SecretAnswer>).await {
                Ok(answer) => {
                    return Ok(NewSecret {
                        key_id: answer.key_id,
                        expires: answer.end_date_time,
                        secret: answer.secret_text.into(),
                    });
                }
                Err(error) if error.is_ambiguous() => Self::pause(&mut backoff, error).await?,
                Err(error) => return Err(error),
            }
            let removed = self.remove_passwords_named(application, name).await;
            removed.map_err(Error::of_check)?;
        }
    }

    async fn remove_passwords_named(&self, application: Uuid, name: &str) -> Result<(), Error> {
        let title = format!("application {application}");
        let path = format!("/applications/{application}");
        let call = self.request(Method::GET, &path, format!("read {title}"), &title)?;
        let found: ApplicationAnswer = self.call(&call, once_replicated, json).await?;
        let name = cleaned(name);
        for secret in found.fact().secrets {
            if secret.name.as_ref() == Some(&name) {
                self.remove_password(application, secret.key_id).await?;
            }
        }
        Ok(())
    }

    /// Removes a client secret. False if Graph has none of this id, or none yet.
    pub async fn remove_password(&self, application: Uuid, key_id: Uuid) -> Result<bool, Error> {
        let title = format!("application {application}");
        let path = format!("/applications/{application}/removePassword");
        let purpose = format!("remove the client secret {key_id} of {title}");
        let call = self.request(Method::POST, &path, purpose, &title)?;
        let call = call.with(json!({"keyId": key_id.to_string()}));
        match self.call(&call, Error::retry_decision, nothing).await {
            Ok(()) => Ok(true),
            Err(error) if is_unknown(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Graph has no code of its own for a secret that it does not know.
fn is_unknown(error: &Error) -> bool {
    error.refusal().is_some_and(|refusal| {
        refusal.status == 400
            && refusal
                .message
                .contains("No password credential found with keyId")
    })
}

/// A time as Graph takes it, to the second.
pub(super) fn instant(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The answer of `addPassword`. It has no Debug: the text is a secret.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecretAnswer {
    #[serde(deserialize_with = "guid")]
    key_id: Uuid,
    end_date_time: Timestamp,
    secret_text: String,
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_new_secret_cannot_be_printed() {
        let answer: SecretAnswer = serde_json::from_value(json!({
            "keyId": Uuid::nil().to_string(), "endDateTime": "2027-05-27T08:00:00Z", "hint": "s3c",
            "secretText": "s3cr3t~s3cr3t", "displayName": "gw", "customKeyIdentifier": null,
        }))
        .unwrap();
        let secret = NewSecret {
            key_id: answer.key_id,
            expires: answer.end_date_time,
            secret: answer.secret_text.into(),
        };
        assert_eq!(secret.secret.expose_secret(), "s3cr3t~s3cr3t");
        assert!(!format!("{secret:?}").contains("s3cr3t"));
        assert_eq!(instant(secret.expires), "2027-05-27T08:00:00Z");
    }
}
