//! The endpoint from which gateways fetch their configuration.
//!
//! The protocol between gateway and endpoint is not documented: the emulator answers any GET, judges the credential
//! as the documentation says that Azure does, and the bodies are its own.

use axum::http::StatusCode;
use serde_json::json;

use super::emulator::State;
use super::exchange::Call;
use super::reply::Reply;
use super::token;

pub(super) fn answer(state: &mut State, call: &Call, service: &str) -> Reply {
    let now = state.clock.now();
    let Some(presented) = call.authorization() else {
        return refuse("the Authorization header is missing");
    };
    match token::judge(&state.inventory, Some(service), presented, now) {
        Ok(acceptance) => {
            if let Some(record) = state.inventory.gateway_mut(&acceptance.gateway) {
                record.presentations.accepted += 1;
            }
            Reply::json(
                StatusCode::OK,
                &json!({"gateway": acceptance.gateway.name, "service": service, "apis": []}),
            )
        }
        Err(refusal) => {
            let record = call.gateway.as_ref().and_then(|name| {
                let named = state
                    .inventory
                    .gateways_called(name, Some(service))
                    .next()?
                    .names
                    .clone();
                state.inventory.gateway_mut(&named)
            });
            if let Some(record) = record {
                record.presentations.refused += 1;
            }
            refuse(&refusal.to_string())
        }
    }
}

fn refuse(reason: &str) -> Reply {
    let message = format!("Access denied: {reason}.");
    Reply::error(StatusCode::UNAUTHORIZED, "Unauthorized", &message)
}
