use uuid::Uuid;

use super::effects::{Arrived, Failure, Ids, Known, SetupEffects, Undone};
use crate::apply::Proof;
use crate::error::Result;
use crate::model::entra::facts::EntraFacts;
use crate::output::Output;
use crate::plan::entra::{Action, Part, SetupPlan, SetupProof, Step, StepMark, StepOutcome};

/// How a set-up ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupOutcome {
    /// In the order of the plan's steps.
    pub outcomes: Vec<StepOutcome>,
    pub proof: SetupProof,
}

/// The order of the effects.
pub(super) struct Order<'a, E> {
    effects: &'a mut E,
    plan: &'a SetupPlan,
    output: &'a Output,
    namespace: &'a str,
    /// Whether to wait for the proof by pods.
    wait: bool,
    known: Known,
    /// What was not done.
    lacking: Vec<Part>,
    /// Whether this run has written something.
    is_new: bool,
    /// Whether pods can present what this run set up.
    arrived: Option<Arrived>,
    /// What no pod uses, to be removed once the Secret holds another
    /// credential.
    left_over: Vec<Uuid>,
    /// What is removed once pods have proved another one.
    previous: Option<&'a Step>,
    /// Whether this run has replaced pods.
    is_replaced: bool,
    /// The step that only proves.
    earlier: Option<&'a Action>,
    proof: SetupProof,
}

impl<'a, E: SetupEffects> Order<'a, E> {
    pub(super) fn new(
        effects: &'a mut E,
        (plan, facts): (&'a SetupPlan, &'a EntraFacts),
        output: &'a Output,
        wait: bool,
    ) -> Self {
        Self {
            effects,
            plan,
            output,
            namespace: &facts.cluster.namespace,
            wait,
            known: Known::of(facts),
            lacking: Vec::new(),
            is_new: false,
            arrived: None,
            left_over: Vec::new(),
            previous: None,
            is_replaced: false,
            earlier: None,
            proof: SetupProof::NotNeeded,
        }
    }

    /// Carries out the plan. A step that fails ends only those that need it.
    pub(super) async fn run(mut self) -> SetupOutcome {
        let steps = self.plan.steps.iter().enumerate();
        let actions: Vec<(usize, &Action)> = steps
            .filter_map(|(at, step)| Some((at, step.to_apply()?)))
            .collect();
        let mut outcomes: Vec<StepOutcome> = Vec::new();
        if let Err((refused, failure)) = self.effects.rehearse(&actions).await {
            self.owes(&failure);
            let outcome = |(at, step): (usize, &Step)| match step.to_apply() {
                None => StepOutcome::Untouched,
                Some(_) if at == refused => failure.outcome(),
                Some(_) => StepOutcome::NotReached,
            };
            outcomes.extend(self.plan.steps.iter().enumerate().map(outcome));
            return self.outcome(outcomes);
        }
        for step in &self.plan.steps {
            let outcome = self.step(step).await;
            // Without the workload, the rest can be asked about.
            let is_missing = match step.mark {
                StepMark::Missing => step.part != Part::Workload,
                // Nothing was tried for it.
                StepMark::Unknown => {
                    step.action.is_none() && !step.by_sign_in && step.part.makes_who_signs_in()
                }
                _ => false,
            };
            if is_missing || !matches!(outcome, StepOutcome::Untouched | StepOutcome::Done(_)) {
                self.lacking.push(step.part);
            }
            outcomes.push(outcome);
        }
        self.finish(&mut outcomes).await;
        self.outcome(outcomes)
    }

