//! The endpoints of managed identities, in plain HTTP: that of App Service, and that of the metadata service of VMs
//! (IMDS), which has another address there.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::header::HeaderName;
use axum::http::{HeaderMap, Response, StatusCode, Uri};
use axum::routing::get;
use serde_json::json;

use super::Azure;
use super::access::{LIFETIME, Subject};
use super::cloud::{Site, audiences};
use super::operation::Operation;
use super::reply::Reply;
use super::request::Request;

/// A machine or app in Azure and the client ids of its identities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// The system-assigned identity.
    pub system_assigned: Option<String>,
    /// The user-assigned identities.
    pub user_assigned: Vec<String>,
}

/// The machines by the value of their header.
#[derive(Default)]
pub(super) struct Machines {
    by_header: BTreeMap<String, Machine>,
    /// The one that IMDS answers for.
    newest: Option<Machine>,
}

impl Machines {
    pub(super) fn add(&mut self, header: String, machine: Machine) {
        self.newest = Some(machine.clone());
        self.by_header.insert(header, machine);
    }
}

impl Machine {
    fn identity(&self, client_id: Option<&str>) -> Option<&str> {
        match client_id {
            None => self.system_assigned.as_deref(),
            Some(id) => self
                .user_assigned
                .iter()
                .chain(&self.system_assigned)
                .find(|known| known.eq_ignore_ascii_case(id))
                .map(String::as_str),
        }
    }
}

pub(super) fn router(azure: Azure) -> Router {
    Router::new()
        .route("/msi/token", get(app_service))
        .route("/metadata/identity/oauth2/token", get(imds))
        .with_state(azure)
}

type Parameters = Query<BTreeMap<String, String>>;

async fn app_service(
    State(azure): State<Azure>,
    uri: Uri,
    headers: HeaderMap,
    Query(parameters): Parameters,
) -> Response<axum::body::Body> {
    let header = value(&headers, "x-identity-header");
    let machine = header.and_then(|header| azure.emulator.state().machines.by_header.get(header).cloned());
    let failed = |status: StatusCode, message: &str| {
        Reply::json(
            status,
            &json!({"statusCode": status.as_u16(), "message": message}),
        )
    };
    let reply = match machine {
        None => failed(
            StatusCode::UNAUTHORIZED,
            "The secret in X-IDENTITY-HEADER is wrong.",
        ),
        Some(machine) => token(&azure, &machine, &parameters)
            .unwrap_or_else(|problem| failed(StatusCode::BAD_REQUEST, problem)),
    };
    logged(&azure, &uri.to_string(), &parameters, &headers, reply)
}

async fn imds(
    State(azure): State<Azure>,
    uri: Uri,
    headers: HeaderMap,
    Query(parameters): Parameters,
) -> Response<axum::body::Body> {
    let failed = |problem: &str| {
        let body = json!({"error": "invalid_request", "error_description": problem});
        Reply::json(StatusCode::BAD_REQUEST, &body)
    };
    let machine = azure.emulator.state().machines.newest.clone().unwrap_or_default();
    let reply = if value(&headers, "metadata") != Some("true") {
        failed("Required metadata header not specified")
    } else if headers.contains_key("x-forwarded-for") {
        failed("Request must not come through a proxy")
    } else {
        token(&azure, &machine, &parameters).unwrap_or_else(failed)
    };
    logged(&azure, &uri.to_string(), &parameters, &headers, reply)
}

fn token(
    azure: &Azure,
    machine: &Machine,
    parameters: &BTreeMap<String, String>,
) -> Result<Reply, &'static str> {
    let parameter = |name: &str| parameters.get(name).map(String::as_str);
    if parameter("api-version") != Some("2019-08-01") {
        return Err("The api-version is missing or not supported");
    }
    let resource = parameter("resource").ok_or("Resource is a required parameter")?;
    let known = audiences(&Site::Direct, &azure.emulator.direct);
    if !known.iter().any(|known| known == resource.trim_end_matches('/')) {
        return Err("AADSTS500011: The resource principal was not found in the tenant.");
    }
    let client_id = machine
        .identity(parameter("client_id"))
        .ok_or("Identity not found")?;
    let state = azure.emulator.state();
    let principal = state.directory.service_principal(client_id);
    let principal = principal.ok_or("Identity not found")?;
    let subject = Subject {
        tenant: principal.tenant.clone(),
        client_id: principal.app_id.clone(),
        object_id: principal.id.clone(),
        is_user: false,
    };
    let now = state.clock.now();
    // Both services give their times as strings.
    Ok(Reply::json(
        StatusCode::OK,
        &json!({
            "access_token": azure.emulator.issuer.issue(subject, resource, now),
            "client_id": client_id,
            "expires_in": LIFETIME.as_secs().to_string(),
            "expires_on": (now + LIFETIME).as_second().to_string(),
            "not_before": now.as_second().to_string(),
            "resource": resource,
            "token_type": "Bearer",
        }),
    ))
}

fn logged(
    azure: &Azure,
    path: &str,
    parameters: &BTreeMap<String, String>,
    headers: &HeaderMap,
    reply: Reply,
) -> Response<axum::body::Body> {
    let mut state = azure.emulator.state();
    let time = state.clock.now();
    let ticket = state.requests.arrive(Request {
        time,
        host: value(headers, "host").unwrap_or_default().to_owned(),
        method: "GET".to_owned(),
        path: path.to_owned(),
        operation: Some(Operation::ManagedIdentity),
        principal: parameters.get("client_id").cloned(),
        gateway: None,
        status: None,
        proxied: false,
        correlation_id: String::new(),
    });
    state.requests.answer(ticket, reply.status.as_u16());
    reply.into_response()
}

fn value<'a>(headers: &'a HeaderMap, name: &'static str) -> Option<&'a str> {
    headers.get(HeaderName::from_static(name))?.to_str().ok()
}
