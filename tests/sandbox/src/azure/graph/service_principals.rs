//! Service principals.

use axum::http::StatusCode;
use serde_json::Value;

use super::super::directory::{GraphRights, Reader, ServicePrincipal, new_id};
use super::super::emulator::State;
use super::super::reply::Reply;
use super::super::route::Key;
use super::failure::Failure;
use super::{Result, Session, odata, owners, represent};

pub(super) fn list(session: &Session<'_>, state: &State) -> Result<Reply> {
    let all = state.directory.service_principals.all(Reader::Api(session.now));
    let own = all.filter(|it| it.tenant == session.caller.tenant);
    let all = own.map(represent::service_principal).collect();
    odata::page(session, "servicePrincipals", all)
}

pub(super) fn get(session: &Session<'_>, state: &State) -> Result<Reply> {
    let principal = session.service_principal(state)?;
    let body = represent::service_principal(principal);
    odata::entity(session, StatusCode::OK, "servicePrincipals", body)
}

pub(super) fn create(session: &Session<'_>, state: &mut State) -> Result<Reply> {
    let body = session.body()?;
    let app_id = body["appId"].as_str().unwrap_or_default();
    make(session, state, app_id)
}

/// Makes the service principal of an application that requests see.
///
/// To a caller with `Application.ReadWrite.OwnedBy` an application that is not there yet is somebody else's.
fn make(session: &Session<'_>, state: &mut State, app_id: &str) -> Result<Reply> {
    session.require_creating(&state.directory.tenant(&session.caller.tenant))?;
    let mut all = state.directory.applications.all(Reader::Api(session.now));
    let backing = all.find(|it| it.app_id.eq_ignore_ascii_case(app_id) && it.tenant == session.caller.tenant);
    let Some(backing) = backing else {
        if session.caller.graph == GraphRights::OwnedBy {
            return Err(Failure::forbidden(
                "When using this permission, the backing application of the service principal being created must in \
                 the local tenant",
            ));
        }
        let message = format!(
            "The appId '{app_id}' of the service principal does not reference a valid application object."
        );
        return Err(Failure::bad_request(&message).detail("NoBackingApplicationObject", "appId", &message));
    };
    session.require_managing(&backing.owners)?;
    let principal = ServicePrincipal {
        owners: session.first_owners(),
        created: session.now,
        ..ServicePrincipal::new(
            &session.caller.tenant,
            &new_id(),
            &backing.app_id,
            &backing.display_name,
        )
    };
    drop(all);
    if state.directory.service_principal(app_id).is_some() {
        let message = format!(
            "The service principal cannot be created, updated, or restored because the service principal name \
             {app_id} is already in use."
        );
        return Err(Failure::conflict("servicePrincipalNames", &message));
    }
    let (id, shown) = (principal.id.clone(), represent::service_principal(&principal));
    state
        .directory
        .service_principals
        .write(&id, principal, session.now);
    odata::entity(session, StatusCode::CREATED, "servicePrincipals", shown)
}

/// Changes a service principal, or makes it where the caller prefers that and names it by its application id.
pub(super) fn update(session: &Session<'_>, state: &mut State) -> Result<Reply> {
    let body = session.body()?;
    let id = match (session.find_service_principal(state), session.key()) {
        (Ok(found), _) => {
            session.require_managing(&found.owners)?;
            found.id.clone()
        }
        (Err(_), Some(Key::AppId(app_id))) if session.creates_if_missing() => {
            return match state.directory.service_principal(app_id) {
                None => make(session, state, app_id),
                Some(_) => Ok(Reply::empty(StatusCode::NO_CONTENT)),
            };
        }
        (Err(failure), _) => return Err(failure),
    };
    for (name, value) in body.as_object().into_iter().flatten() {
        match (name.as_str(), value.as_bool()) {
            ("accountEnabled", Some(is_enabled)) => {
                let principals = &mut state.directory.service_principals;
                principals.change(&id, session.now, |it| it.account_enabled = is_enabled);
            }
            ("appId", _) => {}
            (name, _) if name.starts_with("@odata.") => {}
            _ => {
                let message = format!("The emulator cannot change the property '{name}'.");
                return Err(Failure::bad_request(&message));
            }
        }
    }
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

pub(super) fn delete(session: &Session<'_>, state: &mut State) -> Result<Reply> {
    let principal = session.service_principal(state)?;
    session.require_managing(&principal.owners)?;
    let id = principal.id.clone();
    state.directory.service_principals.remove(&id, session.now);
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

pub(super) fn app_roles(session: &Session<'_>, state: &State) -> Result<Reply> {
    let principal = session.service_principal(state)?;
    let roles = principal.app_role_assignments.iter();
    let mut all: Vec<Value> = roles.map(|it| represent::app_role(it, principal)).collect();
    all.sort_by_key(|it| it["id"].as_str().unwrap_or_default().to_owned());
    odata::page(session, "appRoleAssignments", all)
}

/// The objects of these ids that there are.
pub(super) fn by_ids(session: &Session<'_>, state: &State) -> Result<Reply> {
    let body = session.body()?;
    let types = body["types"].as_array().into_iter().flatten();
    let types: Vec<String> = types
        .filter_map(Value::as_str)
        .map(|kind| format!("#microsoft.graph.{kind}"))
        .collect();
    let ids = body["ids"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let found = ids.filter_map(|id| owners::object(session, state, id));
    let mut all: Vec<Value> = found
        .filter(|it| types.is_empty() || types.iter().any(|kind| it["@odata.type"] == **kind))
        .collect();
    all.sort_by_key(|it| it["id"].as_str().unwrap_or_default().to_owned());
    odata::page(session, "directoryObjects", all)
}