    async fn step(&mut self, step: &'a Step) -> StepOutcome {
        let Some(action) = step.to_apply() else {
            return StepOutcome::Untouched;
        };
        if step.part.needs().iter().any(|part| self.lacking.contains(part)) {
            return StepOutcome::NotReached;
        }
        if matches!(action, Action::Prove { .. }) {
            self.earlier = Some(action);
            return StepOutcome::Untouched;
        }
        if step.part == Part::PreviousCredential {
            self.previous = Some(step);
            return StepOutcome::Untouched;
        }
        if step.part == Part::UnusedCredential {
            return self.remove_unused(step, action).await;
        }
        if action.replaces_pods() && !self.is_ready_for_pods().await {
            return StepOutcome::NotReached;
        }
        let ids = match self.effects.carry_out(action, &self.known).await {
            Ok(ids) => ids,
            Err(failure) => {
                self.owes(&failure);
                return failure.outcome();
            }
        };
        self.is_new = true;
        self.is_replaced |= action.replaces_pods();
        self.known.learn(action, &ids);
        self.output.step("done", &step.text);
        self.clean_up(action).await;
        StepOutcome::Done(ids)
    }

    fn owes(&mut self, failure: &Failure) {
        if let Some(owed) = failure.owed() {
            self.proof = SetupProof::Owed(owed);
        }
    }

    /// Removes what no pod uses, but not before the Secret holds another credential.
    async fn clean_up(&mut self, action: &Action) {
        match action {
            Action::AddSecret { remove, .. } | Action::AddCertificate { remove, .. } => {
                self.left_over.clone_from(remove);
            }
            Action::WriteSecret { .. } if !self.left_over.is_empty() => {
                let left_over = std::mem::take(&mut self.left_over);
                self.remove("remove what no pod uses", &left_over).await;
            }
            _ => {}
        }
    }

    async fn remove_unused(&mut self, step: &Step, action: &Action) -> StepOutcome {
        let Action::RemoveCredentials { remove } = action else {
            return StepOutcome::Untouched;
        };
        if !self.remove(&step.text, remove).await {
            return StepOutcome::Untouched;
        }
        self.output.step("done", &step.text);
        StepOutcome::Done(Ids::new())
    }

    /// Whether the credentials were removed. The set-up is done even if that fails: the
    /// next run tries it again.
    async fn remove(&mut self, doing: &str, credentials: &[Uuid]) -> bool {
        let removed = self.effects.remove(credentials).await;
        if let Err(error) = &removed {
            let text = format!("cannot {doing}, which the next run tries again: {error}");
            self.output.warning(&text);
            for hint in error.hints() {
                self.output.hint(hint);
            }
        }
        removed.is_ok()
    }

    /// Waits until Azure accepts what new pods will present.
    async fn is_ready_for_pods(&mut self) -> bool {
        let arrived = self.effects.arrival(&self.known, self.is_new).await;
        let is_ready = match &arrived {
            Arrived::Yes(evidence) => {
                self.output.step("accepted", evidence);
                true
            }
            Arrived::PodsDecide(why) => {
                self.output.step("unseen", why);
                true
            }
            Arrived::Refused(why) if self.plan.asks_sign_in() => {
                self.proof = SetupProof::Forbidden {
                    why: self.untouched(why),
                    hint: self.plan.hint_of_sign_in(),
                };
                false
            }
            Arrived::Refused(why) => {
                self.proof = SetupProof::Refused(self.untouched(why));
                false
            }
            Arrived::Forbidden { why, hint } => {
                self.proof = SetupProof::Forbidden {
                    why: self.untouched(why),
                    hint: hint.clone(),
                };
                false
            }
            Arrived::NotYet(why) => {
                self.proof = SetupProof::Owed(why.clone());
                false
            }
        };
        self.arrived = Some(arrived);
        is_ready
    }

    /// Why Azure refuses what no pod presents yet.
    fn untouched(&self, why: &str) -> String {
        if self.has_workload() {
            format!("{why}; the workload was not changed")
        } else {
            why.to_owned()
        }
    }

    fn has_workload(&self) -> bool {
        self.plan.steps.iter().any(|step| step.part == Part::Workload)
    }

