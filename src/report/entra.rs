//! The set-up of a sign-in by Entra, as text: the plan, its JSON, and scripts for
//! those who may do what the user may not.

mod az;
mod undo;

use std::collections::BTreeMap;

use serde::Serialize;

pub use az::{ScriptTarget, az_script};
pub use undo::undo_script;

use crate::model::one_line;
use crate::plan::entra::{Part, SetupPlan, Step, StepMark, StepOutcome};

/// The plan, a line for each step with its mark first. Notes and hints are
/// indented below it.
pub fn plan_lines(plan: &SetupPlan) -> String {
    let mut text = String::new();
    for step in &plan.steps {
        text += &format!("{} {}\n", step.mark.sign(), one_line(&step.text));
        for line in step.notes.iter().chain(&step.hints) {
            text += &format!("    {}\n", one_line(line));
        }
    }
    text
}

/// The output of `-o json`. A version gets new fields, but never changes existing
/// ones. Unknown values are omitted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SetupReport<'a> {
    api_version: &'static str,
    kind: &'static str,
    mode: &'static str,
    exit_code: u8,
    dry_run: bool,
    steps: Vec<StepLine<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StepLine<'a> {
    part: Part,
    mark: StepMark,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    notes: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    hints: &'a [String],
    /// The ids of what is there and of what was made.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    ids: BTreeMap<&'static str, &'a str>,
}

impl<'a> SetupReport<'a> {
    /// The report of a plan, with what became of its steps; a dry run has no
    /// outcomes.
    pub fn new(plan: &'a SetupPlan, outcomes: Option<&'a [StepOutcome]>, exit_code: u8) -> Self {
        let outcome = |at: usize| outcomes.and_then(|all| all.get(at));
        let steps = plan.steps.iter().enumerate();
        Self {
            api_version: "kubectl-apim/v1",
            kind: "EntraSetup",
            mode: plan.mode.as_str(),
            exit_code,
            dry_run: outcomes.is_none(),
            steps: steps.map(|(at, step)| StepLine::new(step, outcome(at))).collect(),
        }
    }

    pub fn into_json(self) -> String {
        // Its keys are texts, so serialization cannot fail.
        serde_json::to_string_pretty(&self)
            .map(|text| text + "\n")
            .unwrap_or_default()
    }
}

impl<'a> StepLine<'a> {
    fn new(step: &'a Step, outcome: Option<&'a StepOutcome>) -> Self {
        let mut ids: BTreeMap<&'static str, &'a str> =
            step.ids.iter().map(|(name, id)| (*name, id.as_str())).collect();
        let (word, error) = match outcome {
            None => (None, None),
            Some(StepOutcome::Untouched) => (Some("untouched"), None),
            Some(StepOutcome::Done(made)) => {
                ids.extend(made.iter().map(|(name, id)| (*name, id.as_str())));
                (Some("done"), None)
            }
            Some(StepOutcome::Forbidden(why)) => (Some("forbidden"), Some(why.as_str())),
            Some(StepOutcome::Failed(why)) => (Some("failed"), Some(why.as_str())),
            Some(StepOutcome::Unknown(why)) => (Some("unknown"), Some(why.as_str())),
            Some(StepOutcome::NotReached) => (Some("notReached"), None),
        };
        Self {
            part: step.part,
            mark: step.mark,
            text: &step.text,
            outcome: word,
            error,
            notes: &step.notes,
            hints: &step.hints,
            ids,
        }
    }
}

#[cfg(test)]
mod tests;
