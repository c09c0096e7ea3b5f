//! The endpoint from which gateways fetch their configuration.
//!
//! The protocol between gateway and endpoint is not documented: the emulator answers any GET, judges the credential
//! as the documentation says that Azure does, and the bodies are its own. So is the header [`GATEWAY_NAME`], with which
//! a gateway that comes with an access token of Entra names itself.

mod entra;

use axum::http::StatusCode;
use axum::http::header::HeaderName;
use serde_json::json;

use self::entra::Refused;
use super::emulator::State;
use super::exchange::Call;
use super::inventory::Gateway;
use super::reply::Reply;
use super::token;

/// The header with the gateway's name beside an access token of Entra.
pub const GATEWAY_NAME: &str = "gateway-name";

pub(super) fn answer(state: &mut State, call: &Call, service: &str) -> Reply {
    let now = state.clock.now();
    let Some(presented) = call.authorization() else {
        return refuse(StatusCode::UNAUTHORIZED, "the Authorization header is missing");
    };
    let judged = if call.bearer().is_some() {
        entra::judge(state, call, service)
    } else {
        let judged = token::judge(&state.inventory, Some(service), presented, now);
        judged
            .map(|acceptance| acceptance.gateway)
            .map_err(|refusal| Refused(StatusCode::UNAUTHORIZED, refusal.to_string()))
    };
    let (status, reason) = match judged {
        Ok(gateway) => {
            count(state, &gateway, true);
            let body = json!({"gateway": gateway.name, "service": service, "apis": []});
            return Reply::json(StatusCode::OK, &body);
        }
        Err(Refused(status, reason)) => (status, reason),
    };
    let named = call.gateway.as_deref().and_then(|name| {
        let mut found = state.inventory.gateways_called(name, Some(service));
        found.next().map(|record| record.names.clone())
    });
    if let Some(gateway) = named {
        count(state, &gateway, false);
    }
    refuse(status, &reason)
}

fn count(state: &mut State, gateway: &Gateway, is_accepted: bool) {
    if let Some(record) = state.inventory.gateway_mut(gateway) {
        let presentations = &mut record.presentations;
        if is_accepted {
            presentations.accepted += 1;
        } else {
            presentations.refused += 1;
        }
    }
}

/// The gateway that a request with an access token names.
pub(super) fn named_gateway(headers: &axum::http::HeaderMap) -> Option<&str> {
    headers.get(HeaderName::from_static(GATEWAY_NAME))?.to_str().ok()
}

fn refuse(status: StatusCode, reason: &str) -> Reply {
    let code = if status == StatusCode::FORBIDDEN {
        "Forbidden"
    } else {
        "Unauthorized"
    };
    let message = format!("Access denied: {reason}.");
    Reply::error(status, code, &message)
}
