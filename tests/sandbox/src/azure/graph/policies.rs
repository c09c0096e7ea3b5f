//! What a tenant allows for the credentials of applications.

use axum::http::StatusCode;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::super::directory::Tenant;
use super::super::emulator::State;
use super::super::reply::Reply;
use super::super::route::Collection;
use super::failure::Failure;
use super::{Result, Session, odata};

/// The policy of the tenant, or those of one application, which has none of its own here.
pub(super) fn get(session: &Session<'_>, state: &State) -> Result<Reply> {
    let tenant = state.directory.tenant(&session.caller.tenant);
    if !tenant.policies_readable {
        return Err(Failure::denied());
    }
    if session.route.collection != Collection::Policies {
        session.application(state)?;
        return odata::page(session, "appManagementPolicies", Vec::new());
    }
    Ok(Reply::json(StatusCode::OK, &policy(&tenant)))
}

fn policy(tenant: &Tenant) -> Value {
    let restriction = |kind: &str, longest: Option<SignedDuration>| {
        json!({
            "restrictionType": kind,
            "state": "enabled",
            "maxLifetime": longest.map(|it| format!("PT{}S", it.as_secs())),
            "restrictForAppsCreatedAfterDateTime": null,
        })
    };
    let mut passwords = Vec::new();
    if !tenant.passwords_allowed {
        passwords.push(restriction("passwordAddition", None));
    }
    if tenant.longest_password.is_some() {
        passwords.push(restriction("passwordLifetime", tenant.longest_password));
    }
    let longest = tenant.longest_certificate;
    let keys: Vec<Value> = longest
        .map(|_| restriction("asymmetricKeyLifetime", longest))
        .into_iter()
        .collect();
    json!({
        "id": "00000000-0000-0000-0000-000000000000",
        "displayName": "Default app management tenant policy",
        "description": "Default tenant policy that enforces app management restrictions.",
        "isEnabled": !passwords.is_empty() || !keys.is_empty(),
        "applicationRestrictions": {"passwordCredentials": passwords, "keyCredentials": keys},
        "servicePrincipalRestrictions": {"passwordCredentials": [], "keyCredentials": []},
    })
}
