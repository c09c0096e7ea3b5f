//! Applications.

use axum::http::StatusCode;
use axum::http::header::LOCATION;
use serde_json::{Map, Value};

use super::super::directory::{Application, Reader};
use super::super::emulator::State;
use super::super::reply::Reply;
use super::super::route::Key;
use super::failure::Failure;
use super::{Result, Session, credentials, is_application, odata, represent};

const AUDIENCES: [&str; 4] = [
    "AzureADMyOrg",
    "AzureADMultipleOrgs",
    "AzureADandPersonalMicrosoftAccount",
    "PersonalMicrosoftAccount",
];

pub(super) fn list(session: &Session<'_>, state: &State) -> Result<Reply> {
    let all = state.directory.applications.all(Reader::Api(session.now));
    let own = all.filter(|it| it.tenant == session.caller.tenant);
    let is_expanded = session.call.parameter("$expand").is_some();
    let all = own.map(|it| {
        let mut shown = represent::application(it, false);
        if is_expanded {
            let federated: Vec<Value> = it
                .federated_credentials
                .iter()
                .map(represent::federated)
                .collect();
            shown[odata::EXPANDED] = federated.into();
        }
        shown
    });
    let all = all.collect();
    odata::page(session, "applications", all)
}

pub(super) fn get(session: &Session<'_>, state: &State) -> Result<Reply> {
    let application = session.application(state)?;
    let selected = session.call.parameter("$select").unwrap_or_default();
    let with_keys = selected.split(',').any(|name| name.trim() == "keyCredentials");
    let body = represent::application(application, with_keys);
    odata::entity(session, StatusCode::OK, "applications", body)
}

pub(super) fn create(session: &Session<'_>, state: &mut State) -> Result<Reply> {
    let body = session.body()?;
    make(session, state, &body, None)
}

/// Changes the application of a unique name, or makes it where the caller prefers that.
///
/// Whether it is there already is known without delay, which is what keeps its name unique.
pub(super) fn upsert(session: &Session<'_>, state: &mut State) -> Result<Reply> {
    let body = session.body()?;
    let mut all = state.directory.applications.all_latest();
    let old = all.find(|it| it.tenant == session.caller.tenant && is_application(it, session.key()));
    let old = old.cloned();
    drop(all);
    match (old, session.key()) {
        (Some(old), _) if session.creates_if_missing() || session.find_application(state).is_ok() => {
            change(session, state, old, &body)
        }
        (None, Some(Key::UniqueName(name))) if session.creates_if_missing() => {
            make(session, state, &body, Some(name))
        }
        _ => Err(Failure::missing(session.name())),
    }
}

pub(super) fn update(session: &Session<'_>, state: &mut State) -> Result<Reply> {
    let body = session.body()?;
    let id = session.application(state)?.id.clone();
    let old = state.directory.applications.latest(&id).cloned();
    let old = old.ok_or_else(|| Failure::missing(session.name()))?;
    change(session, state, old, &body)
}

pub(super) fn list_deleted(session: &Session<'_>, state: &State) -> Result<Reply> {
    let all = state.directory.deleted_applications.iter();
    let own = all.filter(|it| it.tenant == session.caller.tenant);
    let all = own.map(|it| represent::application(it, false)).collect();
    odata::page(session, "directoryObjects", all)
}

/// Restores an application. Its service principal stays deleted, as the reference says.
pub(super) fn restore(session: &Session<'_>, state: &mut State) -> Result<Reply> {
    let id = session.route.child.clone().unwrap_or_default();
    let deleted = &mut state.directory.deleted_applications;
    let at = deleted
        .iter()
        .position(|it| it.id == id && it.tenant == session.caller.tenant);
    let at = at.ok_or_else(|| Failure::missing(&id))?;
    session.require_managing(&deleted[at].owners)?;
    let application = deleted.remove(at);
    let shown = represent::application(&application, false);
    state.directory.applications.write(&id, application, session.now);
    odata::entity(session, StatusCode::OK, "directoryObjects", shown)
}

