//! The owners of applications and of service principals.

use axum::http::StatusCode;
use serde_json::Value;

use super::super::directory::Reader;
use super::super::emulator::State;
use super::super::reply::Reply;
use super::super::route::Collection;
use super::failure::Failure;
use super::{Result, Session, odata, represent};

pub(super) fn list(session: &Session<'_>, state: &State) -> Result<Reply> {
    let (_, owners) = owned(session, state)?;
    let mut all: Vec<Value> = owners
        .iter()
        .filter_map(|id| object(session, state, id))
        .collect();
    all.sort_by_key(|it| it["id"].as_str().unwrap_or_default().to_owned());
    odata::page(session, "directoryObjects", all)
}

pub(super) fn add(session: &Session<'_>, state: &mut State) -> Result<Reply> {
    let (id, owners) = owned(session, state)?;
    session.require_managing(&owners)?;
    let body = session.body()?;
    let reference = body["@odata.id"].as_str().unwrap_or_default();
    let owner = reference.rsplit('/').next().unwrap_or_default().to_owned();
    object(session, state, &owner).ok_or_else(|| Failure::missing(&owner))?;
    if owners.iter().any(|it| it.eq_ignore_ascii_case(&owner)) {
        return Err(Failure::bad_request(
            "One or more added object references already exist for the following modified properties: 'owners'.",
        ));
    }
    change(session, state, &id, |owners| owners.push(owner));
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

pub(super) fn remove(session: &Session<'_>, state: &mut State) -> Result<Reply> {
    let (id, owners) = owned(session, state)?;
    session.require_managing(&owners)?;
    let is_it = |it: &String| it.eq_ignore_ascii_case(session.child());
    if !owners.iter().any(is_it) {
        return Err(Failure::missing(session.child()));
    }
    change(session, state, &id, |owners| owners.retain(|it| !is_it(it)));
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// The id of the object and its owners.
fn owned(session: &Session<'_>, state: &State) -> Result<(String, Vec<String>)> {
    if session.route.collection == Collection::Applications {
        let found = session.application(state)?;
        Ok((found.id.clone(), found.owners.clone()))
    } else {
        let found = session.service_principal(state)?;
        Ok((found.id.clone(), found.owners.clone()))
    }
}

fn change(session: &Session<'_>, state: &mut State, id: &str, change: impl FnOnce(&mut Vec<String>)) {
    let directory = &mut state.directory;
    if session.route.collection == Collection::Applications {
        directory
            .applications
            .change(id, session.now, |it| change(&mut it.owners));
    } else {
        directory
            .service_principals
            .change(id, session.now, |it| change(&mut it.owners));
    }
}

/// A user, a service principal or an application with its type, if requests see it.
pub(super) fn object(session: &Session<'_>, state: &State, id: &str) -> Option<Value> {
    let directory = &state.directory;
    if let Some(user) = directory.user(id) {
        return Some(represent::user(user));
    }
    let reader = Reader::Api(session.now);
    if let Some(principal) = directory.service_principals.get(id, reader) {
        let mut body = represent::service_principal(principal);
        body["@odata.type"] = "#microsoft.graph.servicePrincipal".into();
        return Some(body);
    }
    let application = directory.applications.get(id, reader)?;
    let mut body = represent::application(application, false);
    body["@odata.type"] = "#microsoft.graph.application".into();
    Some(body)
}
