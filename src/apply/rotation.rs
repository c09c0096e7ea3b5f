use super::{Effects, Marked, Proof, Refusal, Write};
use crate::discover::facts::PreviousCredential;
use crate::error::{Error, Result};
use crate::model::{Snapshot, WorkloadRef};
use crate::output::Output;
use crate::plan::{
    AfterRefusal, Marking, Mint, Outcome, OutcomeKind, Plan, Record, Unfinished, after_refusal, expiry,
    rotation_change,
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
    pub(super) record: Record,
    pub(super) refusal: Refusal,
}

impl<E: Effects> Rotation<'_, E> {
    /// Mints a credential and executes the plan.
    pub async fn run(mut self) -> Outcome {
        let plan = self.plan;
        let record = match self.mint_and_write(plan).await {
            Ok(Some(record)) => record,
            Ok(None) => return Outcome::yielded(),
            Err(error) => return Outcome::failed(error),
        };
        let outcome = Outcome::of(OutcomeKind::Rotated, record);
        match self.restart(plan, &plan.workloads, outcome).await {
            Ok(outcome) => self.prove(outcome, plan.workloads.clone()).await,
            Err(ended) => ended,
        }
    }

    /// Does what an earlier rotation still owes. Nothing is minted unless its
    /// credential is refused.
    pub async fn complete(mut self, unfinished: &Unfinished) -> Outcome {
        let record = Record {
            rotation_id: unfinished.rotation_id.clone(),
            mint: self.plan.mint.clone(),
            rotated_at: unfinished.rotated_at,
        };
        let outcome = Outcome::of(OutcomeKind::Completed, record);
        let outcome = match self.restart(self.plan, &unfinished.restarts, outcome).await {
            Ok(outcome) => outcome,
            Err(ended) => return ended,
        };
        if !self.plan.wait {
            let given_up = Marking::GivenUp(self.plan.mark());
            self.record(&unfinished.rolling, &given_up).await;
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
        let change = rotation_change(&plan, minted);
        let rotated_at = match self.effects.write_secret(&change).await? {
            Write::Done { rotated_at } => rotated_at.unwrap_or_else(|| self.effects.now()),
            Write::Yielded => return Ok(None),
            Write::ChangedByOther(error) => return Err(error),
        };
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

    /// Restarts the workloads for the credential of the outcome. `Err` holds the
    /// outcome if the run ends there.
    pub(super) async fn restart(
        &mut self,
        plan: &Plan,
        workloads: &[WorkloadRef],
        mut outcome: Outcome,
    ) -> Result<Outcome, Outcome> {
        let Some(record) = &outcome.record else {
            return Ok(outcome);
        };
        let marking = Marking::Restart {
            rotation: plan.mark(),
            rotated_at: record.rotated_at,
            given_up: !plan.wait,
        };
        for workload in workloads {
            match self.effects.mark(workload, &marking).await {
                Ok(Marked::Changed | Marked::Unchanged) => {}
                Ok(Marked::Superseded) => return Err(outcome.superseded()),
                Err(error) => return Err(outcome.owed(error)),
            }
            self.output.step("restarted", &workload.to_string());
            outcome.restarted.push(workload.clone());
        }
        Ok(outcome)
    }

    /// Waits for the proof, if the plan says so. A refused credential is put
    /// back or replaced, and its replacement is proved in turn.
    async fn prove(mut self, mut outcome: Outcome, mut workloads: Vec<WorkloadRef>) -> Outcome {
        if !self.plan.wait || workloads.is_empty() {
            return outcome;
        }
        let mut plan = self.plan.clone();
        let mut replaced: Option<Refused> = None;
        loop {
            let Some(record) = outcome.record.clone() else {
                return outcome;
            };
            let proof = self.effects.prove(&workloads, &record.rotation_id).await;
            match self.effects.still_holds().await {
                Write::Done { .. } => {}
                Write::Yielded => return outcome.superseded(),
                Write::ChangedByOther(error) => return outcome.without_record().owed(error),
            }
            let refusal = match proof {
                Proof::Proved(evidence) => {
                    self.output.step("proved", &evidence);
                    self.record(&workloads, &Marking::Proved(plan.mark())).await;
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
            let fresh = expiry(plan.life, self.effects.minting_time(&record.mint).await);
            let decision = after_refusal(outcome.kind, &record.mint, before, fresh, self.effects.now());
            let refused = Refused { record, refusal };
            match decision {
                AfterRefusal::PutBack => return Box::pin(self.put_back(outcome, &refused)).await,
                AfterRefusal::Keep => {
                    let evidence = &refused.refusal.evidence;
                    if let Some(first) = &replaced {
                        outcome.error = Some(self.both_refused_error(first, &refused));
                        return outcome;
                    }
                    let error = self.not_proved(&refused.record.mint, None, evidence);
                    return outcome.owed(error);
                }
                AfterRefusal::Replace(mint) => {
                    (outcome, plan) = match Box::pin(self.replace(outcome, mint, &refused)).await {
                        Ok(replacement) => replacement,
                        Err(ended) => return ended,
                    };
                    workloads.clone_from(&self.plan.workloads);
                    replaced = Some(refused);
                }
            }
        }
    }

    /// Records on the workloads what the next run has to know. The rotation is
    /// done even if that fails.
    async fn record(&mut self, workloads: &[WorkloadRef], marking: &Marking) {
        for workload in workloads {
            if let Err(error) = self.effects.mark(workload, marking).await {
                self.output.warning(&format!(
                    "cannot record the end of this rotation on {workload}, so a run within the next hour may complete \
                     it again: {error}"
                ));
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
