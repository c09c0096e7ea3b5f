use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::RealEffects;
use crate::apply::Write;
use crate::cluster::explain;
use crate::error::{Error, Kind, Result};
use crate::model::annotation::{PUT_BACK, ROTATED_AT, ROTATION_ID};
use crate::model::{PutBack, SecretChange, SecretData, SecretFacts, WorkloadRef};
use crate::plan::{AfterWrite, after_write, whole_seconds};
use crate::retry::Backoff;

/// How much longer each wait after a conflict is.
const STEP: Duration = Duration::from_millis(20);

/// The longest wait after a conflict. A rollout changes its workload several times
/// a second, so a longer one would not help.
const LONGEST: Duration = Duration::from_millis(200);

/// How long the Secret is read after the proof, within the run's own time.
const COMPARISON: Duration = Duration::from_secs(10);

/// The errors after which the object has to be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriteFailure {
    /// The object has another version.
    Conflict,
    /// The object is another one, or does not accept the value.
    Invalid,
    /// The write may or may not have taken effect.
    Ambiguous,
}

impl WriteFailure {
    pub(super) fn of(error: &kube::Error) -> Option<Self> {
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

/// The waits between the attempts of one write.
pub(super) struct Waits {
    after_conflict: Duration,
    backoff: Backoff,
    deadline: Instant,
}

impl Waits {
    /// Waits until the object is to be read again. False at once if there is no
    /// time for another attempt.
    pub(super) async fn wait(&mut self, failure: WriteFailure) -> bool {
        match failure {
            WriteFailure::Ambiguous => self.backoff.wait(Duration::ZERO).await,
            WriteFailure::Conflict | WriteFailure::Invalid => {
                let wait = self.after_conflict;
                self.after_conflict = (wait + STEP).min(LONGEST);
                let has_time = Instant::now() + wait < self.deadline;
                if has_time {
                    sleep(wait).await;
                }
                has_time
            }
        }
    }
}

impl RealEffects<'_> {
    pub(super) fn waits(&self) -> Waits {
        Waits {
            after_conflict: Duration::ZERO,
            backoff: self.cluster.backoff(),
            deadline: self.deadline,
        }
    }

    /// Writes the Secret until it is known whether the write took effect.
    pub(super) async fn write_with_retries(&mut self, change: &SecretChange) -> Result<Write> {
        let before = (self.secret.clone(), self.previous.data.clone());
        let name = &before.0.version.name;
        let doing = format!("writing secret/{name}");
        let mut waits = self.waits();
        loop {
            let mut patch = self.without_copy(change);
            if change.stamps_time {
                let now = whole_seconds(self.cluster.now()).to_string();
                patch.annotations.insert(ROTATED_AT.to_owned(), Some(now));
            }
            self.interrupt.credential_written.set(true);
            let error = match self
                .cluster
                .change_secret(&self.secret.version, &patch, false)
                .await
            {
                Ok(secret) => {
                    self.update(&secret)?;
                    return Ok(self.written());
                }
                Err(error) => error,
            };
            let Some(failure) = WriteFailure::of(&error) else {
                return Err(explain(error, &doing));
            };
            let has_time = waits.wait(failure).await;
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
                AfterWrite::Written => return Ok(self.written()),
                AfterWrite::OtherRotation => return Ok(Write::Yielded),
                AfterWrite::ChangedByOther(writer) => {
                    return Ok(Write::ChangedByOther(changed_by_other(name, writer)));
                }
                AfterWrite::Untouched if has_time && failure != WriteFailure::Invalid => {}
                AfterWrite::Untouched => return Err(explain(error, &doing)),
            }
        }
    }

    /// Compares the Secret with what this run last wrote or read.
    pub(super) async fn compare_with_stored(&mut self) -> Write {
        let (facts, data) = (self.secret.clone(), self.previous.data.clone());
        let name = &facts.version.name;
        let ends = self.deadline.min(Instant::now() + COMPARISON);
        let cluster = self.cluster.clone().until(ends);
        let read = match cluster.secret(name).await {
            Ok(secret) => self.update(&secret),
            Err(kube::Error::Api(status)) if status.is_not_found() => {
                return Write::ChangedByOther(Error::failed(format!(
                    "secret/{name} was deleted while it was being rotated"
                )));
            }
            Err(error) => Err(explain(error, &format!("reading secret/{name} back"))),
        };
        if let Err(error) = read {
            tracing::warn!("{error}");
            return self.written();
        }
        let is_same = self.previous.data.same_as(&data);
        match after_write(&facts, &self.secret, false, is_same) {
            AfterWrite::Written | AfterWrite::Untouched => self.written(),
            AfterWrite::OtherRotation => Write::Yielded,
            AfterWrite::ChangedByOther(writer) => Write::ChangedByOther(changed_by_other(name, writer)),
        }
    }

    fn written(&self) -> Write {
        Write::Done {
            rotated_at: self.secret.marks.rotated_at,
        }
    }

    fn state_after(&self, before: &(SecretFacts, SecretData), change: &SecretChange) -> AfterWrite {
        let (facts, data) = before;
        let id = change.annotations.get(ROTATION_ID).cloned().flatten();
        let stored = &self.previous.data;
        let is_written = stored.same_as(&change.data) && self.secret.marks.rotation_id == id;
        after_write(facts, &self.secret, is_written, stored.same_as(data))
    }

    /// Removes from the Secret what is owed to these workloads, unless another
    /// run has done that.
    pub(super) async fn forget_with_retries(
        &mut self,
        put_back: &PutBack,
        restored: &[WorkloadRef],
    ) -> Result<()> {
        let rest = put_back.without(restored);
        let rest = (!rest.workloads.is_empty()).then(|| rest.to_annotation());
        let change = [(PUT_BACK.to_owned(), rest)].into();
        let doing = format!("annotating secret/{}", self.secret.version.name);
        let mut waits = self.waits();
        while self.secret.marks.put_back.as_ref() == Some(put_back) {
            let version = &self.secret.version;
            let error = match self.cluster.annotate_secret(version, &change).await {
                Ok(secret) => return self.update(&secret),
                Err(error) => error,
            };
            let failure = WriteFailure::of(&error).filter(|failure| *failure != WriteFailure::Invalid);
            let has_time = match failure {
                Some(failure) => waits.wait(failure).await,
                None => false,
            };
            if !has_time {
                return Err(explain(error, &doing));
            }
            let secret = self.read_secret().await?;
            self.update(&secret)?;
        }
        Ok(())
    }
}

fn changed_by_other(secret: &str, writer: Option<String>) -> Error {
    let writer = writer.unwrap_or_else(|| "something else".to_owned());
    Error::failed(format!(
        "secret/{secret} was changed by {writer} while it was being rotated; the change stays, and the new token was dropped"
    ))
}
