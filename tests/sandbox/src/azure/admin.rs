//! An admin endpoint for scripts, in plain HTTP: what the methods of `Azure` do for tests in Rust.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use jiff::SignedDuration;
use serde::Deserialize;

use super::fault::Fault;
use super::identity::Principal;
use super::inventory::Gateway;
use super::request::Request;
use super::{Azure, Slot};

/// The routes, each with the method of [`Azure`] that it calls.
pub(super) fn router(azure: Azure) -> Router {
    Router::new()
        .route("/clock", put(set_clock))
        .route("/faults", post(add_fault).delete(clear_faults))
        .route("/requests", get(requests).delete(clear_requests))
        .route("/buckets", put(enforce_buckets))
        .route("/gateways", post(add_gateway))
        .route("/gateways/regenerate", post(regenerate))
        .route("/principals", post(add_principal))
        .with_state(azure)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Clock {
    offset_seconds: i64,
}

#[derive(Deserialize)]
struct Buckets {
    enforce: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Regeneration {
    gateway: Gateway,
    slot: Slot,
}

async fn set_clock(State(azure): State<Azure>, Json(clock): Json<Clock>) -> StatusCode {
    azure.set_clock_offset(SignedDuration::from_secs(clock.offset_seconds));
    StatusCode::NO_CONTENT
}

async fn add_fault(State(azure): State<Azure>, Json(fault): Json<Fault>) -> StatusCode {
    azure.fault(fault);
    StatusCode::NO_CONTENT
}

async fn clear_faults(State(azure): State<Azure>) -> StatusCode {
    azure.clear_faults();
    StatusCode::NO_CONTENT
}

async fn requests(State(azure): State<Azure>) -> Json<Vec<Request>> {
    Json(azure.requests())
}

async fn clear_requests(State(azure): State<Azure>) -> StatusCode {
    azure.clear_requests();
    StatusCode::NO_CONTENT
}

async fn enforce_buckets(State(azure): State<Azure>, Json(buckets): Json<Buckets>) -> StatusCode {
    azure.enforce_buckets(buckets.enforce);
    StatusCode::NO_CONTENT
}

async fn add_gateway(State(azure): State<Azure>, Json(gateway): Json<Gateway>) -> StatusCode {
    azure.add_gateway(&gateway);
    StatusCode::NO_CONTENT
}

async fn regenerate(State(azure): State<Azure>, Json(regeneration): Json<Regeneration>) -> StatusCode {
    if azure.regenerate(&regeneration.gateway, regeneration.slot) {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_FOUND
    }
}

async fn add_principal(State(azure): State<Azure>, Json(principal): Json<Principal>) -> StatusCode {
    azure.add_principal(principal);
    StatusCode::NO_CONTENT
}
