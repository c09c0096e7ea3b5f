//! Variables of a container that the webhook of Azure Workload Identity leaves as they are.

use super::facts::{EntraFacts, WorkloadSide};
use super::step::{Part, Step};
use super::template::{client_id, is_same};
use crate::model::entra::{Id, Mode, OwnVariables, SettingValue};

/// What a variable has to be; `None` if that is not known.
fn wanted(facts: &EntraFacts, own: &OwnVariables, name: &str) -> Option<SettingValue> {
    let text = |value: &str| Some(SettingValue::Text(value.to_owned()));
    match name {
        OwnVariables::CLIENT_ID => {
            facts.app.as_ref().ok()?;
            Some(SettingValue::Id(client_id(facts)))
        }
        OwnVariables::TENANT_ID => Some(SettingValue::Id(Id::Known(facts.tenant))),
        OwnVariables::AUTHORITY => text(facts.authority.trim_end_matches('/')),
        // A container that sets all of them brings a token of its own.
        _ if !own.mix_with_the_webhook() => None,
        _ => text(&facts.webhook.as_ref().ok()?.as_ref()?.token_file),
    }
}

/// Whether a variable is right; `None` if that is not known.
fn is_right(facts: &EntraFacts, own: &OwnVariables, name: &str) -> Option<bool> {
    let value = own.value(name)?;
    let value = if name == OwnVariables::AUTHORITY {
        value.trim_end_matches('/')
    } else {
        value
    };
    Some(is_same(value, &wanted(facts, own, name)?))
}

/// The step if pods would sign in by what their container sets, and not by what a set-up
/// makes.
pub(super) fn contradiction(
    facts: &EntraFacts,
    workload: &WorkloadSide,
    mode: Mode,
    name: &str,
) -> Option<Step> {
    let own = &workload.own_variables;
    let is_wrong = |name: &&'static str| is_right(facts, own, name) == Some(false);
    let wrong: Vec<&'static str> = own.names().filter(is_wrong).collect();
    if mode != Mode::WorkloadIdentity || wrong.is_empty() {
        return None;
    }
    let said = wrong.iter().map(|name| {
        let set = OwnVariables::one_in_words(name, own.value(name));
        let right = match wanted(facts, own, name) {
            Some(SettingValue::Text(text)) => text,
            Some(SettingValue::Id(Id::Known(id))) => id.to_string(),
            _ => "the client id of the app".to_owned(),
        };
        format!("{set}, not {right}")
    });
    let said: Vec<String> = said.collect();
    let text = format!(
        "{name} sets {}, and the webhook leaves what is set as it is",
        said.join(", and ")
    );
    let removed: Vec<String> = wrong.iter().map(|name| format!("{name}-")).collect();
    Some(Step::stop(Part::Workload, text).hint(match &workload.owner {
        Some(owner) => format!("it belongs to {owner}: remove {} there", wrong.join(" and ")),
        None => format!(
            "remove what the webhook is to set: kubectl -n {} set env {} -c {} {}",
            facts.cluster.namespace,
            workload.workload.short(),
            workload.container,
            removed.join(" ")
        ),
    }))
}

/// The step, which also names the variables of which it is not known whether they are right.
pub(super) fn noting_unchecked(step: Step, facts: &EntraFacts, workload: &WorkloadSide, mode: Mode) -> Step {
    let own = &workload.own_variables;
    let unchecked = own.names().filter(|name| is_right(facts, own, name).is_none());
    let unchecked: Vec<&'static str> = unchecked.collect();
    if mode != Mode::WorkloadIdentity || unchecked.is_empty() {
        return step;
    }
    step.note(format!(
        "its container sets {} itself, which the webhook leaves as it is and which is not checked",
        unchecked.join(" and ")
    ))
}
