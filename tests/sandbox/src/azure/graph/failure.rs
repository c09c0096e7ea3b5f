//! The error envelope of Microsoft Graph.

use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::exchange::Call;
use super::super::reply::Reply;

/// An error of Microsoft Graph.
pub(super) struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
    details: Vec<Value>,
}

impl Failure {
    fn new(status: StatusCode, code: &'static str, message: &str) -> Failure {
        Failure {
            status,
            code,
            message: message.to_owned(),
            details: Vec::new(),
        }
    }

    pub(super) fn bad_request(message: &str) -> Failure {
        Failure::new(StatusCode::BAD_REQUEST, "Request_BadRequest", message)
    }

    /// A refusal with a code of its own.
    pub(super) fn coded(code: &'static str, message: &str) -> Failure {
        Failure::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(super) fn unauthorized(message: &str) -> Failure {
        Failure::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", message)
    }

    pub(super) fn denied() -> Failure {
        Failure::forbidden("Insufficient privileges to complete the operation.")
    }

    pub(super) fn forbidden(message: &str) -> Failure {
        Failure::new(StatusCode::FORBIDDEN, "Authorization_RequestDenied", message)
    }

    pub(super) fn missing(name: &str) -> Failure {
        let message = format!(
            "Resource '{name}' does not exist or one of its queried reference-property objects are not present."
        );
        Failure::new(StatusCode::NOT_FOUND, "Request_ResourceNotFound", &message)
    }

    pub(super) fn conflict(target: &str, message: &str) -> Failure {
        let failure = Failure::new(
            StatusCode::CONFLICT,
            "Request_MultipleObjectsWithSameKeyValue",
            message,
        );
        failure.detail("ObjectConflict", target, message)
    }

    pub(super) fn detail(mut self, code: &str, target: &str, message: &str) -> Failure {
        self.details
            .push(json!({"code": code, "target": target, "message": message}));
        self
    }

    pub(super) fn reply(self, call: &Call, now: Timestamp) -> Reply {
        let client = call.header("client-request-id").unwrap_or(&call.correlation_id);
        let mut error = json!({
            "code": self.code,
            "message": self.message,
            "innerError": {
                "date": now.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
                "request-id": call.correlation_id,
                "client-request-id": client,
            },
        });
        if !self.details.is_empty() {
            error["details"] = self.details.into();
        }
        Reply::json(self.status, &json!({"error": error}))
    }
}
