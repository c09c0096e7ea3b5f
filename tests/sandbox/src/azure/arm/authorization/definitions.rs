//! Role definitions.

use axum::http::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use super::super::super::directory::Reader;
use super::super::super::emulator::State;
use super::super::super::identity::{contains, matches_pattern};
use super::super::super::reply::Reply;
use super::super::super::roles::{Permission, RoleDefinition, subscription_of};
use super::super::failure::Failure;
use super::super::{Admitted, Result, page_of};
use super::query;

const DATA_ACTION: &str = "Microsoft.ApiManagement/service/gateways/getConfiguration/action";

/// The operations of API Management that the emulator knows, the data action not among them.
const KNOWN: [&str; 18] = [
    "Microsoft.ApiManagement/service/read",
    "Microsoft.ApiManagement/service/write",
    "Microsoft.ApiManagement/service/delete",
    "Microsoft.ApiManagement/service/operationresults/read",
    "Microsoft.ApiManagement/service/gateways/read",
    "Microsoft.ApiManagement/service/gateways/write",
    "Microsoft.ApiManagement/service/gateways/delete",
    "Microsoft.ApiManagement/service/gateways/generateToken/action",
    "Microsoft.ApiManagement/service/gateways/token/action",
    "Microsoft.ApiManagement/service/gateways/regenerateKey/action",
    "Microsoft.ApiManagement/service/gateways/listKeys/action",
    "Microsoft.ApiManagement/service/gateways/keys/action",
    "Microsoft.ApiManagement/service/gateways/apis/read",
    "Microsoft.ApiManagement/service/gateways/apis/write",
    "Microsoft.ApiManagement/service/gateways/apis/delete",
    "Microsoft.ApiManagement/service/gateways/hostnameConfigurations/read",
    "Microsoft.ApiManagement/service/gateways/hostnameConfigurations/write",
    "Microsoft.ApiManagement/service/gateways/hostnameConfigurations/delete",
];

pub(super) fn list(request: &Admitted<'_>, state: &State) -> Result<Reply> {
    request.require("Microsoft.Authorization/roleDefinitions/read")?;
    let filter = request.call.parameter("$filter");
    let conditions = query::conditions(filter)?;
    let now = state.clock.now();
    let scope = &request.route.scope;
    let mut found = Vec::new();
    for role in state.authorization.definitions.all(Reader::Api(now)) {
        let mut fits = role.is_assignable_at(scope);
        for (name, value) in &conditions {
            fits = match name.as_str() {
                "rolename" => fits && role.role_name.to_lowercase() == value.to_lowercase(),
                "type" => fits && value.eq_ignore_ascii_case(kind(role)),
                "atscopeandbelow" => fits || role.assignable_scopes.iter().any(|it| contains(scope, it)),
                _ => return Err(query::unsupported(filter.unwrap_or_default())),
            };
        }
        if fits {
            found.push(role.json(subscription_of(scope)));
        }
    }
    Ok(page_of(request, &found, state.authorization.page_size))
}

fn kind(role: &RoleDefinition) -> &'static str {
    if role.built_in {
        "BuiltInRole"
    } else {
        "CustomRole"
    }
}

pub(super) fn get(request: &Admitted<'_>, state: &State) -> Result<Reply> {
    request.require("Microsoft.Authorization/roleDefinitions/read")?;
    let (name, now) = (name(request), state.clock.now());
    let role = state.authorization.definitions.get(name, Reader::Api(now));
    let role = role.ok_or_else(|| {
        Failure::not_found(
            "RoleDefinitionDoesNotExist",
            &format!(
                "The specified role definition with ID '{}' does not exist.",
                digits(name)
            ),
        )
    })?;
    Ok(Reply::json(
        StatusCode::OK,
        &role.json(subscription_of(&request.route.scope)),
    ))
}

/// Creates or changes a role; both are answered with 201.
pub(super) fn put(request: &Admitted<'_>, state: &mut State) -> Result<Reply> {
    let action = "Microsoft.Authorization/roleDefinitions/write";
    request.require(action)?;
    super::require_scope(request, state)?;
    let mut role = read(request)?;
    let now = state.clock.now();
    let definitions = &mut state.authorization.definitions;
    let old = definitions.latest(&role.name).cloned();
    // A role is changed only by who may write it wherever it may be assigned, before and after.
    let before = old
        .iter()
        .filter(|old| !old.built_in)
        .flat_map(|old| &old.assignable_scopes);
    for scope in role.assignable_scopes.iter().chain(before) {
        request.require_at(action, scope)?;
    }
    if old.as_ref().is_some_and(|old| old.built_in) {
        return Err(Failure::bad_request(
            "RoleDefinitionCannotBeUpdated",
            "A built-in role definition cannot be updated.",
        ));
    }
    let same_name = |it: &&RoleDefinition| {
        it.role_name.to_lowercase() == role.role_name.to_lowercase()
            && !it.name.eq_ignore_ascii_case(&role.name)
    };
    if definitions.all_latest().any(|it| same_name(&it)) {
        let message = format!(
            "A custom role with the same name already exists in this directory. Use a different name. The name is \
             '{}'.",
            role.role_name
        );
        return Err(Failure::conflict("RoleDefinitionWithSameNameExists", &message));
    }
    let custom = definitions.all_latest().filter(|it| !it.built_in).count();
    if old.is_none() && custom >= state.authorization.most_definitions {
        let message = format!(
            "Role definition limit exceeded. No more role definitions can be created. The limit is {}.",
            state.authorization.most_definitions
        );
        return Err(Failure::bad_request("RoleDefinitionLimitExceeded", &message));
    }
    role.times = [old.map_or(now, |old| old.times[0]), now];
    let body = role.json(subscription_of(&request.route.scope));
    state
        .authorization
        .definitions
        .write(&role.name.clone(), role, now);
    Ok(Reply::json(StatusCode::CREATED, &body))
}

