use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use secrecy::ExposeSecret;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::super::effects::{Failure, Ids, Known};
use super::azure::{failed, ids};
use super::cluster::{may_be_sent_again, refused};
use super::{NewCredential, RealSetup};
use crate::azure::{GatewayProof, MadeCertificate, NewCertificate};
use crate::cluster::entra::CredentialWrite;
use crate::cluster::explain;
use crate::cluster::last_applied::{LastApplied, scrub_last_applied};
use crate::error::{Error, Result};
use crate::model::annotation::{
    ADOPTED, CLIENT_ID, EXPIRES_AT, GATEWAY, KEY_ID, KIND, LAST_APPLIED, ROTATED_AT,
};
use crate::model::entra::facts::AppKind;
use crate::model::entra::{PEM_KEY, PFX_KEY, SECRET_KEY};
use crate::model::{Annotations, SecretVersion};
use crate::plan::whole_seconds;

impl RealSetup<'_> {
    pub(super) async fn add_secret(&mut self, name: &str, expires: Timestamp) -> Result<Ids, Failure> {
        let made = self
            .graph
            .add_password(self.application()?, name, expires)
            .await
            .map_err(failed)?;
        let text = made.secret.expose_secret().as_bytes().to_vec();
        self.credential = Some(NewCredential {
            key_id: made.key_id,
            expires: made.expires,
            data: vec![(SECRET_KEY, text.into())],
            proof: GatewayProof::Secret(made.secret),
        });
        Ok(ids([("credentialId", made.key_id.to_string())]))
    }

    pub(super) async fn add_certificate(&mut self, name: &str, expires: Timestamp) -> Result<Ids, Failure> {
        let application = self.application()?;
        let (subject, now) = (name.to_owned(), whole_seconds(self.azure_now()));
        let waiting = self.output.waiting();
        waiting.on("an RSA key of 3072 bits is made");
        // The computation must not keep signals and timers waiting.
        let made = spawn_blocking(move || MadeCertificate::make(&subject, now, expires)).await;
        drop(waiting);
        let made = made.map_err(|error| {
            Failure::Failed(Error::failed(format!(
                "making a certificate was cut off: {error}"
            )))
        })?;
        let made = made.map_err(failed)?;
        let certificate = NewCertificate {
            key_id: Uuid::new_v4(),
            name: name.to_owned(),
            der: made.der,
            begins: made.begins,
            expires: made.expires,
        };
        self.graph
            .add_certificate(application, &certificate)
            .await
            .map_err(failed)?;
        let pem = made.pem.expose_secret().as_bytes().to_vec();
        self.credential = Some(NewCredential {
            key_id: certificate.key_id,
            expires: made.expires,
            data: vec![(PEM_KEY, pem.into()), (PFX_KEY, made.pfx)],
            proof: GatewayProof::Certificate(made.certificate),
        });
        Ok(ids([("credentialId", certificate.key_id.to_string())]))
    }

    /// Removes credentials of the app, of whichever kind they are.
    pub(super) async fn remove_credentials(&self, credentials: &[Uuid]) -> Result<()> {
        let application = self
            .application
            .ok_or_else(|| Error::failed("the app is not known"))?;
        let made = self.credential.as_ref().map(|it| it.key_id);
        let newest = made.filter(|made| self.is_certificate(*made) && !credentials.contains(made));
        for id in credentials {
            if self.is_certificate(*id) {
                self.graph.remove_certificate(application, *id, newest).await?;
            } else {
                self.graph.remove_password(application, *id).await?;
            }
        }
        Ok(())
    }

    fn is_certificate(&self, id: Uuid) -> bool {
        if let Some(made) = self.credential.as_ref().filter(|it| it.key_id == id) {
            return matches!(made.proof, GatewayProof::Certificate(_));
        }
        let app = self.facts.app.as_ref().ok().and_then(Option::as_ref);
        app.is_some_and(|app| match &app.kind {
            AppKind::Application(app) => app.certificates.iter().any(|it| it.key_id == id),
            AppKind::Identity(..) => false,
        })
    }

    /// Writes the credential of this run into the Secret. If that cannot be done, nobody
    /// has what is secret of it, so it is removed from the app.
    pub(super) async fn write_secret(&mut self, name: &str, known: &Known) -> Result<Ids, Failure> {
        let Some(credential) = self.credential.take() else {
            return Err(Failure::Failed(Error::failed(format!(
                "there is no new credential for secret/{name}"
            ))));
        };
        let written = match Self::client_id(known) {
            Ok(client_id) => self.store(name, &credential, client_id).await,
            Err(failure) => Err(failure),
        };
        let key_id = credential.key_id;
        self.credential = Some(credential);
        if let Err(Failure::Forbidden(_) | Failure::Failed(_)) = &written
            && let Err(error) = self.remove_credentials(&[key_id]).await
        {
            self.output.warning(&format!(
                "the new credential {key_id} of the app is not in secret/{name}, and could not be removed, which the \
                 next run tries again: {error}"
            ));
        }
        written.map(|()| Ids::new())
    }

    async fn store(
        &mut self,
        name: &str,
        credential: &NewCredential,
        client_id: Uuid,
    ) -> Result<(), Failure> {
        let doing = format!("writing secret/{name}");
        let keys: Vec<&str> = credential.data.iter().map(|(key, _)| *key).collect();
        let before = content(self.secret.as_ref(), &keys);
        let mut backoff = self.cluster.backoff();
        loop {
            let annotations = self.annotations(credential, client_id, &keys);
            let write = CredentialWrite {
                name,
                data: &credential.data,
                annotations: &annotations,
            };
            let sent = match self.secret.as_ref().map(|secret| version(name, secret)) {
                None => self.cluster.create_credential(&write, false).await,
                Some(version) => self.cluster.change_credential(&version, &write, false).await,
            };
            let error = match sent {
                Ok(_) => return Ok(()),
                Err(error) if !may_be_sent_again(&error) => return Err(refused(error, &doing)),
                Err(error) => error,
            };
            // The write may have taken effect, or something else has changed the Secret.
            match self.read_secret(name).await {
                Ok(now) => self.secret = now,
                Err(unread) => {
                    let error = explain(error, &doing).hint(format!("reading it back failed: {unread}"));
                    return Err(Failure::Unknown(error));
                }
            }
            if key_id(self.secret.as_ref()) == Some(credential.key_id.to_string()) {
                return Ok(());
            }
            if content(self.secret.as_ref(), &keys) != before {
                return Err(Failure::Failed(Error::failed(format!(
                    "something else wrote secret/{name} during this run, and that stays"
                ))));
            }
            if !backoff.wait(std::time::Duration::ZERO).await {
                return Err(refused(error, &doing));
            }
        }
    }

    fn annotations(&self, credential: &NewCredential, client_id: Uuid, keys: &[&str]) -> Annotations {
        let mut all: Annotations = [
            (KIND, self.plan.mode.as_str().to_owned()),
            (CLIENT_ID, client_id.to_string()),
            (KEY_ID, credential.key_id.to_string()),
            (EXPIRES_AT, whole_seconds(credential.expires).to_string()),
            (ROTATED_AT, whole_seconds(self.cluster.now()).to_string()),
            (GATEWAY, self.facts.gateway.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), Some(value)))
        .into();
        all.insert(ADOPTED.to_owned(), None);
        let there = self.secret.as_ref();
        let there = there.and_then(|secret| secret.metadata.annotations.clone());
        match scrub_last_applied(&there.unwrap_or_default(), keys) {
            LastApplied::Clean => {}
            LastApplied::Cut(text) => drop(all.insert(LAST_APPLIED.to_owned(), Some(text))),
            LastApplied::Remove => drop(all.insert(LAST_APPLIED.to_owned(), None)),
        }
        all
    }

    pub(super) async fn read_secret(&self, name: &str) -> Result<Option<Secret>> {
        match self.cluster.secret(name).await {
            Ok(secret) => Ok(Some(secret)),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(None),
            Err(error) => Err(explain(error, &format!("reading secret/{name}"))),
        }
    }
}

pub(super) fn version(name: &str, secret: &Secret) -> SecretVersion {
    let meta = &secret.metadata;
    SecretVersion {
        name: name.to_owned(),
        uid: meta.uid.clone().unwrap_or_default(),
        resource_version: meta.resource_version.clone().unwrap_or_default(),
    }
}

/// The id of the credential that a Secret holds by its annotation.
pub(super) fn key_id(secret: Option<&Secret>) -> Option<String> {
    secret?.metadata.annotations.as_ref()?.get(KEY_ID).cloned()
}

/// What decides whether somebody else has changed the credential: its values, encoded.
fn content(secret: Option<&Secret>, keys: &[&str]) -> BTreeMap<String, String> {
    let data = secret.and_then(|secret| secret.data.as_ref());
    let values = data.into_iter().flatten();
    values
        .filter(|(key, _)| keys.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), STANDARD.encode(&value.0)))
        .collect()
}
