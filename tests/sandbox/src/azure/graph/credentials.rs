//! Client secrets and certificates.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::super::directory::{KeyCredential, PasswordCredential, Tenant};
use super::super::emulator::State;
use super::super::reply::Reply;
use super::failure::Failure;
use super::{Result, Session, odata, represent};

/// How long a secret lives if the caller does not say.
const TWO_YEARS: SignedDuration = SignedDuration::from_hours(730 * 24);

pub(super) fn add_password(session: &Session<'_>, state: &mut State) -> Result<Reply> {
    let application = session.application(state)?;
    session.require_managing(&application.owners)?;
    let id = application.id.clone();
    let body = session.body()?;
    let asked = &body["passwordCredential"];
    let start = time(asked, "startDateTime")?.unwrap_or(session.now);
    let end = time(asked, "endDateTime")?.unwrap_or(start + TWO_YEARS);
    let tenant = state.directory.tenant(&session.caller.tenant);
    if !tenant.passwords_allowed {
        return Err(Failure::coded(
            "CredentialTypeNotAllowedAsPerAppPolicy",
            "Credential type not allowed as per assigned policy.",
        ));
    }
    if end <= start || end <= session.now {
        return Err(Failure::bad_request("Password credential end date is invalid."));
    }
    let password = PasswordCredential {
        display_name: asked["displayName"].as_str().map(str::to_owned),
        ..PasswordCredential::random(start, end)
    };
    check_lifetime(password.lifetime(), tenant.longest_password)?;
    let shown = represent::password(&password, true);
    let applications = &mut state.directory.applications;
    applications.change(&id, session.now, |it| it.passwords.push(password));
    odata::entity(
        session,
        StatusCode::OK,
        "microsoft.graph.passwordCredential",
        shown,
    )
}

pub(super) fn remove_password(session: &Session<'_>, state: &mut State) -> Result<Reply> {
    let application = session.application(state)?;
    session.require_managing(&application.owners)?;
    let body = session.body()?;
    let key_id = body["keyId"].as_str().unwrap_or_default();
    if !application.passwords.iter().any(|it| it.key_id == key_id) {
        return Err(Failure::bad_request(&format!(
            "No password credential found with keyId '{key_id}'."
        )));
    }
    let id = application.id.clone();
    let applications = &mut state.directory.applications;
    applications.change(&id, session.now, |it| {
        it.passwords.retain(|it| it.key_id != key_id);
    });
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// The certificates that a list stands for: new ones with their value, and those of `old` whose value it may omit.
pub(super) fn replace_keys(
    old: &[KeyCredential],
    list: &Value,
    tenant: &Tenant,
    now: Timestamp,
) -> Result<Vec<KeyCredential>> {
    let entries = list.as_array().into_iter().flatten();
    entries
        .map(|entry| {
            let key_id = entry["keyId"].as_str();
            let known = old
                .iter()
                .find(|it| key_id.is_some_and(|id| it.key_id.eq_ignore_ascii_case(id)));
            match known {
                Some(known) => keep(known, entry),
                None => new_key(entry, tenant, now),
            }
        })
        .collect()
}

/// Keeps a certificate, of which nothing may be different.
fn keep(known: &KeyCredential, entry: &Value) -> Result<KeyCredential> {
    let same_time = |field: &str, own: Timestamp| -> Result<bool> {
        Ok(time(entry, field)?.is_none_or(|given| given.as_second() == own.as_second()))
    };
    let same_key = entry["key"]
        .as_str()
        .is_none_or(|key| decoded(key).as_ref() == Some(&known.der));
    let same_name = entry
        .get("displayName")
        .is_none_or(|name| name.as_str() == known.display_name.as_deref());
    if same_key
        && same_name
        && same_time("startDateTime", known.start)?
        && same_time("endDateTime", known.end)?
    {
        return Ok(known.clone());
    }
    Err(Failure::bad_request(&format!(
        "Update to existing credential with KeyId '{}' is not allowed.",
        known.key_id
    )))
}

/// Reads a new certificate; the messages are ours but for the one about its end.
fn new_key(entry: &Value, tenant: &Tenant, now: Timestamp) -> Result<KeyCredential> {
    if entry["type"].as_str() != Some("AsymmetricX509Cert") || entry["usage"].as_str() != Some("Verify") {
        return Err(Failure::bad_request(
            "A key credential must have the type AsymmetricX509Cert and the usage Verify.",
        ));
    }
    let der = entry["key"].as_str().and_then(decoded);
    let key = der.and_then(|der| KeyCredential::from_der(&der));
    let mut key = key.ok_or_else(|| Failure::bad_request("Key credential value is not a certificate."))?;
    let (start, end) = (time(entry, "startDateTime")?, time(entry, "endDateTime")?);
    let latest = key.end;
    key.start = start.unwrap_or(key.start);
    key.end = end.unwrap_or(key.end);
    if key.end > latest || key.end <= now || key.end <= key.start {
        let message = "Key credential end date is invalid.";
        return Err(Failure::bad_request(message).detail(
            "KeyCredentialsInvalidEndDate",
            "keyCredentials",
            message,
        ));
    }
    if let Some(name) = entry["displayName"].as_str() {
        key.display_name = Some(name.to_owned());
    }
    if let Some(id) = entry["keyId"].as_str() {
        id.clone_into(&mut key.key_id);
    }
    check_lifetime(key.end.duration_since(key.start), tenant.longest_certificate)?;
    Ok(key)
}

/// The bytes of a base64 text, which may be broken into lines as in PEM.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let text: String = text.split_whitespace().collect();
    BASE64_STANDARD.decode(text).ok()
}

fn check_lifetime(lifetime: SignedDuration, longest: Option<SignedDuration>) -> Result<()> {
    if longest.is_none_or(|longest| lifetime <= longest) {
        return Ok(());
    }
    Err(Failure::coded(
        "CredentialInvalidLifetimeAsPerAppPolicy",
        "Credential lifetime exceeds the max value allowed as per assigned policy.",
    ))
}

fn time(object: &Value, field: &str) -> Result<Option<Timestamp>> {
    let empty = Map::new();
    let value = object.as_object().unwrap_or(&empty).get(field);
    let Some(text) = value.and_then(Value::as_str) else {
        return Ok(None);
    };
    let time = text.parse().map_err(|_| {
        let message =
            format!("Cannot convert the literal '{text}' to the expected type 'Edm.DateTimeOffset'.");
        Failure::bad_request(&message)
    })?;
    Ok(Some(time))
}