/// Deletes the application and its service principal, and it can be restored; role assignments stay.
pub(super) fn delete(session: &Session<'_>, state: &mut State) -> Result<Reply> {
    let application = session.application(state)?;
    session.require_managing(&application.owners)?;
    let (id, app_id) = (application.id.clone(), application.app_id.clone());
    let application = application.clone();
    let directory = &mut state.directory;
    directory.deleted_applications.push(application);
    directory.applications.remove(&id, session.now);
    if let Some(principal) = directory.service_principal(&app_id) {
        let id = principal.id.clone();
        directory.service_principals.remove(&id, session.now);
    }
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn make(session: &Session<'_>, state: &mut State, body: &Value, unique_name: Option<&str>) -> Result<Reply> {
    session.require_creating(&state.directory.tenant(&session.caller.tenant))?;
    let mut application = Application {
        unique_name: unique_name.map(str::to_owned),
        created: session.now,
        owners: session.first_owners(),
        ..Application::new(&session.caller.tenant, "")
    };
    apply(session, state, &mut application, body)?;
    if application.display_name.is_empty() {
        return Err(Failure::bad_request(
            "Property displayName is required and cannot be empty.",
        ));
    }
    let (id, shown) = (
        application.id.clone(),
        represent::application(&application, false),
    );
    state.directory.applications.write(&id, application, session.now);
    let location = format!(
        "{}/v2/{}/directoryObjects/{id}/Microsoft.DirectoryServices.Application",
        session.call.base, session.caller.tenant
    );
    let reply = odata::entity(session, StatusCode::CREATED, "applications", shown)?;
    Ok(reply.header(LOCATION, location))
}

fn change(
    session: &Session<'_>,
    state: &mut State,
    mut application: Application,
    body: &Value,
) -> Result<Reply> {
    session.require_managing(&application.owners)?;
    apply(session, state, &mut application, body)?;
    let id = application.id.clone();
    state.directory.applications.write(&id, application, session.now);
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// Sets the properties that a body mentions; the messages of its refusals are ours but for the one about passwords.
fn apply(session: &Session<'_>, state: &State, application: &mut Application, body: &Value) -> Result<()> {
    let known = represent::others();
    for (name, value) in body.as_object().unwrap_or(&Map::new()) {
        match name.as_str() {
            "displayName" => {
                let text = value.as_str().filter(|text| (1..=256).contains(&text.len()));
                let text = text.ok_or_else(|| invalid(name))?;
                text.clone_into(&mut application.display_name);
            }
            "signInAudience" => {
                let text = value.as_str().filter(|text| AUDIENCES.contains(text));
                let text = text.ok_or_else(|| invalid(name))?;
                text.clone_into(&mut application.sign_in_audience);
            }
            "uniqueName" => set_unique_name(application, value)?,
            "isDisabled" => application.disabled = value.as_bool().unwrap_or_default(),
            "keyCredentials" => {
                let tenant = state.directory.tenant(&application.tenant);
                application.keys = credentials::replace_keys(&application.keys, value, &tenant, session.now)?;
            }
            "passwordCredentials"
                if value.as_array().is_none_or(Vec::is_empty) && application.passwords.is_empty() => {}
            "passwordCredentials" => {
                return Err(Failure::bad_request(
                    "New password credentials must be generated with service actions.",
                ));
            }
            _ if name.starts_with("@odata.") => {}
            _ if known.get(name).is_some() => {
                application.other.insert(name.clone(), value.clone());
            }
            _ => return Err(invalid(name)),
        }
    }
    let mut others = state.directory.applications.all_latest();
    let is_taken = application.unique_name.is_some()
        && others.any(|it| {
            it.id != application.id
                && it.tenant == application.tenant
                && it.unique_name.as_ref().map(|name| name.to_lowercase())
                    == application.unique_name.as_ref().map(|name| name.to_lowercase())
        });
    if is_taken {
        let message = "Another object with the same value for property uniqueName already exists.";
        return Err(Failure::conflict("uniqueName", message));
    }
    Ok(())
}

/// Sets the unique name, which stays what it is once it is set.
fn set_unique_name(application: &mut Application, value: &Value) -> Result<()> {
    let new = value.as_str().map(str::to_owned);
    match &application.unique_name {
        Some(old) if new.as_ref().is_none_or(|new| new != old) => Err(Failure::bad_request(
            "Property uniqueName is immutable and cannot be changed.",
        )),
        _ => {
            application.unique_name = new;
            Ok(())
        }
    }
}

fn invalid(name: &str) -> Failure {
    let message = format!("Property {name} in payload has a value that does not match schema.");
    Failure::bad_request(&message).detail("InvalidValue", name, &message)
}
