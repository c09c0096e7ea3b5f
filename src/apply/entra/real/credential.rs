use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use secrecy::{ExposeSecret, SecretSlice};
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
use crate::discover::entra::stored_facts;
use crate::error::{Error, Result};
use crate::model::annotation::{
    ADOPTED, CLIENT_ID, EXPIRES_AT, GATEWAY, KEY_ID, KIND, LAST_APPLIED, ROTATED_AT,
};
use crate::model::entra::facts::AppKind;
use crate::model::entra::{PEM_KEY, PFX_KEY, SECRET_KEY, client_secret_name};
use crate::model::{Annotations, SecretVersion, known};
use crate::plan::entra::removal_command;
use crate::plan::whole_seconds;

impl RealSetup<'_> {
    pub(super) async fn add_secret(&mut self, name: &str, expires: Timestamp) -> Result<Ids, Failure> {
        let name = client_secret_name(name, Uuid::new_v4());
        let made = self
            .graph
            .add_password(self.application()?, &name, expires)
            .await
            .map_err(failed)?;
        let text = made.secret.expose_secret().as_bytes().to_vec();
        self.credential = Some(NewCredential {
            key_id: made.key_id,
            expires: made.expires,
            data: vec![(SECRET_KEY, text.into())],
            proof: GatewayProof::Secret(made.secret),
            certificate: None,
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
        let key_id = certificate.key_id;
        self.credential = Some(NewCredential {
            key_id,
            expires: made.expires,
            data: vec![(PEM_KEY, pem.into()), (PFX_KEY, made.pfx)],
            proof: GatewayProof::Certificate(made.certificate),
            certificate: Some(certificate),
        });
        Ok(ids([("credentialId", key_id.to_string())]))
    }

    /// Adds the certificate of this run to the app again, if something else has removed it
    /// meanwhile. Why that failed, if it did.
    pub(super) async fn add_certificate_again(&self) -> Option<String> {
        let (application, made) = self.application.zip(self.credential.as_ref())?;
        let certificate = made.certificate.as_ref()?;
        match self.graph.add_certificate(application, certificate).await {
            Ok(true) => {
                self.output.warning(&format!(
                    "the app had lost the certificate {} of this run by another change of its certificates; it was \
                     added again",
                    made.key_id
                ));
                None
            }
            Ok(false) => None,
            Err(error) => Some(error.to_string()),
        }
    }

    /// Removes credentials of the app, of whichever kind they are.
    pub(super) async fn remove_credentials(&self, credentials: &[Uuid]) -> Result<()> {
        let application = self
            .application
            .ok_or_else(|| Error::failed("the app is not known"))?;
        let made = self.credential.as_ref().map(|it| it.key_id);
        let newest = made.filter(|made| self.is_certificate(*made) && !credentials.contains(made));
        self.interrupt.setup_written.set(true);
        for (at, id) in credentials.iter().enumerate() {
            let removed = if self.is_certificate(*id) {
                self.graph.remove_certificate(application, *id, newest).await
            } else {
                self.graph.remove_password(application, *id).await
            };
            removed.map_err(|error| {
                let is_forbidden = error.status() == Some(403);
                let left = credentials.iter().skip(at).filter(|_| is_forbidden);
                left.fold(Error::from(error), |error, id| {
                    let command = removal_command(application, *id, self.is_certificate(*id));
                    error.hint(format!("have it removed: {command}"))
                })
            })?;
        }
        Ok(())
    }

    fn is_certificate(&self, id: Uuid) -> bool {
        if let Some(made) = self.credential.as_ref().filter(|it| it.key_id == id) {
            return matches!(made.proof, GatewayProof::Certificate(_));
        }
        let app = known(&self.facts.app);
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
        if let Err(Failure::Forbidden(_) | Failure::Failed(_) | Failure::Changed(_)) = &written
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
        let keys: Vec<&str> = credential.data.iter().map(|(key, _)| *key).collect();
        let annotations = |this: &Self| this.annotations(credential, client_id, &keys);
        self.send_to_secret(name, credential.key_id, &credential.data, &annotations)
            .await
    }

    /// Writes the Secret, until it is known what became of that: it then holds the
    /// credential with this id by our annotations.
    pub(super) async fn send_to_secret(
        &mut self,
        name: &str,
        id: Uuid,
        data: &[(&'static str, SecretSlice<u8>)],
        annotations: &dyn Fn(&Self) -> Annotations,
    ) -> Result<(), Failure> {
        let doing = format!("writing secret/{name}");
        let mut backoff = self.cluster.backoff();
        loop {
            let write = CredentialWrite {
                name,
                data,
                annotations: &annotations(self),
            };
            let sent = match self.secret.as_ref().map(|secret| version(name, secret)) {
                None => self.cluster.create_credential(&write, false).await,
                Some(version) => self.cluster.change_credential(&version, &write, false).await,
            };
            let error = match sent {
                Ok(secret) => {
                    self.secret = Some(secret);
                    return Ok(());
                }
                Err(error) if !may_be_sent_again(&error) => return Err(refused(error, &doing)),
                Err(error) => error,
            };
            // The write may have taken effect, or something else has changed the Secret.
            let now = match self.read_secret(name).await {
                Ok(now) => now,
                Err(unread) => {
                    let error = explain(error, &doing).hint(format!("reading it back failed: {unread}"));
                    return Err(Failure::Unknown(error));
                }
            };
            let is_written = key_id(now.as_ref()) == Some(id.to_string());
            if !is_written && !self.is_as_known(now.as_ref()) {
                return Err(written_meanwhile(name));
            }
            self.secret = now;
            if is_written {
                return Ok(());
            }
            if !backoff.wait(std::time::Duration::ZERO).await {
                return Err(refused(error, &doing));
            }
        }
    }

    /// Reads the Secret again, and stops if something else has written the credential
    /// since it was read.
    pub(super) async fn check_secret(&mut self, name: &str) -> Result<(), Failure> {
        let now = self.read_secret(name).await.map_err(Failure::Failed)?;
        if !self.is_as_known(now.as_ref()) {
            return Err(written_meanwhile(name));
        }
        self.secret = now;
        Ok(())
    }

    /// Whether a Secret holds what this run knows: what the plan was made of, or what was
    /// read or written since.
    fn is_as_known(&self, now: Option<&Secret>) -> bool {
        let keys = self.plan.mode.keys();
        match (&self.secret, &self.facts.cluster.secret) {
            (Some(known), _) => {
                let known = Some(known);
                (key_id(known), content(known, keys)) == (key_id(now), content(now, keys))
            }
            (None, Ok(planned)) => *planned == now.map(stored_facts),
            (None, Err(_)) => true,
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

/// The same command makes a plan of what is there now.
fn written_meanwhile(name: &str) -> Failure {
    let error = Error::failed(format!(
        "something else wrote secret/{name} during this run, and that stays"
    ));
    Failure::Changed(error.hint("run the same command again; it makes a new plan"))
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
fn key_id(secret: Option<&Secret>) -> Option<String> {
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
