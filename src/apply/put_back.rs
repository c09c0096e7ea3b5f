use super::rotation::{Refused, Rotation};
use super::{Effects, Marked, Refusal, Write};
use crate::error::{Error, Kind, Result};
use crate::model::{PutBack, Snapshot, TemplateBefore, WorkloadKind, WorkloadRef};
use crate::output::Output;
use crate::plan::{Marking, Mint, Outcome, OutcomeKind, Plan, put_back_change, replacement};

impl<E: Effects> Rotation<'_, E> {
    /// Restores the previous credential, its annotations and the pod templates.
    pub(super) async fn put_back(self, outcome: Outcome, refused: &Refused) -> Outcome {
        self.output.step("refused", &refused.refusal.evidence);
        let noun = refused.record.mint.noun();
        let put_back = self.owed_after(refused);
        let change = put_back_change(self.previous.data.clone(), &self.previous.annotations, &put_back);
        match self.effects.write_secret(&change).await {
            Ok(Write::Done { .. }) => {}
            Ok(Write::Yielded) => return outcome.superseded(),
            Ok(Write::ChangedByOther(error)) => return outcome.without_record().owed(error),
            Err(error) if error.kind() == Kind::Unknown => return Outcome::failed(error),
            Err(error) => return outcome.owed(error),
        }
        // From here on the Secret does not hold the refused credential.
        let outcome = Outcome {
            kind: OutcomeKind::PutBack,
            ..outcome.without_record()
        };
        let secret = &self.snapshot.secret.version.name;
        self.output
            .step("put back", &format!("the previous {noun} in secret/{secret}"));
        let error = self.refused_error(refused);
        match restore_templates(self.effects, self.output, &put_back, &self.plan.workloads).await {
            Ok(_) => Outcome {
                error: Some(error.hint(format!(
                    "the previous {} is back in place; find out why Azure refused the {}",
                    refused.record.mint.previous(),
                    refused.record.mint
                ))),
                ..outcome
            },
            Err(cause) => outcome.owed(Error::failed(format!(
                "{error}; the previous {noun} is back in secret/{secret}, but the pods are not restored: {cause}"
            ))),
        }
    }

    /// What putting a refused credential back will owe to the pod templates.
    fn owed_after(&self, refused: &Refused) -> PutBack {
        let restarted = self.snapshot.workloads.iter();
        let workloads = restarted.filter(|facts| self.plan.workloads.contains(&facts.version.workload));
        PutBack {
            refused: refused.record.rotation_id.clone(),
            restarted_at: refused.record.rotated_at.to_string(),
            replaced: self.plan.replaces.clone(),
            workloads: workloads
                .map(|facts| TemplateBefore {
                    kind: facts.version.workload.kind,
                    name: facts.version.workload.name.clone(),
                    marks: facts.marks.template.clone(),
                })
                .collect(),
        }
    }

    /// Replaces a refused credential by another one, up to its restart. `Err`
    /// holds the outcome if the run ends there.
    pub(super) async fn replace(
        &mut self,
        outcome: Outcome,
        mint: Mint,
        refused: &Refused,
    ) -> Result<(Outcome, Plan), Outcome> {
        let evidence = &refused.refusal.evidence;
        self.output.step("refused", evidence);
        let plan = replacement(self.plan, self.replacement_id.clone(), mint);
        let record = match self.mint_and_write(&plan).await {
            Ok(Some(record)) => record,
            Ok(None) => return Err(outcome.superseded()),
            Err(cause) if cause.kind() == Kind::Unknown => return Err(Outcome::failed(cause)),
            Err(cause) => {
                return Err(outcome.owed(Error::failed(format!(
                    "Azure refused the new {} ({evidence}), and replacing it failed: {cause}",
                    refused.record.mint.noun()
                ))));
            }
        };
        let replaced = Outcome::of(OutcomeKind::Replaced, record);
        let replaced = self.restart(&plan, &plan.workloads, replaced).await?;
        Ok((replaced, plan))
    }

    pub(super) fn replaced_error(&self, refused: &Refused, replacement: &Mint) -> Error {
        self.refused_error(refused).hint(format!(
            "a {replacement} replaced it; find out why Azure refused the {}",
            refused.record.mint
        ))
    }

    /// Another run would only mint two credentials more.
    pub(super) fn both_refused_error(&self, first: &Refused, second: &Refused) -> Error {
        let (mint, evidence) = (&second.record.mint, &second.refusal.evidence);
        let error = Error::new(
            Kind::PutBack,
            format!(
                "Azure refused a {} ({}), and its replacement, a {mint}, as well: {evidence}",
                first.record.mint, first.refusal.evidence
            ),
        );
        let error = self.with_stuck_pod(error, &second.refusal);
        error.hint(
            "find out why Azure refuses both, and run the same command again: it replaces the second one",
        )
    }

    pub(super) fn replacement_not_proved(
        &self,
        refused: &Refused,
        replacement: &Mint,
        missing: &str,
    ) -> Error {
        let error = Error::failed(format!(
            "Azure refused a {} ({}), and its replacement, a {replacement}, is not proved: {missing}",
            refused.record.mint, refused.refusal.evidence
        ));
        self.with_stuck_pod(error, &refused.refusal)
    }

    fn refused_error(&self, refused: &Refused) -> Error {
        let error = Error::new(
            Kind::PutBack,
            format!(
                "Azure refused the new {}: {}",
                refused.record.mint.noun(),
                refused.refusal.evidence
            ),
        );
        self.with_stuck_pod(error, &refused.refusal)
    }

    /// Names the pod to delete: a StatefulSet waits for its broken pod even after
    /// the pod template is restored (kubernetes.io, "StatefulSets", forced rollback).
    fn with_stuck_pod(&self, error: Error, refusal: &Refusal) -> Error {
        let mut kinds = self.plan.workloads.iter().map(|workload| workload.kind);
        match &refusal.pod {
            Some(pod) if kinds.any(|kind| kind == WorkloadKind::StatefulSet) => {
                let namespace = &self.plan.namespace;
                error.hint(format!(
                    "a StatefulSet does not replace a broken pod by itself: kubectl -n {namespace} delete pod {pod}"
                ))
            }
            _ => error,
        }
    }
}

