//! Role assignments.

use axum::http::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use super::super::super::directory::Reader;
use super::super::super::emulator::State;
use super::super::super::identity::contains;
use super::super::super::reply::Reply;
use super::super::super::roles::{RoleAssignment, subscription_of};
use super::super::failure::Failure;
use super::super::{Admitted, Result, page_of};
use super::definitions::digits;
use super::query;

/// What the directory answers about a principal id.
enum Found {
    Principal(&'static str),
    Application,
    Nothing,
}

pub(super) fn list(request: &Admitted<'_>, state: &State) -> Result<Reply> {
    request.require("Microsoft.Authorization/roleAssignments/read")?;
    let filter = request.call.parameter("$filter");
    let conditions = query::conditions(filter)?;
    let (mut at_scope, mut principal) = (false, None);
    for (name, value) in &conditions {
        match name.as_str() {
            "atscope" => at_scope = true,
            "principalid" if conditions.len() == 1 => principal = Some(value),
            "assignedto" => principal = Some(value),
            _ => return Err(query::unsupported(filter.unwrap_or_default())),
        }
    }
    let (scope, now) = (&request.route.scope, state.clock.now());
    let fits = |it: &&RoleAssignment| {
        (contains(&it.scope, scope) || (!at_scope && contains(scope, &it.scope)))
            && principal.is_none_or(|id| it.principal_id.eq_ignore_ascii_case(id))
    };
    let found = state.authorization.assignments.all(Reader::Api(now)).filter(fits);
    let found: Vec<Value> = found.map(RoleAssignment::json).collect();
    Ok(page_of(request, &found, state.authorization.page_size))
}

pub(super) fn get(request: &Admitted<'_>, state: &State) -> Result<Reply> {
    request.require("Microsoft.Authorization/roleAssignments/read")?;
    let (name, now) = (name(request), state.clock.now());
    let id = format!(
        "{}/providers/Microsoft.Authorization/roleAssignments/{name}",
        prefix(request)
    );
    let found = state.authorization.assignments.get(&id, Reader::Api(now));
    let found = found.ok_or_else(|| {
        let message = format!("The role assignment '{name}' is not found.");
        Failure::not_found("RoleAssignmentNotFound", &message)
    })?;
    Ok(Reply::json(StatusCode::OK, &found.json()))
}

pub(super) fn put(request: &Admitted<'_>, state: &mut State) -> Result<Reply> {
    request.require("Microsoft.Authorization/roleAssignments/write")?;
    super::require_scope(request, state)?;
    let assignment = read(request, state)?;
    let assignments = &state.authorization.assignments;
    let same = |it: &RoleAssignment| {
        it.scope.eq_ignore_ascii_case(&assignment.scope)
            && it.role.eq_ignore_ascii_case(&assignment.role)
            && it.principal_id.eq_ignore_ascii_case(&assignment.principal_id)
    };
    if let Some(old) = assignments.latest(&assignment.arm_id()) {
        if same(old) {
            return Ok(Reply::json(StatusCode::OK, &old.json()));
        }
        return Err(Failure::bad_request(
            "RoleAssignmentUpdateNotPermitted",
            "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
        ));
    }
    if let Some(old) = assignments.all_latest().find(|it| same(it)) {
        let message = format!(
            "The role assignment already exists. The ID of the existing role assignment is {}.",
            digits(&old.name)
        );
        return Err(Failure::conflict("RoleAssignmentExists", &message));
    }
    let subscription = subscription_of(&assignment.scope).map(str::to_lowercase);
    let in_it = |it: &&RoleAssignment| subscription_of(&it.scope).map(str::to_lowercase) == subscription;
    let most = state.authorization.most_assignments;
    if assignments.all_latest().filter(in_it).count() >= most {
        let message = format!(
            "The number of role assignments for the subscription exceeded the limit of {most}. No more role \
             assignments can be created."
        );
        return Err(Failure::bad_request("RoleAssignmentLimitExceeded", &message));
    }
    let (body, now) = (assignment.json(), state.clock.now());
    state
        .authorization
        .assignments
        .write(&assignment.arm_id(), assignment, now);
    Ok(Reply::json(StatusCode::CREATED, &body))
}

pub(super) fn delete(request: &Admitted<'_>, state: &mut State) -> Result<Reply> {
    request.require("Microsoft.Authorization/roleAssignments/delete")?;
    let id = format!(
        "{}/providers/Microsoft.Authorization/roleAssignments/{}",
        prefix(request),
        name(request)
    );
    let Some(old) = state.authorization.assignments.latest(&id).cloned() else {
        return Ok(Reply::empty(StatusCode::NO_CONTENT));
    };
    let now = state.clock.now();
    state.authorization.assignments.remove(&id, now);
    Ok(Reply::json(StatusCode::OK, &old.json()))
}

fn name<'a>(request: &'a Admitted<'_>) -> &'a str {
    request.route.leaf.first().map(String::as_str).unwrap_or_default()
}

/// The scope without a final slash, which the root scope is.
fn prefix<'a>(request: &'a Admitted<'_>) -> &'a str {
    request.route.scope.trim_end_matches('/')
}

/// Reads an assignment and checks its role and its principal.
fn read(request: &Admitted<'_>, state: &State) -> Result<RoleAssignment> {
    let (name, now) = (name(request), state.clock.now());
    if Uuid::try_parse(name).is_err() {
        return Err(Failure::bad_request(
            "InvalidRoleAssignmentId",
            &format!("The role assignment ID '{name}' is not valid. The role assignment ID must be a GUID."),
        ));
    }
    let body = request.object()?;
    let text = |field: &str| body["properties"][field].as_str().unwrap_or_default().to_owned();
    let role_id = text("roleDefinitionId");
    let role_name = role_id.rsplit('/').next().unwrap_or_default();
    let role = state.authorization.definitions.get(role_name, Reader::Api(now));
    let role = role.ok_or_else(|| {
        let message = format!(
            "The specified role definition with ID '{}' does not exist.",
            digits(role_name)
        );
        Failure::bad_request("RoleDefinitionDoesNotExist", &message)
    })?;
    let scope = request.route.scope.clone();
    if !role.is_assignable_at(&scope) {
        let message = format!(
            "The role assignment scope '{scope}' is not within the assignable scopes of the role definition '{}'.",
            digits(role_name)
        );
        return Err(Failure::bad_request(
            "RoleAssignmentScopeNotAssignableToRoleDefinition",
            &message,
        ));
    }
    let principal_id = text("principalId");
    if Uuid::try_parse(&principal_id).is_err() {
        return Err(Failure::bad_request(
            "InvalidPrincipalId",
            "A valid principal ID must be provided for role assignment.",
        ));
    }
    let principal_type = principal_type(
        request,
        state,
        &principal_id,
        &body["properties"]["principalType"],
    )?;
    Ok(RoleAssignment {
        name: name.to_owned(),
        principal_type,
        created: now,
        ..RoleAssignment::new(&scope, role, &principal_id)
    })
}

/// The type of the principal; if the caller gave one, a principal that the directory does not have is accepted.
fn principal_type(request: &Admitted<'_>, state: &State, id: &str, given: &Value) -> Result<String> {
    let now = state.clock.now();
    let found = if state
        .directory
        .service_principals
        .get(id, Reader::Api(now))
        .is_some()
    {
        Found::Principal("ServicePrincipal")
    } else if state.directory.user(id).is_some() {
        Found::Principal("User")
    } else if state.directory.applications.get(id, Reader::Api(now)).is_some() {
        Found::Application
    } else {
        Found::Nothing
    };
    let given = given.as_str();
    let known = ["User", "Group", "ServicePrincipal", "ForeignGroup", "Device"];
    if given.is_some_and(|given| !known.contains(&given)) {
        return Err(Failure::bad_request(
            "InvalidPrincipalType",
            "The principal type is not supported.",
        ));
    }
    match (given, found) {
        (Some(given), Found::Principal(kind)) if given != kind => {
            let message = format!(
                "The PrincipalId '{}' has type '{kind}' , which is different from specified PrinciaplType '{given}'.",
                digits(id)
            );
            Err(Failure::bad_request("UnmatchedPrincipalType", &message))
        }
        (Some(given), _) => Ok(given.to_owned()),
        (None, Found::Principal(kind)) => Ok(kind.to_owned()),
        (None, Found::Application) => Err(Failure::bad_request(
            "PrincipalTypeNotSupported",
            "Principals of type Application cannot validly be used in role assignments.",
        )),
        (None, Found::Nothing) => {
            let message = format!(
                "Principal {} does not exist in the directory {}. Check that you have the correct principal ID. If you \
                 are creating this principal and then immediately assigning a role, this error might be related to a \
                 replication delay. In this case, set the role assignment principalType property to a value, such as \
                 ServicePrincipal, User, or Group.  See https://aka.ms/docs-principaltype",
                digits(id),
                request.principal.tenant
            );
            Err(Failure::bad_request("PrincipalNotFound", &message))
        }
    }
}
