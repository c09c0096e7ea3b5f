//! The API Management services.

use axum::http::StatusCode;
use axum::http::header::ETAG;
use serde_json::{Value, json};

use super::super::cloud::{Cloud, Site};
use super::super::inventory::{Gateway, Inventory, Service};
use super::super::reply::Reply;
use super::failure::Failure;
use super::{Admitted, Result, page};

/// The action that shows a service.
pub(super) const READ: &str = "Microsoft.ApiManagement/service/read";

pub(super) fn list(request: &Admitted<'_>, inventory: &Inventory) -> Result<Reply> {
    let (names, scope) = (&request.route.names, &request.route.scope);
    if !request
        .principal
        .sees(scope.split("/providers/").next().unwrap_or(scope))
    {
        request.require(READ)?;
    }
    request.require_supported()?;
    let subscription = inventory.subscriptions.get(&names.subscription);
    let subscription = subscription.ok_or_else(|| Failure::subscription_not_found(&names.subscription))?;
    let groups: Vec<_> = if names.resource_group.is_empty() {
        subscription.groups.values().collect()
    } else {
        let group = subscription.groups.get(&names.resource_group);
        vec![group.ok_or_else(|| Failure::group_not_found(&names.resource_group))?]
    };
    let services = groups.into_iter().flat_map(|group| group.services.values());
    // A collection shows what the caller may read of it, and a role on one service is enough to ask.
    let visible = services.filter(|service| request.principal.may(READ, &service.names.service_id()));
    let value: Vec<Value> = visible.map(|service| describe(request, service)).collect();
    Ok(page(&value))
}

pub(super) fn get(request: &Admitted<'_>, inventory: &Inventory) -> Result<Reply> {
    request.require(READ)?;
    let service = find(inventory, &request.route.names)?;
    Ok(Reply::json(StatusCode::OK, &describe(request, service)).header(ETAG, &service.etag))
}

/// The service, or the error that names the first of its parents that is missing.
pub(super) fn find<'a>(inventory: &'a Inventory, names: &Gateway) -> Result<&'a Service> {
    let subscription = inventory.subscriptions.get(&names.subscription);
    let subscription = subscription.ok_or_else(|| Failure::subscription_not_found(&names.subscription))?;
    let group = subscription.groups.get(&names.resource_group);
    let group = group.ok_or_else(|| Failure::group_not_found(&names.resource_group))?;
    group
        .services
        .get(&names.service)
        .ok_or_else(|| Failure::service_not_found(names))
}

/// The service of a child, or the error of a child whose service is missing.
pub(super) fn parent<'a>(inventory: &'a Inventory, names: &Gateway) -> Result<&'a Service> {
    let is_missing = inventory
        .subscriptions
        .get(&names.subscription)
        .and_then(|subscription| subscription.groups.get(&names.resource_group))
        .is_some_and(|group| group.services.get(&names.service).is_none());
    if is_missing {
        return Err(Failure::parent_not_found(&names.service));
    }
    find(inventory, names)
}

fn cloud(request: &Admitted<'_>) -> Cloud {
    request.call.site.as_ref().map_or(Cloud::Public, Site::cloud)
}

pub(super) fn describe(request: &Admitted<'_>, service: &Service) -> Value {
    let (name, suffix) = (&service.names.service, cloud(request).api_suffix());
    json!({
        "id": service.names.service_id(),
        "name": name,
        "type": "Microsoft.ApiManagement/service",
        "tags": {},
        "location": "West Europe",
        "etag": service.etag.trim_matches('"'),
        "sku": {"name": service.tier, "capacity": 1},
        "identity": service.identity.json(),
        "properties": {
            "publisherEmail": "apim@example.com",
            "publisherName": "Sandbox",
            "notificationSenderEmail": "apimgmt-noreply@mail.windowsazure.com",
            "provisioningState": service.provisioning_state(),
            "targetProvisioningState": "",
            "createdAtUtc": "2024-05-01T09:00:00.0000000Z",
            "gatewayUrl": format!("https://{name}.{suffix}"),
            "managementApiUrl": format!("https://{name}.management.{suffix}"),
            "hostnameConfigurations": [{
                "type": "Proxy",
                "hostName": format!("{name}.{suffix}"),
                "negotiateClientCertificate": false,
                "defaultSslBinding": true,
                "certificateSource": "BuiltIn",
            }],
            "virtualNetworkType": "None",
            "disableGateway": false,
            "apiVersionConstraint": {"minApiVersion": service.min_api_version},
            "publicNetworkAccess": "Enabled",
            "platformVersion": "stv2.1",
        },
    })
}