/// Does the rest of putting a refused credential back, which an earlier run has
/// recorded on the Secret. Nothing is minted.
pub async fn finish_put_back(
    effects: &mut impl Effects,
    snapshot: &Snapshot,
    put_back: &PutBack,
    output: &Output,
) -> Outcome {
    let secret = &snapshot.secret.version.name;
    let names = snapshot.workloads.iter().map(|facts| &facts.version.workload);
    let workloads: Vec<WorkloadRef> = names.cloned().collect();
    let outcome = Outcome {
        kind: OutcomeKind::PutBack,
        ..Outcome::yielded()
    };
    match restore_templates(effects, output, put_back, &workloads).await {
        Ok(restored) => Outcome {
            restarted: restored,
            error: Some(
                Error::new(
                    Kind::PutBack,
                    format!("Azure refused the credential of an earlier rotation of secret/{secret}"),
                )
                .hint(
                    "the previous one is back in place, and nothing was minted; find out why Azure refused it, and run \
                     the same command again for a new one",
                ),
            ),
            ..outcome
        },
        Err(cause) => outcome.owed(Error::failed(format!(
            "the previous credential is back in secret/{secret}, but the pods are not restored: {cause}"
        ))),
    }
}

/// Restores the pod templates of these workloads, and removes the record of what
/// was owed to them. Returns those that changed.
async fn restore_templates(
    effects: &mut impl Effects,
    output: &Output,
    put_back: &PutBack,
    workloads: &[WorkloadRef],
) -> Result<Vec<WorkloadRef>> {
    let marking = Marking::Restore(put_back.clone());
    let mut restored = Vec::new();
    let mut failure = None;
    for workload in workloads {
        match effects.mark(workload, &marking).await {
            Ok(Marked::Changed) => {
                output.step("put back", &format!("the previous pods of {workload}"));
                restored.push(workload.clone());
            }
            Ok(Marked::Unchanged) => {}
            // Another run has done it, or has written another credential.
            Ok(Marked::Superseded) => return Ok(restored),
            Err(error) => {
                failure.get_or_insert(error);
            }
        }
    }
    if let Some(error) = failure {
        return Err(error);
    }
    effects.forget_put_back(put_back, workloads).await?;
    Ok(restored)
}
