//! The requests to the API server, from its audit log.

use std::collections::HashSet;
use std::path::Path;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::Deserialize;

/// One request to the API server.
#[derive(Debug, Clone)]
pub struct AuditRecord {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` ...
    pub verb: String,
    /// The user that made the request, before any impersonation.
    pub user: String,
    /// Whether the request was made in the name of another user.
    pub impersonated: bool,
    /// The `User-Agent` header, empty where there was none.
    pub user_agent: String,
    /// The namespace, of a request to a namespaced resource.
    pub namespace: Option<String>,
    /// The resource in the plural, such as `secrets`.
    pub resource: Option<String>,
    /// The subresource, such as `status` or `log`.
    pub subresource: Option<String>,
    /// The name of the object.
    pub name: Option<String>,
    /// The HTTP status of the response.
    pub status: Option<u16>,
    /// Path and query of the request.
    pub uri: String,
    /// Whether the request asked that nothing be persisted.
    pub dry_run: bool,
    /// When the server received the request.
    pub received: Timestamp,
}

/// Reads all records but one that is still being written.
///
/// A watch is recorded twice, at its start and at its end: only the first counts.
pub(crate) fn read(path: &Path) -> Result<Vec<AuditRecord>> {
    let log = match std::fs::read_to_string(path) {
        Ok(log) => log,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    let complete = log.rfind('\n').map_or("", |end| &log[..end]);
    let mut seen = HashSet::new();
    let mut records = Vec::new();
    for line in complete.lines() {
        let event: Event = serde_json::from_str(line).context("parsing an audit record")?;
        if seen.insert(event.audit_id.clone()) {
            records.push(event.into());
        }
    }
    Ok(records)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "auditID")]
    audit_id: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    verb: String,
    user: User,
    impersonated_user: Option<User>,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: ObjectRef,
    response_status: Option<ResponseStatus>,
    request_received_timestamp: Timestamp,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Deserialize, Default)]
struct ObjectRef {
    namespace: Option<String>,
    resource: Option<String>,
    subresource: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct ResponseStatus {
    code: Option<u16>,
}

impl From<Event> for AuditRecord {
    fn from(event: Event) -> Self {
        let query = event.request_uri.split_once('?').map_or("", |(_, query)| query);
        let dry_run = query.split('&').any(|pair| pair == "dryRun=All");
        Self {
            verb: event.verb,
            user: event.user.username,
            impersonated: event.impersonated_user.is_some(),
            user_agent: event.user_agent,
            namespace: event.object_ref.namespace,
            resource: event.object_ref.resource,
            subresource: event.object_ref.subresource,
            name: event.object_ref.name,
            status: event.response_status.and_then(|status| status.code),
            dry_run,
            uri: event.request_uri,
            received: event.request_received_timestamp,
        }
    }
}
