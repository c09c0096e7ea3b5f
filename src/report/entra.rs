//! The set-up of a sign-in by Entra, as text: the plan, its JSON, and scripts for
//! those who may do what the user may not.

mod az;
mod undo;
mod values;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

pub use az::{ScriptCluster, ScriptTarget, az_script, left_out};
pub use undo::undo_script;
pub use values::Values;

use crate::model::one_line;
use crate::model::request::ConnectionFlags;
use crate::plan::entra::{Action, Part, SetupPlan, SetupProof, Step, StepMark, StepOutcome, capped};

/// The plan, a line for each step with its mark first. Notes, of each kind a few, and
/// hints are indented below it; the error that ends a plan has the hints of its step.
pub fn plan_lines(plan: &SetupPlan, connection: &ConnectionFlags) -> String {
    let ending = plan.steps.iter().position(|step| step.stops.is_some());
    let steps = plan.steps.iter().enumerate();
    let mut text = String::new();
    for line in steps.flat_map(|(at, step)| lines(step, Some(at) == ending)) {
        text += &connection.completed(&line);
        text.push('\n');
    }
    text
}

fn lines(step: &Step, is_ending: bool) -> impl Iterator<Item = String> {
    let first = format!("{} {}", step.mark.sign(), one_line(&step.text));
    let hints = step.hints.iter().filter(move |_| !is_ending);
    let below = capped(&step.notes).into_iter().chain(hints.cloned());
    std::iter::once(first).chain(below.map(|line| format!("    {}", one_line(&line))))
}

/// The objects of the cluster that were changed, a line for each; without outcomes those
/// that would be.
pub fn changed_objects(plan: &SetupPlan, outcomes: Option<&[StepOutcome]>) -> String {
    let mut names: Vec<String> = Vec::new();
    for (at, step) in plan.steps.iter().enumerate() {
        let is_changed = outcomes.is_none_or(|all| matches!(all.get(at), Some(StepOutcome::Done(_))));
        let name = step.to_apply().filter(|_| is_changed).and_then(object_name);
        names.extend(name.filter(|name| !names.contains(name)));
    }
    names.into_iter().map(|name| name + "\n").collect()
}

fn object_name(action: &Action) -> Option<String> {
    match action {
        Action::WriteServiceAccount { name, .. } => Some(format!("serviceaccount/{name}")),
        Action::WriteSecret { name, .. } | Action::AdoptCredential { name, .. } => {
            Some(format!("secret/{name}"))
        }
        Action::ConfigureWorkload { workload, .. } | Action::RestartWorkload { workload, .. } => {
            Some(workload.to_string())
        }
        _ => None,
    }
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
    gateway: String,
    steps: Vec<StepLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<ProofLine<'a>>,
    /// What the pod template needs.
    pod_template: Value,
    /// The same for the Helm chart, where it can be set there.
    #[serde(skip_serializing_if = "Option::is_none")]
    helm_values: Option<Value>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ProofLine<'a> {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
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

/// What became of a plan that was applied.
#[derive(Clone, Copy, Debug)]
pub struct Applied<'a> {
    /// In the order of the steps.
    pub outcomes: &'a [StepOutcome],
    pub proof: &'a SetupProof,
}

impl<'a> SetupReport<'a> {
    /// The report of a plan, with what became of it if it was applied.
    pub fn new(values: &Values<'a>, applied: Option<Applied<'a>>, dry_run: bool, exit_code: u8) -> Self {
        let plan = values.plan;
        let outcome = |at: usize| applied.and_then(|it| it.outcomes.get(at));
        let steps = plan.steps.iter().enumerate();
        Self {
            api_version: "kubectl-apim/v1",
            kind: "EntraSetup",
            mode: plan.mode.as_str(),
            exit_code,
            dry_run,
            gateway: values.gateway.to_string(),
            steps: steps.map(|(at, step)| StepLine::new(step, outcome(at))).collect(),
            proof: applied.map(|it| ProofLine::new(it.proof)),
            pod_template: values.pod_template(),
            helm_values: values.helm(),
        }
    }

    pub fn into_value(self, connection: &ConnectionFlags) -> Value {
        // Its keys are texts, so serialization cannot fail.
        let mut value = serde_json::to_value(&self).unwrap_or_default();
        complete_commands(&mut value, connection);
        value
    }
}

fn complete_commands(value: &mut Value, connection: &ConnectionFlags) {
    match value {
        Value::String(text) => *text = connection.completed(text).into_owned(),
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| complete_commands(item, connection)),
        Value::Object(fields) => fields
            .values_mut()
            .for_each(|field| complete_commands(field, connection)),
        _ => {}
    }
}

impl<'a> ProofLine<'a> {
    fn new(proof: &'a SetupProof) -> Self {
        let (state, reason) = match proof {
            SetupProof::Proved => ("proved", None),
            SetupProof::NotNeeded => ("notNeeded", None),
            SetupProof::Unseen(why) => ("unseen", Some(why.as_str())),
            SetupProof::Owed(why) => ("owed", Some(why.as_str())),
            SetupProof::Refused(why) => ("refused", Some(why.as_str())),
            SetupProof::Forbidden { why, .. } => ("forbidden", Some(why.as_str())),
        };
        Self { state, reason }
    }
}

/// The client id of the gateway's app, from the plan or from what was made.
pub fn client_id<'a>(plan: &'a SetupPlan, outcomes: &'a [StepOutcome]) -> Option<&'a str> {
    let planned = plan.steps.iter().map(|step| &step.ids);
    let made = outcomes.iter().filter_map(|outcome| match outcome {
        StepOutcome::Done(ids) => Some(ids),
        _ => None,
    });
    planned
        .chain(made)
        .find_map(|ids| ids.get("clientId"))
        .map(String::as_str)
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