pub(super) fn delete(request: &Admitted<'_>, state: &mut State) -> Result<Reply> {
    request.require("Microsoft.Authorization/roleDefinitions/delete")?;
    let name = name(request);
    let Some(role) = state.authorization.definitions.latest(name).cloned() else {
        return Ok(Reply::empty(StatusCode::NO_CONTENT));
    };
    for scope in &role.assignable_scopes {
        request.require_at("Microsoft.Authorization/roleDefinitions/delete", scope)?;
    }
    let mut assignments = state.authorization.assignments.all_latest();
    if assignments.any(|it| it.role.eq_ignore_ascii_case(name)) {
        return Err(Failure::bad_request(
            "RoleDefinitionHasAssignments",
            "There are existing role assignments referencing role. The role definition cannot be deleted.",
        ));
    }
    drop(assignments);
    let now = state.clock.now();
    state.authorization.definitions.remove(name, now);
    Ok(Reply::json(
        StatusCode::OK,
        &role.json(subscription_of(&request.route.scope)),
    ))
}

fn name<'a>(request: &'a Admitted<'_>) -> &'a str {
    request.route.leaf.first().map(String::as_str).unwrap_or_default()
}

/// A GUID as messages show it.
pub(super) fn digits(guid: &str) -> String {
    guid.replace('-', "").to_lowercase()
}

fn read(request: &Admitted<'_>) -> Result<RoleDefinition> {
    let name = name(request);
    if Uuid::try_parse(name).is_err() {
        return Err(Failure::bad_request(
            "InvalidRoleDefinitionId",
            &format!("The role definition ID '{name}' is not valid. The role definition ID must be a GUID."),
        ));
    }
    let body = request.object()?;
    let properties = &body["properties"];
    let role_name = properties["roleName"].as_str().unwrap_or_default();
    if role_name.is_empty() {
        return Err(Failure::bad_request(
            "RoleDefinitionNameNullOrEmpty",
            "The role definition name is null or empty.",
        ));
    }
    let assignable_scopes = texts(&properties["assignableScopes"]);
    if assignable_scopes.is_empty() {
        return Err(Failure::bad_request(
            "MissingAssignableScopes",
            "The role definition is missing assignable scopes.",
        ));
    }
    for (index, scope) in assignable_scopes.iter().enumerate() {
        check_scope(index, scope)?;
    }
    let permissions = properties["permissions"].as_array().into_iter().flatten();
    let permissions: Vec<Permission> = permissions.map(permission).collect();
    for permission in &permissions {
        check(
            &permission.actions,
            &permission.not_actions,
            "InvalidActionOrNotAction",
            false,
        )?;
        let (actions, exceptions) = (&permission.data_actions, &permission.not_data_actions);
        check(actions, exceptions, "InvalidDataActionOrNotDataAction", true)?;
    }
    Ok(RoleDefinition {
        name: name.to_owned(),
        description: properties["description"].as_str().unwrap_or_default().to_owned(),
        permissions,
        assignable_scopes,
        ..RoleDefinition::new(role_name, Permission::default(), "/")
    })
}

/// Reads a permission; what it does not mention is empty, as in the `{}` that the Azure CLI sends.
fn permission(entry: &Value) -> Permission {
    Permission {
        actions: texts(&entry["actions"]),
        not_actions: texts(&entry["notActions"]),
        data_actions: texts(&entry["dataActions"]),
        not_data_actions: texts(&entry["notDataActions"]),
    }
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Refuses a scope that is no ARM id, as one with a placeholder in the place of its subscription.
fn check_scope(index: usize, scope: &str) -> Result<()> {
    let is_group = scope
        .to_lowercase()
        .starts_with("/providers/microsoft.management/managementgroups/");
    let subscription = subscription_of(scope).is_some_and(|id| Uuid::try_parse(id).is_ok());
    if is_group || (subscription && scope.starts_with('/')) {
        return Ok(());
    }
    let message = format!(
        "Property id '{scope}' at path 'properties.assignableScopes[{index}]' is invalid. Expect fully qualified \
         resource Id that start with '/subscriptions/{{subscriptionId}}' or \
         '/providers/{{resourceProviderNamespace}}/'."
    );
    Err(Failure::bad_request("LinkedInvalidPropertyId", &message))
}

/// Refuses an action that no provider has; of other providers than API Management the emulator knows the form alone.
fn check(actions: &[String], exceptions: &[String], code: &str, is_data: bool) -> Result<()> {
    let is_known = |action: &String| {
        let candidates: &[&str] = if is_data { &[DATA_ACTION] } else { &KNOWN };
        let is_own = action.to_lowercase().starts_with("microsoft.apimanagement/");
        let last = action.rsplit('/').next().unwrap_or_default().to_lowercase();
        let has_form = action == "*"
            || action.contains('/') && ["read", "write", "delete", "action", "*"].contains(&last.as_str());
        has_form && (!is_own || candidates.iter().any(|it| matches_pattern(action, it)))
    };
    match actions.iter().chain(exceptions).find(|action| !is_known(action)) {
        None => Ok(()),
        Some(action) => {
            let message = format!("'{action}' does not match any of the actions supported by the providers.");
            Err(Failure::bad_request(code, &message))
        }
    }
}
