use jiff::Timestamp;
use secrecy::SecretString;

use super::outcome::{Outcome, Record, Verdict};
use crate::cluster::secret::SecretChange;
use crate::discover::facts::PreviousCredential;
use crate::error::{Error, Kind, Result};
use crate::model::{
    Claims, GatewayId, KeySlot, Snapshot, TemplateMarks, Token, WorkloadKind, WorkloadRef, in_words,
};
use crate::output::Output;
use crate::plan::{Plan, Unfinished, restored_annotations, rotation_annotations, whole_seconds};

/// Everything that a rotation does to the world.
pub trait Effects {
    /// Mints a token.
    async fn mint(&mut self, gateway: &GatewayId, slot: KeySlot, expires_at: Timestamp) -> Result<Token>;
    /// Writes the Secret by compare-and-swap on what is there. An error of
    /// kind [`Kind::Unknown`] means that it may have been written.
    async fn write_secret(&mut self, change: &SecretChange) -> Result<Write>;
    /// Sets a pod template's marks, and so replaces the pods, as long as the
    /// Secret is still of the rotation `id`.
    async fn restart(
        &mut self,
        workload: &WorkloadRef,
        marks: &TemplateMarks,
        id: Option<&str>,
    ) -> Result<()>;
    /// Waits for the evidence about the credential of the rotation `id`.
    async fn prove(&mut self, workloads: &[WorkloadRef], id: &str) -> Proof;
    /// The API server's time.
    fn now(&self) -> Timestamp;
}

/// What a write to the Secret came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// The Secret holds what was to be written.
    Done,
    /// Another rotation was faster, and its credential stays.
    Yielded,
}

/// What the pods say about a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It works: in words, by which evidence.
    Proved(String),
    /// It was refused.
    Refused(Refusal),
    /// Nothing is certain at the deadline: what was still missing.
    Undecided(String),
}

/// One rotation from its first effect to its last.
pub struct Rotation<'a, E> {
    /// The effects.
    pub effects: &'a mut E,
    /// What was decided.
    pub plan: &'a Plan,
    /// The state before.
    pub snapshot: &'a Snapshot,
    /// What can be put back.
    pub previous: &'a PreviousCredential,
    /// The id of the rotation that replaces a refused token, should it come
    /// to that.
    pub replacement_id: String,
    /// Where to tell of each step.
    pub output: &'a Output,
}

/// The evidence that Azure refused a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The evidence in words.
    pub evidence: String,
    /// The pod that showed it, where one did.
    pub pod: Option<String>,
}

