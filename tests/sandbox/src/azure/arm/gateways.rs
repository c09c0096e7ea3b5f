//! The gateways of a service, their tokens and their keys.

use axum::http::StatusCode;
use axum::http::header::{ETAG, IF_MATCH};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::emulator::Effect;
use super::super::inventory::{GatewayRecord, Inventory, Slot, new_etag};
use super::super::reply::Reply;
use super::failure::Failure;
use super::{Admitted, Result, services};

/// The longest lifetime of a token; only its days are documented.
const LONGEST_LIFE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The size of a page when the request does not give one with `$top`.
const PAGE: usize = 100;

pub(super) fn list(request: &Admitted<'_>, inventory: &Inventory) -> Result<Reply> {
    request.require("Microsoft.ApiManagement/service/gateways/read")?;
    let service = services::parent(inventory, &request.route.names)?;
    if request.call.parameter("$filter").is_some() {
        return Err(Failure::bad_request(
            "NotEmulated",
            "The emulator does not filter gateways.",
        ));
    }
    paged(request, &service.gateways.values().collect::<Vec<_>>(), describe)
}

pub(super) fn apis(request: &Admitted<'_>, inventory: &Inventory) -> Result<Reply> {
    request.require("Microsoft.ApiManagement/service/gateways/apis/read")?;
    let gateway = find(request, inventory)?;
    let id = gateway.names.id();
    paged(request, &gateway.apis.iter().collect::<Vec<_>>(), |name| {
        json!({
            "id": format!("{id}/apis/{name}"),
            "type": "Microsoft.ApiManagement/service/gateways/apis",
            "name": name,
            "properties": {"displayName": name, "path": name, "protocols": ["https"], "isCurrent": true},
        })
    })
}

/// The page of a collection that the request asks for with `$top` and `$skip`.
fn paged<T>(request: &Admitted<'_>, all: &[&T], describe: impl Fn(&T) -> Value) -> Result<Reply> {
    let top = number(request, "$top")?.unwrap_or(PAGE);
    if top == 0 {
        return Err(Failure::validation("$top", "The value must be at least 1."));
    }
    let skip = number(request, "$skip")?.unwrap_or(0);
    let count = all.len();
    let value: Vec<Value> = all
        .iter()
        .skip(skip)
        .take(top)
        .map(|entry| describe(entry))
        .collect();
    let mut body = json!({"value": value, "count": count});
    if skip + top < count {
        let path = request.call.path.split('?').next().unwrap_or_default();
        let version = request.api_version;
        let next = format!(
            "{}{path}?api-version={version}&%24top={top}&%24skip={}",
            with_port(&request.call.base),
            skip + top
        );
        body["nextLink"] = next.into();
    }
    Ok(Reply::json(StatusCode::OK, &body))
}

/// The links of API Management name the port of the front end.
fn with_port(base: &str) -> String {
    let has_port = base
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    format!("{base}{}", if has_port { "" } else { ":443" })
}

pub(super) fn get(request: &Admitted<'_>, inventory: &Inventory) -> Result<Reply> {
    request.require("Microsoft.ApiManagement/service/gateways/read")?;
    let gateway = find(request, inventory)?;
    Ok(Reply::json(StatusCode::OK, &describe(gateway)).header(ETAG, &gateway.etag))
}

/// Creates a gateway, or changes its location and description.
pub(super) fn put(request: &Admitted<'_>, inventory: &mut Inventory) -> Result<Reply> {
    request.require("Microsoft.ApiManagement/service/gateways/write")?;
    let names = &request.route.names;
    services::parent(inventory, names)?;
    let body = request.object()?;
    let location = body["properties"]["locationData"]["name"].as_str();
    let location = location.filter(|name| !name.is_empty() && name.len() <= 256);
    let location = location.ok_or_else(|| {
        Failure::validation(
            "locationData.name",
            "The field is required, of up to 256 characters.",
        )
    })?;
    if names.name.len() > 80 || names.name == "managed" {
        return Err(Failure::validation(
            "gatewayId",
            "The name is too long or reserved.",
        ));
    }
    let is_new = inventory.gateway(names).is_none();
    if !is_new && !request.call.headers.contains_key(IF_MATCH) {
        return Err(Failure::bad_request(
            "InvalidParameters",
            "The If-Match header is required to change an entity.",
        ));
    }
    inventory.add(names);
    let gateway = inventory
        .gateway_mut(names)
        .ok_or_else(Failure::gateway_not_found)?;
    location.clone_into(&mut gateway.location);
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(Reply::json(status, &describe(gateway)).header(ETAG, &gateway.etag))
}

