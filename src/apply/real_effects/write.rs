use std::time::Duration;

use super::RealEffects;
use crate::apply::Write;
use crate::cluster::explain;
use crate::error::{Error, Kind, Result};
use crate::model::annotation::ROTATION_ID;
use crate::model::{SecretChange, SecretData, SecretFacts, TemplateMarks, WorkloadRef};
use crate::plan::{AfterWrite, after_write};

/// How often a write is sent. It is repeated, with the same credential, after a
/// conflict and if it may not have arrived.
const ATTEMPTS: usize = 4;

/// The errors after which the object has to be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WriteFailure {
    /// The object has another version.
    Conflict,
    /// The object is another one, or does not accept the value.
    Invalid,
    /// The write may or may not have taken effect.
    Ambiguous,
}

impl WriteFailure {
    fn of(error: &kube::Error) -> Option<Self> {
        match error {
            kube::Error::Api(status) => match status.code {
                409 => Some(Self::Conflict),
                422 => Some(Self::Invalid),
                408 | 429 | 500.. => Some(Self::Ambiguous),
                _ => None,
            },
            kube::Error::Auth(_) | kube::Error::BuildRequest(_) | kube::Error::HttpError(_) => None,
            _ => Some(Self::Ambiguous),
        }
    }
}

impl RealEffects<'_> {
    /// Writes the Secret until it is known whether the write took effect.
    pub(super) async fn write_with_retries(&mut self, change: &SecretChange) -> Result<Write> {
        let before = (self.secret.clone(), self.previous.data.clone());
        let name = &before.0.version.name;
        let doing = format!("writing secret/{name}");
        let mut attempts = ATTEMPTS;
        let mut backoff = self.cluster.backoff();
        loop {
            attempts -= 1;
            let patch = self.without_copy(change);
            self.interrupt.credential_written.set(true);
            let error = match self
                .cluster
                .change_secret(&self.secret.version, &patch, false)
                .await
            {
                Ok(secret) => {
                    self.update(&secret)?;
                    return Ok(Write::Done);
                }
                Err(error) => error,
            };
            let Some(failure) = WriteFailure::of(&error) else {
                return Err(explain(error, &doing));
            };
            let now = match self.read_secret().await {
                Ok(now) => now,
                Err(unread) => {
                    return Err(explain(error, &doing).with_kind(Kind::Unknown).hint(format!(
                        "the write may have taken effect, and reading it back failed: {unread}; look at the \
                         annotation {ROTATION_ID} of secret/{name}"
                    )));
                }
            };
            self.update(&now)?;
            match self.state_after(&before, change) {
                AfterWrite::Written => return Ok(Write::Done),
                AfterWrite::OtherRotation => return Ok(Write::Yielded),
                AfterWrite::ChangedByOther(writer) => return Err(changed_by_other(name, writer)),
                AfterWrite::Untouched if failure == WriteFailure::Invalid || attempts == 0 => {
                    return Err(explain(error, &doing));
                }
                AfterWrite::Untouched if backoff.wait(Duration::ZERO).await => {}
                AfterWrite::Untouched => return Err(explain(error, &doing)),
            }
        }
    }

    fn state_after(&self, before: &(SecretFacts, SecretData), change: &SecretChange) -> AfterWrite {
        let (facts, data) = before;
        let id = change.annotations.get(ROTATION_ID).cloned().flatten();
        let stored = &self.previous.data;
        let is_written = stored.same_as(&change.data) && self.secret.marks.rotation_id == id;
        after_write(facts, &self.secret, is_written, stored.same_as(data))
    }

    /// Sets the annotations of a pod template until they are there, or another
    /// rotation has taken over.
    pub(super) async fn restart_with_retries(
        &mut self,
        workload: &WorkloadRef,
        marks: &TemplateMarks,
        id: Option<&str>,
    ) -> Result<()> {
        let doing = format!("restarting {workload}");
        let mut attempts = ATTEMPTS;
        let mut backoff = self.cluster.backoff();
        loop {
            attempts -= 1;
            let Some(state) = self.workloads.get(workload) else {
                return Ok(());
            };
            let error = match self.cluster.mark_template(&state.version, marks, false).await {
                Ok(live) => {
                    let version = live.version(workload);
                    self.workloads
                        .entry(workload.clone())
                        .and_modify(|state| state.version = version);
                    return Ok(());
                }
                Err(error) => error,
            };
            let Some(failure) = WriteFailure::of(&error) else {
                return Err(explain(error, &doing));
            };
            let live = self.read_workload(workload).await?;
            if live.marks() == *marks {
                return Ok(());
            }
            let version = live.version(workload);
            let is_over = attempts == 0 || failure == WriteFailure::Invalid && version == state.version;
            if is_over || !backoff.wait(Duration::ZERO).await {
                return Err(explain(error, &doing));
            }
            if version.uid != state.version.uid {
                return Err(Error::failed(format!(
                    "{workload} was deleted and recreated during the rotation"
                )));
            }
            self.workloads
                .entry(workload.clone())
                .and_modify(|state| state.version = version);
            let secret = self.read_secret().await?;
            self.update(&secret)?;
            if self.secret.marks.rotation_id.as_deref() != id {
                return Err(Error::failed(format!(
                    "another rotation has replaced the token; it also restarts {workload}"
                )));
            }
        }
    }
}

fn changed_by_other(secret: &str, writer: Option<String>) -> Error {
    let writer = writer.unwrap_or_else(|| "something else".to_owned());
    Error::failed(format!(
        "secret/{secret} was changed by {writer} while it was being rotated; the change stays, and the new token was dropped"
    ))
}