    async fn finish(&mut self, outcomes: &mut [StepOutcome]) {
        if self.is_replaced || self.earlier.is_some() {
            if self.wait {
                self.prove(outcomes).await;
            } else if self.earlier.is_some() {
                self.record(false).await;
            }
        } else if self.arrived.is_none() && self.lacking.is_empty() {
            // No pod proves anything in this run, and whether an earlier one was refused is
            // recorded nowhere.
            self.is_ready_for_pods().await;
            if let (Some(Arrived::PodsDecide(why)), true) = (&self.arrived, self.has_workload()) {
                let why = why.clone();
                self.proof = if self.is_new {
                    SetupProof::Owed(format!(
                        "nothing has read the gateway's configuration since: {why}"
                    ))
                } else {
                    SetupProof::Unseen(why)
                };
            }
            let mut steps = self.plan.steps.iter();
            let unfinished = steps.find(|step| step.part == Part::Proof && step.action.is_none());
            if let (Some(step), SetupProof::NotNeeded | SetupProof::Unseen(_)) = (unfinished, &self.proof) {
                self.proof = SetupProof::Owed(step.text.clone());
            }
        }
    }

    async fn prove(&mut self, outcomes: &mut [StepOutcome]) {
        self.proof = match self.effects.prove(self.earlier).await {
            Proof::Proved(evidence) => {
                self.output.step("proved", &evidence);
                self.record(true).await;
                self.remove_previous(outcomes).await;
                SetupProof::Proved
            }
            Proof::Undecided(missing) => SetupProof::Owed(missing),
            Proof::Refused(refusal) => {
                let undone = self.effects.put_back().await;
                let text = format!("{}; {}", refusal.evidence, self.in_words(undone));
                self.is_put_back(outcomes, &text);
                SetupProof::Refused(text)
            }
        };
    }

    /// What became of the workload.
    fn in_words(&self, undone: Result<Undone>) -> String {
        let mut actions = self.plan.steps.iter().filter_map(Step::to_apply);
        let workload = actions.find_map(Action::workload);
        let command = workload.map_or_else(String::new, |workload| {
            let name = workload.short();
            format!("; put it back: kubectl -n {} rollout undo {name}", self.namespace)
        });
        match undone {
            Ok(Undone::Done { kept, left }) => {
                let except = match kept.as_slice() {
                    [] => String::new(),
                    kept => format!(", except what something else has changed: {}", kept.join(", ")),
                };
                let left = left.map(|left| format!("; {left}")).unwrap_or_default();
                format!("the workload is as it was before{except}{left}")
            }
            Ok(Undone::ByEarlierRun) => {
                format!("an earlier run changed the workload, which was not put back{command}")
            }
            Err(error) => format!("the workload could not be put back: {error}{command}"),
        }
    }

    async fn remove_previous(&mut self, outcomes: &mut [StepOutcome]) {
        let Some(step) = self.previous.take() else { return };
        let Some(Action::RemoveCredentials { remove }) = step.to_apply() else {
            return;
        };
        if !self
            .remove("remove the previous credential of the app", remove)
            .await
        {
            return;
        }
        self.output.step("done", &step.text);
        let steps = self.plan.steps.iter().zip(outcomes);
        for (_, outcome) in steps.filter(|(it, _)| it.part == Part::PreviousCredential) {
            *outcome = StepOutcome::Done(Ids::new());
        }
    }

    /// The set-up is done even if that fails.
    async fn record(&mut self, is_proved: bool) {
        if let Err(error) = self.effects.record(self.earlier, is_proved).await {
            self.output.warning(&format!(
                "cannot record the end of this set-up on the workload, so the next run proves it again: {error}"
            ));
        }
    }

    /// The change of the workload did not last.
    fn is_put_back(&self, outcomes: &mut [StepOutcome], why: &str) {
        for (step, outcome) in self.plan.steps.iter().zip(outcomes) {
            if step.to_apply().is_some_and(Action::replaces_pods) {
                *outcome = StepOutcome::Failed(why.to_owned());
            }
        }
    }

    fn outcome(self, outcomes: Vec<StepOutcome>) -> SetupOutcome {
        SetupOutcome {
            outcomes,
            proof: self.proof,
        }
    }
}

#[cfg(test)]
mod tests;
