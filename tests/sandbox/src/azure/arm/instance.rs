//! Changes of an API Management service: of its identity alone, for the rest never changes here.
//!
//! That a service answers 409 to a second change is known, its code and message are not documented: these are ours.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::http::header::{LOCATION, RETRY_AFTER};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::emulator::State;
use super::super::instance::{NewIdentity, Update};
use super::super::inventory::Inventory;
use super::super::operation::Operation;
use super::super::reply::Reply;
use super::failure::Failure;
use super::{Admitted, Result, services};

/// PATCH answers 202 with a `Location`; PUT answers 200 at once, with a service that is `Updating`.
pub(super) fn write(request: &Admitted<'_>, state: &mut State) -> Result<Reply> {
    request.require("Microsoft.ApiManagement/service/write")?;
    let names = &request.route.names;
    let service = services::find(&state.inventory, names)?;
    if service.is_updating() {
        let message = format!(
            "The API Service {} is transitioning at this time. Please try the request again later.",
            service.names.service
        );
        return Err(Failure::conflict("ServiceLocked", &message));
    }
    let body = request.object()?;
    let identity = identity(request, state, &body["identity"])?;
    let now = state.clock.now();
    let update = Update {
        id: Uuid::new_v4().simple().to_string(),
        until: now + state.inventory.update_time,
        identity: identity.map(|identity| (request.principal.tenant.clone(), identity)),
    };
    let location = format!(
        "{}{}/operationresults/{}?api-version={}",
        request.call.base,
        service.names.service_id(),
        update.id,
        request.api_version
    );
    let service = state
        .inventory
        .service_mut(names)
        .ok_or_else(|| Failure::service_not_found(names))?;
    service.update = Some(update);
    if request.route.verb.operation() == Operation::PutService {
        service.settle(&mut state.directory, now);
        return Ok(Reply::json(StatusCode::OK, &services::describe(request, service)));
    }
    Ok(accepted(location))
}

pub(super) fn result(request: &Admitted<'_>, inventory: &Inventory) -> Result<Reply> {
    request.require("Microsoft.ApiManagement/service/operationresults/read")?;
    let service = services::find(inventory, &request.route.names)?;
    let update = service
        .update
        .as_ref()
        .filter(|update| request.route.leaf == [update.id.as_str()]);
    update.ok_or_else(|| Failure::not_found("ResourceNotFound", "The operation result was not found."))?;
    if service.is_updating() {
        return Ok(accepted(format!("{}{}", request.call.base, request.call.path)));
    }
    Ok(Reply::json(StatusCode::OK, &services::describe(request, service)))
}

fn accepted(location: String) -> Reply {
    Reply::empty(StatusCode::ACCEPTED)
        .header(LOCATION, location)
        .header(RETRY_AFTER, "1")
}

/// What the identity becomes; nothing if the body does not mention it.
///
/// `SystemAssigned` alone drops the user-assigned identities. That a user-assigned identity which is not sent again is
/// dropped too is not documented: the emulator is strict.
fn identity(request: &Admitted<'_>, state: &State, identity: &Value) -> Result<Option<NewIdentity>> {
    if identity.is_null() {
        return Ok(None);
    }
    let kinds: Vec<String> = identity["type"]
        .as_str()
        .unwrap_or_default()
        .split(',')
        .map(|kind| kind.trim().to_lowercase())
        .collect();
    let has = |kind: &str| kinds.iter().any(|it| it == kind);
    let known = ["systemassigned", "userassigned", "none"];
    if !kinds.iter().all(|kind| known.contains(&kind.as_str())) || (has("none") && kinds.len() > 1) {
        return Err(Failure::bad_request(
            "InvalidIdentityType",
            "The identity type is invalid. It is 'None', 'SystemAssigned', 'UserAssigned' or 'SystemAssigned, \
             UserAssigned'.",
        ));
    }
    let mut user_assigned = BTreeMap::new();
    if has("userassigned") {
        for (id, value) in identity["userAssignedIdentities"]
            .as_object()
            .into_iter()
            .flatten()
        {
            // A null removes one.
            if !value.is_null() {
                let ids = assign(request, state, id)?;
                check_value(id, value, &ids)?;
                user_assigned.insert(id.clone(), ids);
            }
        }
    }
    Ok(Some(NewIdentity {
        is_system_assigned: has("systemassigned"),
        user_assigned,
    }))
}

/// Refuses a value that is neither empty nor what the service shows.
fn check_value(id: &str, value: &Value, [principal, client]: &[String; 2]) -> Result<()> {
    let is_empty = value.as_object().is_some_and(serde_json::Map::is_empty);
    if is_empty || *value == json!({"principalId": principal, "clientId": client}) {
        return Ok(());
    }
    let message = format!(
        "Invalid value for the identities '{id}'. The 'UserAssignedIdentities' property keys should only be empty json \
         objects, null or the resource existing property."
    );
    Err(Failure::bad_request("InvalidIdentityValues", &message))
}

/// The principal id and the client id of an identity that the caller may assign.
fn assign(request: &Admitted<'_>, state: &State, id: &str) -> Result<[String; 2]> {
    let action = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action";
    if !request.principal.may(action, id) {
        return Err(Failure::linked_forbidden(
            &request.principal.client_id,
            &request.principal.object_id,
            &request.route.scope,
            action,
            id,
        ));
    }
    let found = state.directory.identities.latest(id);
    let found = found.ok_or_else(|| {
        let message = format!(
            "Identity operation for resource '{}' failed with error 'Failed to perform resource identity operation. \
             Status: 'BadRequest'. Response: '{{\"error\":{{\"code\":\"BadRequest\",\"message\":\"Resource '{id}' was \
             not found.\"}}}}'.",
            request.route.scope
        );
        Failure::bad_request("FailedIdentityOperation", &message)
    })?;
    Ok([found.principal_id.clone(), found.client_id.clone()])
}
