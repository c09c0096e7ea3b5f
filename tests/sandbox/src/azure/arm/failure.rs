//! ARM's error envelopes.

use axum::http::StatusCode;
use axum::http::header::{HeaderName, WWW_AUTHENTICATE};
use serde_json::json;

use super::super::inventory::Gateway;
use super::super::reply::Reply;

/// An error answer of ARM or of a resource provider behind it.
pub(super) struct Failure(Box<Reply>);

impl Failure {
    pub(super) fn reply(self) -> Reply {
        *self.0
    }

    pub(super) fn bad_request(code: &str, message: &str) -> Failure {
        Failure::from(Reply::error(StatusCode::BAD_REQUEST, code, message))
    }

    /// The envelope of API Management for a field with a wrong value.
    pub(super) fn validation(field: &str, message: &str) -> Failure {
        let body = json!({"error": {
            "code": "ValidationError",
            "message": "One or more fields contain incorrect values:",
            "details": [{"code": "ValidationError", "target": field, "message": message}],
        }});
        Failure::from(Reply::json(StatusCode::BAD_REQUEST, &body))
    }

    pub(super) fn unauthorized(code: &str, message: &str) -> Failure {
        let challenge = format!(
            "Bearer authorization_uri=\"https://login.windows.net/\", error=\"invalid_token\", \
             error_description=\"{message}\""
        );
        Failure::from(
            Reply::error(StatusCode::UNAUTHORIZED, code, message).header(WWW_AUTHENTICATE, challenge),
        )
    }

    pub(super) fn wrong_tenant(issuer: &str, tenant: &str) -> Failure {
        Failure::unauthorized(
            "InvalidAuthenticationTokenTenant",
            &format!(
                "The access token is from the wrong issuer 'https://sts.windows.net/{issuer}/'. It must match the \
                 tenant 'https://sts.windows.net/{tenant}/' associated with this subscription. Please use the \
                 authority (URL) 'https://login.windows.net/{tenant}' to get the token. Note, if the subscription is \
                 transferred to another tenant there is no impact to the services, but information about new tenant \
                 could take time to propagate (up to an hour). If you just transferred your subscription and see this \
                 error message, please try back later."
            ),
        )
    }

    pub(super) fn forbidden(message: &str) -> Failure {
        Failure::from(Reply::error(
            StatusCode::FORBIDDEN,
            "AuthorizationFailed",
            message,
        ))
    }

    pub(super) fn conflict(code: &str, message: &str) -> Failure {
        Failure::from(Reply::error(StatusCode::CONFLICT, code, message))
    }

    pub(super) fn not_found(code: &str, message: &str) -> Failure {
        Failure::from(Reply::error(StatusCode::NOT_FOUND, code, message))
    }

    /// The refusal to use a resource that the request names beside its own.
    pub(super) fn linked_forbidden(
        client_id: &str,
        object_id: &str,
        scope: &str,
        action: &str,
        linked: &str,
    ) -> Failure {
        let message = format!(
            "The client '{client_id}' with object id '{object_id}' has permission to perform action \
             'Microsoft.ApiManagement/service/write' on scope '{scope}'; however, it does not have permission to \
             perform action(s) '{action}' on the linked scope(s) '{linked}' or the linked scope(s) are invalid."
        );
        Failure::from(Reply::error(
            StatusCode::FORBIDDEN,
            "LinkedAuthorizationFailed",
            &message,
        ))
    }

    pub(super) fn scope_locked(scope: &str, locked: &str, deletes: bool) -> Failure {
        let operation = if deletes { "delete" } else { "write" };
        let message = format!(
            "The scope '{scope}' cannot perform {operation} operation because following scope(s) are locked: \
             '{locked}'. Please remove the lock and try again."
        );
        Failure::conflict("ScopeLocked", &message)
    }

    /// An id that is not a GUID is refused for its form.
    pub(super) fn subscription_not_found(id: &str) -> Failure {
        if uuid::Uuid::try_parse(id).is_err() {
            return Failure::bad_request(
                "InvalidSubscriptionId",
                &format!("The provided subscription identifier '{id}' is malformed or invalid."),
            );
        }
        not_found(
            "SubscriptionNotFound",
            &format!("The subscription '{id}' could not be found."),
        )
    }

    pub(super) fn group_not_found(name: &str) -> Failure {
        not_found(
            "ResourceGroupNotFound",
            &format!("Resource group '{name}' could not be found."),
        )
    }

    pub(super) fn service_not_found(names: &Gateway) -> Failure {
        let message = format!(
            "The Resource 'Microsoft.ApiManagement/service/{}' under resource group '{}' was not found. For more \
             details please go to https://aka.ms/ARMResourceNotFoundFix",
            names.service, names.resource_group
        );
        not_found("ResourceNotFound", &message)
    }

    /// The answer of ARM for a child of a service that it does not know. Only its code is known to be ARM's.
    pub(super) fn parent_not_found(service: &str) -> Failure {
        let message = format!(
            "Can not perform requested operation on nested resource. Parent resource '{service}' not found."
        );
        not_found("ParentResourceNotFound", &message)
    }

    /// API Management does not have a version, or the service refuses it.
    pub(super) fn unsupported_version(supported: &[&str]) -> Failure {
        let message = format!(
            "API version query parameter is not specified or was specified incorrectly.  Supported versions: {}  \
             Example query param format: api-version=SupportedVersion",
            supported.join(",")
        );
        Failure::bad_request("MissingOrIncorrectVersionParameter", &message)
    }

    /// The envelope of Resource Graph, whose message says nothing of the cause.
    pub(super) fn of_query(status: StatusCode, code: &str, details: &[(&str, &str)]) -> Failure {
        let details: Vec<_> = details
            .iter()
            .map(|(code, message)| json!({"code": code, "message": message}))
            .collect();
        let body = json!({"error": {
            "code": code,
            "message": "Please provide below info when asking for support: timestamp = \
                        2026-11-28T10:00:00.0000000Z, correlationId = 00000000-0000-0000-0000-000000000000.",
            "details": details,
        }});
        Failure::from(Reply::json(status, &body))
    }

    /// What API Management itself answers, with the `details` that it leaves null.
    pub(super) fn gateway_not_found() -> Failure {
        let body =
            json!({"error": {"code": "ResourceNotFound", "message": "Gateway not found.", "details": null}});
        Failure::from(Reply::json(StatusCode::NOT_FOUND, &body))
    }
}

impl From<Reply> for Failure {
    fn from(reply: Reply) -> Failure {
        Failure(Box::new(reply))
    }
}

/// ARM marks its own 404s, so that clients can distinguish them from those of a provider.
fn not_found(code: &str, message: &str) -> Failure {
    let reply = Reply::error(StatusCode::NOT_FOUND, code, message);
    Failure::from(reply.header(HeaderName::from_static("x-ms-failure-cause"), "gateway"))
}
