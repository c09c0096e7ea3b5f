//! Tenants, subscriptions, and what the caller may do.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::inventory::{Inventory, Subscription};
use super::super::reply::Reply;
use super::failure::Failure;
use super::{Admitted, Result, page, page_of};

pub(super) fn tenants(request: &Admitted<'_>) -> Reply {
    let tenant = &request.principal.tenant;
    page(&[json!({"id": format!("/tenants/{tenant}"), "tenantId": tenant, "displayName": "Sandbox"})])
}

/// The subscriptions in which the caller has any role at all.
pub(super) fn list(request: &Admitted<'_>, inventory: &Inventory) -> Reply {
    let visible = inventory
        .subscriptions
        .values()
        .filter(|subscription| request.principal.sees(&scope(&subscription.id)))
        .filter(|subscription| {
            let tenant = subscription.tenant.as_ref();
            tenant.is_none_or(|tenant| tenant.eq_ignore_ascii_case(&request.principal.tenant))
        });
    let value: Vec<Value> = visible
        .map(|subscription| describe(request, subscription))
        .collect();
    let count = json!({"type": "Total", "value": value.len()});
    Reply::json(StatusCode::OK, &json!({"value": value, "count": count}))
}

pub(super) fn get(request: &Admitted<'_>, inventory: &Inventory) -> Result<Reply> {
    let id = &request.route.names.subscription;
    if !request.principal.sees(&scope(id)) {
        request.require("Microsoft.Resources/subscriptions/read")?;
    }
    let subscription = inventory
        .subscriptions
        .get(id)
        .ok_or_else(|| Failure::subscription_not_found(id))?;
    Ok(Reply::json(StatusCode::OK, &describe(request, subscription)))
}

/// The caller's permissions at a scope, which every caller may read.
pub(super) fn permissions(request: &Admitted<'_>, page_size: usize) -> Reply {
    let grants = request.principal.grants_over(&request.route.scope);
    let value: Vec<Value> = grants
        .map(|grant| {
            json!({
                "actions": grant.actions,
                "notActions": grant.not_actions,
                "dataActions": grant.data_actions,
                "notDataActions": grant.not_data_actions,
            })
        })
        .collect();
    page_of(request, &value, page_size)
}

fn scope(id: &str) -> String {
    format!("/subscriptions/{id}")
}

fn describe(request: &Admitted<'_>, subscription: &Subscription) -> Value {
    json!({
        "id": scope(&subscription.id),
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": subscription.id,
        "tenantId": request.principal.tenant,
        "displayName": format!("Sandbox {}", subscription.id),
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    })
}
