use super::RealEffects;
use super::write::WriteFailure;
use crate::apply::Marked;
use crate::cluster::explain;
use crate::cluster::workload::Workload;
use crate::error::{Error, Result};
use crate::model::WorkloadRef;
use crate::plan::Marking;

impl RealEffects<'_> {
    /// Changes the annotations of a workload until they are as they must be, or
    /// another rotation has taken over. A rollout changes the version of its
    /// workload several times a second, so only what matters is compared: the
    /// object, its annotations of ours, and the Secret's.
    pub(super) async fn mark_with_retries(
        &mut self,
        workload: &WorkloadRef,
        marking: &Marking,
    ) -> Result<Marked> {
        let doing = doing(marking, workload);
        if !matches!(marking, Marking::Restart { .. }) {
            // Its rollout has changed the workload since it was read.
            let live = self.read_workload(workload).await?;
            self.update_workload(workload, &live);
        }
        let mut waits = self.waits();
        let mut finished = Marked::Unchanged;
        loop {
            let Some(state) = self.workloads.get(workload) else {
                return Ok(Marked::Unchanged);
            };
            let Some(after) = marking.change(workload, &state.marks) else {
                return Ok(finished);
            };
            if after.template != state.marks.template {
                self.interrupt.credential_written.set(true);
            }
            finished = Marked::Changed;
            let written = self
                .cluster
                .mark_workload(&state.version, &state.marks, &after, false)
                .await;
            let error = match written {
                Ok(live) => {
                    self.update_workload(workload, &live);
                    return Ok(Marked::Changed);
                }
                Err(error) => error,
            };
            let Some(failure) = WriteFailure::of(&error) else {
                return Err(explain(error, &doing));
            };
            let before = state.version.clone();
            let has_time = waits.wait(failure).await;
            let is_superseded = self.is_superseded(marking).await?;
            // The last read before the next attempt, which a change in between fails.
            let live = self.read_workload(workload).await?;
            if live.metadata.uid != before.uid {
                return Err(Error::failed(format!(
                    "{workload} was deleted and recreated during the rotation"
                )));
            }
            let is_same = live.metadata.resource_version == before.resource_version;
            let is_done = marking.change(workload, &live.marks()).is_none();
            self.update_workload(workload, &live);
            if is_superseded {
                return Ok(Marked::Superseded);
            }
            if !is_done && (!has_time || failure == WriteFailure::Invalid && is_same) {
                return Err(explain(error, &doing));
            }
        }
    }

    fn update_workload(&mut self, workload: &WorkloadRef, live: &Workload) {
        if let Some(state) = self.workloads.get_mut(workload) {
            state.version = live.version(workload);
            state.marks = live.marks();
        }
    }

    /// Whether the Secret does not belong to this rotation any more.
    async fn is_superseded(&mut self, marking: &Marking) -> Result<bool> {
        if matches!(marking, Marking::Proved(_) | Marking::GivenUp(_)) {
            return Ok(false);
        }
        let secret = self.read_secret().await?;
        self.update(&secret)?;
        let marks = &self.secret.marks;
        Ok(match marking {
            Marking::Restart { rotation, .. } => marks.rotation_id.as_ref() != Some(&rotation.id),
            Marking::Restore(put_back) => marks.put_back.as_ref() != Some(put_back),
            Marking::Proved(_) | Marking::GivenUp(_) => false,
        })
    }
}

/// What a change does, for errors.
fn doing(marking: &Marking, workload: &WorkloadRef) -> String {
    match marking {
        Marking::Restart { .. } => format!("restarting {workload}"),
        Marking::Restore(_) => format!("restoring {workload}"),
        Marking::Proved(_) | Marking::GivenUp(_) => format!("annotating {workload}"),
    }
}
