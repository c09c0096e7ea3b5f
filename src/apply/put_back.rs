use super::rotation::{Refused, Rotation};
use super::{Effects, Refusal, Write};
use crate::error::{Error, Kind, Result};
use crate::model::{SecretChange, WorkloadKind};
use crate::plan::{Mint, Outcome, OutcomeKind, replacement, restored_annotations};

impl<E: Effects> Rotation<'_, E> {
    /// Restores the previous credential, its annotations and the pod templates.
    pub(super) async fn put_back(mut self, outcome: Outcome, refused: &Refused) -> Outcome {
        self.output.step("refused", &refused.refusal.evidence);
        match self.restore_previous(refused.mint.noun()).await {
            Ok(()) => Outcome {
                kind: OutcomeKind::PutBack,
                record: None,
                error: Some(self.refused_error(refused).hint(format!(
                    "the previous {} is back in place; find out why Azure refused the {}",
                    refused.mint.previous(),
                    refused.mint
                ))),
                ..outcome
            },
            Err(cause) => outcome.owed(cause),
        }
    }

    /// Replaces a refused credential by another one, up to its restart. `Err`
    /// holds the outcome if the run ends there.
    pub(super) async fn replace(
        &mut self,
        outcome: Outcome,
        mint: Mint,
        refused: &Refused,
    ) -> Result<Outcome, Outcome> {
        let evidence = &refused.refusal.evidence;
        self.output.step("refused", evidence);
        let plan = replacement(self.plan, self.replacement_id.clone(), mint);
        let record = match self.mint_and_write(&plan).await {
            Ok(Some(record)) => record,
            Ok(None) => return Err(Outcome::yielded()),
            Err(cause) => {
                return Err(outcome.owed(Error::failed(format!(
                    "Azure refused the new {} ({evidence}), and replacing it failed: {cause}",
                    refused.mint.noun()
                ))));
            }
        };
        let mut replaced = Outcome::of(OutcomeKind::Replaced, record);
        match self.restart(&plan.workloads, &mut replaced).await {
            Ok(()) => Ok(replaced),
            Err(cause) => Err(replaced.owed(cause)),
        }
    }

    pub(super) fn replaced_error(&self, refused: &Refused, replacement: &Mint) -> Error {
        self.refused_error(refused).hint(format!(
            "a {replacement} replaced it; find out why Azure refused the {}",
            refused.mint
        ))
    }

    pub(super) fn replacement_not_proved(
        &self,
        refused: &Refused,
        replacement: &Mint,
        missing: &str,
    ) -> Error {
        let error = Error::failed(format!(
            "Azure refused a {} ({}), and its replacement, a {replacement}, is not proved: {missing}",
            refused.mint, refused.refusal.evidence
        ));
        match self.stuck_pod(&refused.refusal) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    fn refused_error(&self, refused: &Refused) -> Error {
        let error = Error::new(
            Kind::PutBack,
            format!(
                "Azure refused the new {}: {}",
                refused.mint.noun(),
                refused.refusal.evidence
            ),
        );
        match self.stuck_pod(&refused.refusal) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    /// A StatefulSet waits for its broken pod even after the pod template is
    /// restored (kubernetes.io, "StatefulSets", forced rollback).
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

    async fn restore_previous(&mut self, noun: &str) -> Result<()> {
        let secret = &self.snapshot.secret;
        let change = SecretChange {
            data: self.previous.data.clone(),
            annotations: restored_annotations(&self.previous.annotations),
        };
        if self.effects.write_secret(&change).await? == Write::Yielded {
            return Ok(());
        }
        self.output.step(
            "put back",
            &format!("the previous {noun} in secret/{}", secret.version.name),
        );
        for facts in &self.snapshot.workloads {
            let workload = &facts.version.workload;
            if self.plan.workloads.contains(workload) {
                self.effects
                    .restart(workload, &facts.marks, secret.marks.rotation_id.as_deref())
                    .await?;
                self.output
                    .step("put back", &format!("the previous pods of {workload}"));
            }
        }
        Ok(())
    }
}
