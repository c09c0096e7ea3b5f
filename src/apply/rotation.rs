use super::{Effects, Proof, Refusal, Write};
use crate::discover::facts::PreviousCredential;
use crate::error::{Error, Result};
use crate::model::{Snapshot, TemplateMarks, WorkloadRef};
use crate::output::Output;
use crate::plan::{
    AfterRefusal, Mint, Outcome, OutcomeKind, Plan, Record, Unfinished, after_refusal, rotation_change,
    whole_seconds,
};

/// One rotation from its first effect to its last.
pub struct Rotation<'a, E> {
    pub effects: &'a mut E,
    pub plan: &'a Plan,
    /// The facts from before the rotation.
    pub snapshot: &'a Snapshot,
    /// The credential from before the rotation.
    pub previous: &'a PreviousCredential,
    /// The id of the rotation that replaces a refused credential, if that is
    /// needed.
    pub replacement_id: String,
    /// Where each step is printed.
    pub output: &'a Output,
}

/// A credential that Azure refused, and the evidence for it.
pub(super) struct Refused {
    pub(super) mint: Mint,
    pub(super) refusal: Refusal,
}

impl<E: Effects> Rotation<'_, E> {
    /// Mints a credential and executes the plan.
    pub async fn run(mut self) -> Outcome {
        let record = match self.mint_and_write(self.plan).await {
            Ok(Some(record)) => record,
            Ok(None) => return Outcome::yielded(),
            Err(error) => return Outcome::failed(error),
        };
        let mut outcome = Outcome::of(OutcomeKind::Rotated, record);
        let workloads = self.plan.workloads.clone();
        if let Err(error) = self.restart(&workloads, &mut outcome).await {
            return outcome.owed(error);
        }
        self.prove(outcome, workloads).await
    }

    /// Does what an earlier rotation still owes. Nothing is minted unless its
    /// credential is refused.
    pub async fn complete(mut self, unfinished: &Unfinished) -> Outcome {
        let record = Record {
            rotation_id: unfinished.rotation_id.clone(),
            mint: self.plan.mint.clone(),
            rotated_at: unfinished.rotated_at,
        };
        let mut outcome = Outcome::of(OutcomeKind::Completed, record);
        if let Err(error) = self.restart(&unfinished.restarts, &mut outcome).await {
            return outcome.owed(error);
        }
        let all = unfinished.restarts.iter().chain(&unfinished.rolling);
        self.prove(outcome, all.cloned().collect()).await
    }

    /// Mints, verifies and writes one credential. `None` if another rotation
    /// was faster.
    pub(super) async fn mint_and_write(&mut self, plan: &Plan) -> Result<Option<Record>> {
        let mut plan = plan.clone();
        let minted = self.effects.mint(&mut plan.mint).await?;
        plan.mint.verify(&minted.credential)?;
        let expires_at = minted.credential.expires_at();
        let expiry = expires_at.map_or_else(String::new, |time| format!(", valid until {time}"));
        self.output.step("minted", &format!("a {}{expiry}", plan.mint));
        let rotated_at = whole_seconds(self.effects.now());
        let change = rotation_change(&plan, minted, rotated_at);
        if self.effects.write_secret(&change).await? == Write::Yielded {
            return Ok(None);
        }
        let keys: Vec<&str> = change.data.keys().collect();
        let noun = if keys.len() == 1 { "key" } else { "keys" };
        self.output.step(
            "written",
            &format!("secret/{}, {noun} {}", plan.secret, keys.join(", ")),
        );
        Ok(Some(Record {
            rotation_id: plan.id,
            mint: plan.mint,
            rotated_at,
        }))
    }

    pub(super) async fn restart(&mut self, workloads: &[WorkloadRef], outcome: &mut Outcome) -> Result<()> {
        let Some(record) = outcome.record.clone() else {
            return Ok(());
        };
        let marks = TemplateMarks {
            rotation_id: Some(record.rotation_id.clone()),
            restarted_at: Some(record.rotated_at.to_string()),
        };
        for workload in workloads {
            self.effects
                .restart(workload, &marks, Some(&record.rotation_id))
                .await?;
            self.output.step("restarted", &workload.to_string());
            outcome.restarted.push(workload.clone());
        }
        Ok(())
    }

    /// Waits for the proof, if the plan says so. A refused credential is put
    /// back or replaced, and its replacement is proved in turn.
    async fn prove(mut self, mut outcome: Outcome, mut workloads: Vec<WorkloadRef>) -> Outcome {
        if !self.plan.wait || workloads.is_empty() {
            return outcome;
        }
        let mut replaced: Option<Refused> = None;
        loop {
            let Some(record) = outcome.record.clone() else {
                return outcome;
            };
            let refusal = match self.effects.prove(&workloads, &record.rotation_id).await {
                Proof::Proved(evidence) => {
                    self.output.step("proved", &evidence);
                    outcome.proof = Some(evidence);
                    outcome.error = replaced.map(|refused| self.replaced_error(&refused, &record.mint));
                    return outcome;
                }
                Proof::Undecided(missing) => {
                    let error = self.not_proved(&record.mint, replaced.as_ref(), &missing);
                    return outcome.owed(error);
                }
                Proof::Refused(refusal) => refusal,
            };
            let before = &self.snapshot.secret;
            let decision = after_refusal(outcome.kind, &record.mint, before, self.effects.now());
            let refused = Refused {
                mint: record.mint,
                refusal,
            };
            match decision {
                AfterRefusal::PutBack => return Box::pin(self.put_back(outcome, &refused)).await,
                AfterRefusal::Keep => {
                    let evidence = &refused.refusal.evidence;
                    let error = self.not_proved(&refused.mint, replaced.as_ref(), evidence);
                    return outcome.owed(error);
                }
                AfterRefusal::Replace(mint) => {
                    outcome = match Box::pin(self.replace(outcome, mint, &refused)).await {
                        Ok(outcome) => outcome,
                        Err(ended) => return ended,
                    };
                    workloads.clone_from(&self.plan.workloads);
                    replaced = Some(refused);
                }
            }
        }
    }

    fn not_proved(&self, mint: &Mint, replaced: Option<&Refused>, missing: &str) -> Error {
        match replaced {
            Some(refused) => self.replacement_not_proved(refused, mint, missing),
            None => Error::failed(format!(
                "the new {} is in place, but not proved: {missing}",
                mint.noun()
            )),
        }
    }
}

#[cfg(test)]
mod tests;
