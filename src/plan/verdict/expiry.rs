//! When credentials expire.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::super::entra::credentials;
use super::super::expiry::due_before;
use crate::model::directory::AppCredential;
use crate::model::{Auth, EntraSignIn, GatewayFacts, Unavailable, Validity};

/// A token is due when half of its lifetime is left, so that a daily CronJob
/// has two more weeks to succeed.
const DUE: SignedDuration = SignedDuration::from_hours(15 * 24);

/// When a credential expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    pub begins: Option<Timestamp>,
    pub expires: Timestamp,
    /// How long before that it is due.
    pub due: SignedDuration,
    pub source: ExpirySource,
}

/// Where an expiry is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ExpirySource {
    Token,
    /// The annotations of the Secret.
    Annotation,
    /// The certificate in the Secret.
    Certificate,
    /// Microsoft Graph.
    Graph,
}

/// When the credential of a gateway expires, if that is known and if it expires.
pub fn expiry_of(facts: &GatewayFacts, now: Timestamp) -> Option<Expiry> {
    if let Some(claims) = facts.claims() {
        return Some(Expiry {
            begins: None,
            expires: claims.expires_at,
            due: DUE,
            source: ExpirySource::Token,
        });
    }
    let sign_in = facts.entra().filter(|_| facts.auth != Auth::WorkloadIdentity)?;
    let (validity, source) = validity(facts.auth, sign_in, now)?;
    Some(Expiry {
        begins: validity.begins,
        expires: validity.expires,
        due: due_before(validity.begins, validity.expires),
        source,
    })
}

/// What is certain of the credential in use comes first: what Graph has under its
/// recorded id, what was recorded with it, and the certificate itself.
fn validity(auth: Auth, sign_in: &EntraSignIn, now: Timestamp) -> Option<(Validity, ExpirySource)> {
    let recorded = sign_in.recorded();
    let in_graph = in_graph(auth, sign_in);
    let id = recorded.and_then(|secret| secret.marks.app.key_id);
    let of_id = in_graph
        .iter()
        .flat_map(|all| all.iter())
        .find(|it| Some(it.key_id) == id);
    if let Some(validity) = of_id.and_then(validity_of) {
        return Some((validity, ExpirySource::Graph));
    }
    let annotated = recorded.and_then(|secret| {
        let expires = secret.marks.expires_at?;
        let begins = secret.marks.rotated_at.or(secret.last_written);
        Some(Validity { begins, expires })
    });
    if let Some(validity) = annotated {
        return Some((validity, ExpirySource::Annotation));
    }
    if let Some(Ok(validity)) = &sign_in.certificate {
        return Some((*validity, ExpirySource::Certificate));
    }
    if lost(sign_in).is_some() {
        return None;
    }
    match in_use(in_graph?, now) {
        InUse::One(validity) => Some((validity, ExpirySource::Graph)),
        InUse::None | InUse::Uncertain => None,
    }
}

/// Why no credential of the app can be taken for that of the gateway: what its pods read is
/// missing or cannot be used, or something else has replaced it.
pub(super) fn lost(sign_in: &EntraSignIn) -> Option<String> {
    match (&sign_in.stored, &sign_in.certificate) {
        (Some(Err(Unavailable::Unknown(why))), _) | (_, Some(Err(Unavailable::Unknown(why)))) => {
            Some(why.clone())
        }
        (Some(Ok(secret)), _) if secret.marks.app.kind.is_some() && !secret.written_by_us => Some(format!(
            "{} replaced it after it was recorded",
            secret.last_writer.as_deref().unwrap_or("something else")
        )),
        _ => None,
    }
}

/// The credentials of the gateway's kind that its app has.
fn in_graph(auth: Auth, sign_in: &EntraSignIn) -> Option<&[AppCredential]> {
    let app = sign_in.azure.as_ref()?.application.as_ref().ok()?.as_ref()?;
    Some(credentials(app, auth).0)
}

fn validity_of(credential: &AppCredential) -> Option<Validity> {
    Some(Validity {
        begins: credential.begins,
        expires: credential.expires?,
    })
}

/// The credential that a gateway uses, where nothing records which it is.
enum InUse {
    /// None can expire before this one.
    One(Validity),
    None,
    /// Any may be in use, and one may have expired.
    Uncertain,
}

fn in_use(all: &[AppCredential], now: Timestamp) -> InUse {
    let valid: Vec<Validity> = all.iter().filter_map(validity_of).collect();
    let expired = valid.iter().filter(|it| it.expires <= now).count();
    let soonest = valid.iter().min_by_key(|it| it.expires);
    let last = valid.iter().max_by_key(|it| it.expires);
    match (soonest, last) {
        _ if valid.len() < all.len() => InUse::Uncertain,
        (Some(_), Some(last)) if expired == valid.len() => InUse::One(*last),
        (Some(soonest), _) if expired == 0 => InUse::One(*soonest),
        (Some(_), _) => InUse::Uncertain,
        (None, _) => InUse::None,
    }
}