impl<E: Effects> Rotation<'_, E> {
    /// Mints a token and carries the plan out.
    pub async fn run(mut self) -> Outcome {
        let record = match self.publish(self.plan).await {
            Ok(Some(record)) => record,
            Ok(None) => return Outcome::yielded(),
            Err(error) => return Outcome::failed(error),
        };
        let mut outcome = Outcome::of(Verdict::Rotated, record);
        let workloads = self.plan.workloads.clone();
        if let Err(error) = self.restart(&workloads, &mut outcome).await {
            return outcome.owed(error);
        }
        self.judge(outcome, &workloads).await
    }

    /// Does what an earlier rotation still owes; nothing is minted unless its
    /// credential turns out to be refused.
    pub async fn complete(mut self, unfinished: &Unfinished) -> Outcome {
        let mut outcome = Outcome::of(
            Verdict::Completed,
            Record {
                rotation_id: unfinished.rotation_id.clone(),
                key_slot: unfinished.key_slot,
                expires_at: unfinished.expires_at,
                rotated_at: unfinished.rotated_at,
            },
        );
        if let Err(error) = self.restart(&unfinished.restarts, &mut outcome).await {
            return outcome.owed(error);
        }
        let all: Vec<WorkloadRef> = unfinished
            .restarts
            .iter()
            .chain(&unfinished.rolling)
            .cloned()
            .collect();
        self.judge(outcome, &all).await
    }

    /// Mints, verifies and writes one token: P2 to P4. `None` when another
    /// rotation was faster.
    async fn publish(&mut self, plan: &Plan) -> Result<Option<Record>> {
        let token = self
            .effects
            .mint(&plan.gateway, plan.key_slot, plan.expires_at)
            .await?;
        verify(plan, token.claims())?;
        self.output.step(
            "minted",
            &format!(
                "a token from the {} key, valid until {}",
                plan.key_slot, plan.expires_at
            ),
        );
        let rotated_at = whole_seconds(self.effects.now());
        let change = SecretChange {
            key: plan.secret_key.clone(),
            credential: token.reveal(plan.prefixed),
            annotations: rotation_annotations(plan, rotated_at),
        };
        if self.effects.write_secret(&change).await? == Write::Yielded {
            return Ok(None);
        }
        self.output.step(
            "written",
            &format!("secret/{}, key {}", plan.secret, plan.secret_key),
        );
        Ok(Some(Record {
            rotation_id: plan.rotation_id.clone(),
            key_slot: plan.key_slot,
            expires_at: plan.expires_at,
            rotated_at,
        }))
    }

    async fn restart(&mut self, workloads: &[WorkloadRef], outcome: &mut Outcome) -> Result<()> {
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

    /// Waits for the proof, where that was asked for, and acts on it.
    async fn judge(self, mut outcome: Outcome, workloads: &[WorkloadRef]) -> Outcome {
        let Some(record) = outcome.record.clone() else {
            return outcome;
        };
        if !self.plan.wait || workloads.is_empty() {
            return outcome;
        }
        match self.effects.prove(workloads, &record.rotation_id).await {
            Proof::Proved(evidence) => {
                self.output.step("proved", &evidence);
                outcome.proof = Some(evidence);
                outcome
            }
            Proof::Undecided(missing) => outcome.owed(Error::failed(format!(
                "the new token is in place, but not proved: {missing}"
            ))),
            Proof::Refused(refusal) => {
                self.output.step("refused", &refusal.evidence);
                self.put_back(outcome, &record, &refusal).await
            }
        }
    }

    /// Restores the former credential where it can still work, else replaces
    /// the refused one by a token of the other key.
    async fn put_back(mut self, outcome: Outcome, refused: &Record, refusal: &Refusal) -> Outcome {
        let secret = &self.snapshot.secret;
        let written_here = outcome.verdict == Verdict::Rotated;
        // A token of the same key would be refused for the same reason.
        let of_other_key = secret.slot() == Some(refused.key_slot.other());
        let alive = secret
            .claims()
            .is_some_and(|claims| claims.expires_at > self.effects.now());
        if !(written_here && of_other_key && alive) {
            return self.replace(outcome, refused, refusal).await;
        }
        let refused_key = refused.key_slot;
        match self.restore_former().await {
            Ok(()) => Outcome {
                verdict: Verdict::PutBack,
                record: None,
                error: Some(self.refused(refusal).hint(format!(
                    "the former token of the {} key is back in place; find out why the {refused_key} key's was refused",
                    refused_key.other()
                ))),
                ..outcome
            },
            Err(cause) => outcome.owed(cause),
        }
    }

    async fn replace(mut self, outcome: Outcome, refused: &Record, refusal: &Refusal) -> Outcome {
        let (slot, evidence) = (refused.key_slot.other(), &refusal.evidence);
        let replacement = Plan {
            rotation_id: self.replacement_id.clone(),
            key_slot: slot,
            previous_key_slot: Some(refused.key_slot),
            ..self.plan.clone()
        };
        let record = match self.publish(&replacement).await {
            Ok(Some(record)) => record,
            Ok(None) => return Outcome::yielded(),
            Err(cause) => {
                return outcome.owed(Error::failed(format!(
                    "Azure refused the new token ({evidence}), and replacing it failed: {cause}"
                )));
            }
        };
        let mut replaced = Outcome::of(Verdict::Replaced, record.clone());
        let workloads = self.plan.workloads.clone();
        if let Err(cause) = self.restart(&workloads, &mut replaced).await {
            return replaced.owed(cause);
        }
        let second = match self.effects.prove(&workloads, &record.rotation_id).await {
            Proof::Proved(proof) => {
                self.output.step("proved", &proof);
                replaced.proof = Some(proof);
                replaced.error = Some(self.refused(refusal).hint(format!(
                    "a token of the {slot} key took its place; find out why the {} key's was refused",
                    refused.key_slot
                )));
                return replaced;
            }
            Proof::Refused(second) => second.evidence,
            Proof::Undecided(missing) => missing,
        };
        let owed = Error::failed(format!(
            "Azure refused a token of the {} key ({evidence}), and one of the {slot} key is not proved: {second}",
            refused.key_slot
        ));
        replaced.owed(match self.stuck_pod(refusal) {
            Some(hint) => owed.hint(hint),
            None => owed,
        })
    }

    fn refused(&self, refusal: &Refusal) -> Error {
        let error = Error::new(
            Kind::PutBack,
            format!("Azure refused the new token: {}", refusal.evidence),
        );
        match self.stuck_pod(refusal) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    /// A StatefulSet waits for its broken pod for ever, even when the pod
    /// template is restored (kubernetes.io, "StatefulSets", forced rollback).
    fn stuck_pod(&self, refusal: &Refusal) -> Option<String> {
        let mut kinds = self.plan.workloads.iter().map(|workload| workload.kind);
        let pod = refusal
            .pod
            .as_ref()
            .filter(|_| kinds.any(|kind| kind == WorkloadKind::StatefulSet))?;
        let namespace = &self.plan.namespace;
        Some(format!(
            "a StatefulSet does not replace a broken pod by itself: kubectl -n {namespace} delete pod {pod}"
        ))
    }

    async fn restore_former(&mut self) -> Result<()> {
        let secret = &self.snapshot.secret;
        let change = SecretChange {
            key: secret.key.clone(),
            credential: SecretString::clone(&self.previous.credential),
            annotations: restored_annotations(&self.previous.annotations),
        };
        if self.effects.write_secret(&change).await? == Write::Yielded {
            return Ok(());
        }
        self.output.step(
            "put back",
            &format!("the former token in secret/{}", secret.version.name),
        );
        for facts in &self.snapshot.workloads {
            let workload = &facts.version.workload;
            if self.plan.workloads.contains(workload) {
                self.effects
                    .restart(workload, &facts.marks, secret.marks.rotation_id.as_deref())
                    .await?;
                self.output
                    .step("put back", &format!("the former pods of {workload}"));
            }
        }
        Ok(())
    }
}

/// P3: the token is the one that was asked for. ARM's answer is not trusted
/// further than this, because a wrong token in the Secret kills the gateway.
fn verify(plan: &Plan, claims: &Claims) -> Result<()> {
    if !claims.gateway.eq_ignore_ascii_case(&plan.gateway.name) {
        return Err(Error::failed(format!(
            "Azure answered with a token of gateway `{}`, not of `{}`; nothing was written",
            claims.gateway, plan.gateway.name
        )));
    }
    if claims.expires_at != plan.expires_at {
        let apart = in_words(claims.expires_at.duration_since(plan.expires_at));
        return Err(Error::failed(format!(
            "Azure answered with a token that expires at {}, {apart} off what was asked for; nothing was written",
            claims.expires_at
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
