//! Microsoft.Authorization: role definitions and role assignments.
//!
//! Codes and messages are those of the service's documentation and of reports; where a message is ours, the item that
//! makes it mentions it.

mod assignments;
mod definitions;
mod query;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::emulator::State;
use super::super::identity::contains;
use super::super::operation::Operation;
use super::super::reply::Reply;
use super::super::roles::Lock;
use super::failure::Failure;
use super::{Admitted, Result, services};

const VERSIONS: [&str; 4] = [
    "2018-01-01-preview",
    "2020-10-01-preview",
    "2022-04-01",
    "2022-05-01-preview",
];

pub(super) fn answer(request: &Admitted<'_>, state: &mut State, operation: Operation) -> Result<Reply> {
    match operation {
        Operation::ListRoleDefinitions
        | Operation::GetRoleDefinition
        | Operation::PutRoleDefinition
        | Operation::DeleteRoleDefinition => request.require_version("roleDefinitions", &VERSIONS)?,
        _ => request.require_version("roleAssignments", &VERSIONS)?,
    }
    match operation {
        Operation::ListRoleDefinitions => definitions::list(request, state),
        Operation::GetRoleDefinition => definitions::get(request, state),
        Operation::PutRoleDefinition => definitions::put(request, state),
        Operation::DeleteRoleDefinition => definitions::delete(request, state),
        Operation::ListRoleAssignments => assignments::list(request, state),
        Operation::GetRoleAssignment => assignments::get(request, state),
        Operation::PutRoleAssignment => assignments::put(request, state),
        _ => assignments::delete(request, state),
    }
}

/// The locks at a scope, above it and below it.
pub(super) fn locks(request: &Admitted<'_>) -> Result<Reply> {
    request.require("Microsoft.Authorization/locks/read")?;
    request.require_version("locks", &["2016-09-01", "2020-05-01"])?;
    let scope = &request.route.scope;
    let is_seen = |lock: &&Lock| contains(&lock.scope, scope) || contains(scope, &lock.scope);
    let locks = request.locks.iter().filter(is_seen).enumerate();
    let found: Vec<Value> = locks.map(|(number, lock)| lock.json(number)).collect();
    Ok(Reply::json(StatusCode::OK, &json!({"value": found})))
}

/// Refuses a scope that does not exist, as far as it names what the emulator has.
fn require_scope(request: &Admitted<'_>, state: &State) -> Result<()> {
    let names = &request.route.names;
    if !names.service.is_empty() {
        return services::find(&state.inventory, names).map(|_| ());
    }
    if names.subscription.is_empty() {
        return Ok(());
    }
    let subscription = state.inventory.subscriptions.get(&names.subscription);
    let subscription = subscription.ok_or_else(|| Failure::subscription_not_found(&names.subscription))?;
    if names.resource_group.is_empty() || subscription.groups.get(&names.resource_group).is_some() {
        return Ok(());
    }
    Err(Failure::group_not_found(&names.resource_group))
}