pub(super) fn generate_token(
    request: &Admitted<'_>,
    inventory: &mut Inventory,
    now: Timestamp,
    effect: Effect,
) -> Result<Reply> {
    request.require("Microsoft.ApiManagement/service/gateways/generateToken/action")?;
    find(request, inventory)?;
    let body = request.object()?;
    let slot = key_type(&body)?;
    let expires = expiry(&body, now)?;
    let gateway = inventory
        .gateway_mut(&request.route.names)
        .ok_or_else(Failure::gateway_not_found)?;
    let name = &gateway.names.name;
    let value = match effect {
        Effect::Plain => gateway.keys.mint(name, slot, expires),
        Effect::RefusedToken => gateway.keys.forge(name, expires),
    };
    Ok(Reply::json(StatusCode::OK, &json!({"value": value})))
}

pub(super) fn list_keys(request: &Admitted<'_>, inventory: &Inventory) -> Result<Reply> {
    request.require("Microsoft.ApiManagement/service/gateways/listKeys/action")?;
    let GatewayRecord { keys, etag, .. } = find(request, inventory)?;
    let body = json!({"primary": keys.reveal(Slot::Primary), "secondary": keys.reveal(Slot::Secondary)});
    Ok(Reply::json(StatusCode::OK, &body).header(ETAG, etag))
}

pub(super) fn regenerate_key(request: &Admitted<'_>, inventory: &mut Inventory) -> Result<Reply> {
    request.require("Microsoft.ApiManagement/service/gateways/regenerateKey/action")?;
    find(request, inventory)?;
    let slot = key_type(&request.object()?)?;
    if let Some(gateway) = inventory.gateway_mut(&request.route.names) {
        gateway.keys.regenerate(slot);
        gateway.etag = new_etag();
    }
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn find<'a>(request: &Admitted<'_>, inventory: &'a Inventory) -> Result<&'a GatewayRecord> {
    let service = services::parent(inventory, &request.route.names)?;
    service
        .gateways
        .get(&request.route.names.name)
        .ok_or_else(Failure::gateway_not_found)
}

fn describe(gateway: &GatewayRecord) -> Value {
    json!({
        "id": gateway.names.id(),
        "type": "Microsoft.ApiManagement/service/gateways",
        "name": gateway.names.name,
        "properties": {
            "locationData": {"name": gateway.location, "city": null, "district": null, "countryOrRegion": null},
            "description": "A gateway of the sandbox",
            "heartbeat": {},
        },
    })
}

fn number(request: &Admitted<'_>, parameter: &str) -> Result<Option<usize>> {
    let Some(text) = request.call.parameter(parameter) else {
        return Ok(None);
    };
    text.parse()
        .map(Some)
        .map_err(|_| Failure::validation(parameter, "The value must be a whole number."))
}

fn key_type(body: &Value) -> Result<Slot> {
    let asked = body["keyType"]
        .as_str()
        .ok_or_else(|| Failure::validation("keyType", "The field is required."))?;
    Slot::parse(asked)
        .ok_or_else(|| Failure::validation("keyType", "The value must be either 'primary' or 'secondary'."))
}

/// Checks the expiry; the texts of the refusals are not documented. One in the past is taken, and makes a token that
/// is dead from the start.
fn expiry(body: &Value, now: Timestamp) -> Result<Timestamp> {
    let refuse = |message| Failure::validation("expiry", message);
    let asked = body["expiry"]
        .as_str()
        .ok_or_else(|| refuse("The field is required."))?;
    let expiry: Timestamp = asked
        .parse()
        .map_err(|_| refuse("The value is not a time in ISO 8601 form, as in '2020-04-21T00:44:24Z'."))?;
    if expiry > now + LONGEST_LIFE {
        return Err(refuse("The value must not be more than 30 days in the future."));
    }
    Ok(expiry)
}
