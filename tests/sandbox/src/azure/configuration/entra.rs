//! Gateways that come with an access token of Entra.
//!
//! A token that is none or has expired is refused with 401. The rest is 403, as the documentation has it for a wrong
//! audience, a wrong `gateway.name` and each of the two roles that may be missing.

use axum::http::StatusCode;

use super::super::cloud::{Cloud, Site};
use super::super::emulator::State;
use super::super::exchange::Call;
use super::super::inventory::Gateway;
use super::named_gateway;

const DATA_ACTION: &str = "Microsoft.ApiManagement/service/gateways/getConfiguration/action";

/// What API Management asks about with its own identity; any of `Microsoft.Authorization/*/read` contains them.
const VALIDATOR_ACTIONS: [&str; 3] = [
    "Microsoft.Authorization/denyAssignments/read",
    "Microsoft.Authorization/roleAssignments/read",
    "Microsoft.Authorization/roleDefinitions/read",
];

pub(super) struct Refused(pub(super) StatusCode, pub(super) String);

pub(super) fn judge(state: &State, call: &Call, service: &str) -> Result<Gateway, Refused> {
    let now = state.clock.now();
    let unauthorized = |reason: &str| Refused(StatusCode::UNAUTHORIZED, reason.to_owned());
    let forbidden = |reason: String| Refused(StatusCode::FORBIDDEN, reason);
    let claims = call.claims.as_ref();
    let claims = claims.ok_or_else(|| unauthorized("the access token is invalid"))?;
    if claims.exp <= now.as_second() {
        return Err(unauthorized("the access token has expired"));
    }
    let cloud = call.site.as_ref().map_or(Cloud::Public, Site::cloud);
    let audience = cloud.configuration_audience();
    if !claims.aud.trim_end_matches('/').eq_ignore_ascii_case(&audience) {
        let reason = format!(
            "the audience of the access token is '{}', not '{audience}'",
            claims.aud
        );
        return Err(forbidden(reason));
    }
    let name = named_gateway(&call.headers);
    let name = name.ok_or_else(|| forbidden("gateway.name is missing".to_owned()))?;
    let record = state.inventory.gateways_called(name, Some(service)).next();
    let record = record.ok_or_else(|| forbidden(format!("the service has no gateway '{name}'")))?;
    let caller = state.directory.caller(claims, &state.authorization, now);
    let caller = caller.ok_or_else(|| unauthorized("the access token is invalid"))?;
    let scope = record.names.service_id();
    if !caller.may_with_data(DATA_ACTION, &scope) {
        return Err(forbidden(format!(
            "'{}' may not perform '{DATA_ACTION}' over '{scope}'",
            caller.object_id
        )));
    }
    let identity = state.inventory.service(&record.names);
    let identity = identity.and_then(|service| service.identity.system_assigned.as_ref());
    let identity =
        identity.ok_or_else(|| forbidden("the service has no system-assigned identity".to_owned()))?;
    let group = scope.split("/providers/").next().unwrap_or_default();
    let grants = state.authorization.grants(&identity.principal_id, now, now);
    let may = |action: &&str| {
        grants
            .iter()
            .any(|grant| super::super::identity::contains(&grant.scope, group) && grant.allows(action))
    };
    match VALIDATOR_ACTIONS.iter().find(|action| !may(action)) {
        None => Ok(record.names.clone()),
        Some(action) => Err(forbidden(format!(
            "the identity of the service may not perform '{action}' over '{group}'"
        ))),
    }
}
