//! A sign-in by Entra in full.

use super::layout::{Section, UNKNOWN, sourced};
use crate::model::entra::{CLIENT_ID_ANNOTATION, OwnVariables};
use crate::model::{Auth, EntraSignIn, GatewayFacts, annotation, known, setting};
use crate::plan::Assessment;
use crate::plan::entra::{Link, LinkState};
use crate::report::status::entra::{part_name, state_of};
use crate::report::table::Severity;

pub(super) fn section(facts: &GatewayFacts, sign_in: &EntraSignIn, assessment: &Assessment) -> Section {
    let mut section = Section::default();
    let client_id = match &sign_in.client_id {
        Ok(id) => sourced(&id.to_string(), &place_of_client_id(facts, sign_in)),
        Err(unavailable) => unavailable.cell().to_owned(),
    };
    section.line("Client ID", &client_id);
    if let Some(azure) = sign_in.azure.as_deref() {
        let app = known(&azure.application).map(|app| app.display_name.as_str());
        let principal = known(&azure.service_principal).map(|it| it.display_name.as_str());
        section.line("App", app.or(principal).unwrap_or(UNKNOWN));
    }
    if facts.auth == Auth::WorkloadIdentity {
        section.line("Service Account", &sign_in.service_account);
    }
    let recorded = sign_in.recorded().zip(facts.secret.as_ref());
    if let Some((id, secret)) =
        recorded.and_then(|(stored, (secret, _))| Some((stored.marks.app.key_id?, secret)))
    {
        let place = format!("annotation {} of secret/{secret}", annotation::KEY_ID);
        section.line("Key ID", &sourced(&id.to_string(), &place));
    }
    if !assessment.links.is_empty() {
        let mut parts = Section::default();
        for link in &assessment.links {
            part(&mut parts, link);
        }
        section.section("Parts", parts);
    }
    section
}

/// The container's own variable beats the annotation, and nothing but a record shows what a
/// Secret has.
fn place_of_client_id(facts: &GatewayFacts, sign_in: &EntraSignIn) -> String {
    let recorded = sign_in.recorded().and_then(|stored| stored.marks.app.client_id);
    let is_recorded = recorded.is_some() && sign_in.client_id.as_ref().ok() == recorded.as_ref();
    match &facts.secret {
        _ if sign_in.own_variables.sets(OwnVariables::CLIENT_ID) => {
            format!("variable {} of the container", OwnVariables::CLIENT_ID)
        }
        _ if facts.auth == Auth::WorkloadIdentity => {
            let account = &sign_in.service_account;
            format!("annotation {CLIENT_ID_ANNOTATION} of serviceaccount/{account}")
        }
        Some((secret, _)) if is_recorded => {
            format!("annotation {} of secret/{secret}", annotation::CLIENT_ID)
        }
        _ => format!("setting {}", setting::APP_CLIENT),
    }
}

fn part(parts: &mut Section, link: &Link) {
    let (state, why) = state_of(link);
    let severity = match link.state {
        LinkState::Ok => Severity::Good,
        LinkState::Wide(_) | LinkState::Unknown(_) => Severity::Warning,
        LinkState::Broken(_) => Severity::Bad,
    };
    let text = match why {
        Some(why) => format!("{state}  {why}"),
        None => state.to_owned(),
    };
    parts.colored(&part_name(link.part), &text, severity);
}
