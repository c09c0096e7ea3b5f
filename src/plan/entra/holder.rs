//! Whose credential the Secret of a set-up holds, and whose app its `ServiceAccount`
//! names. Other pods may use both.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::facts::{EntraFacts, ServiceAccountFacts, StoredFacts};
use crate::model::entra::{CLIENT_ID_ANNOTATION, Mode, TENANT_ID_ANNOTATION};
use crate::model::{Unavailable, cleaned, known};

/// Whose credential a Secret holds, or whose app a `ServiceAccount` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    Nobody,
    /// This app's, of the wanted kind and for this gateway, by our annotations.
    Ours,
    /// This app's, as it seems, and somebody else has put it there.
    HandedOver(HandedOver),
    /// Of the app with this client id.
    OtherApp(String),
    /// Of an app that does not exist now, and for this gateway.
    Gone(Uuid),
    OtherKind,
    /// This app's, for the gateway of this name.
    OtherGateway(String),
    SomebodyElse,
    /// Somebody else has put it there, at this time. Only a sign-in shows whether it is
    /// this app's, which cannot be read.
    Untried(Timestamp),
    /// Written by somebody else, and this workload signs in as this app with it.
    Replaceable,
    /// The app is not known, for the reason given.
    Unknown(String),
}

/// A credential of the app that an administrator seems to have put into the Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandedOver {
    /// Its id in Entra.
    pub credential: Uuid,
    pub expires: Option<Timestamp>,
    pub written: Timestamp,
}

/// `None` if there is no such Secret, or it cannot be read.
pub(super) fn of_secret(facts: &EntraFacts, mode: Mode, secret: &str, now: Timestamp) -> Holder {
    let Ok(Some(found)) = &facts.cluster.secret else {
        return Holder::Nobody;
    };
    if found.credential.is_some() || found.client_id.is_some() {
        return recorded(facts, found, mode);
    }
    if let Some(handed_over) = handed_over(facts, found, mode, now) {
        return Holder::HandedOver(handed_over);
    }
    let unrecorded = found.unrecorded.iter().find(|it| it.kind == mode);
    if let Some(unrecorded) = unrecorded.filter(|_| facts.unread_app().is_some()) {
        return Holder::Untried(unrecorded.written);
    }
    match (found.has_any_key(mode), found.has_other_keys(mode)) {
        (true, _) if !signs_in_with(facts, secret) => Holder::SomebodyElse,
        (_, true) => Holder::OtherKind,
        (true, false) => Holder::Replaceable,
        (false, false) => Holder::Nobody,
    }
}

/// By our annotations.
fn recorded(facts: &EntraFacts, found: &StoredFacts, mode: Mode) -> Holder {
    let named = found.client_id.map(|id| id.to_string());
    let gone = match named.as_deref().and_then(|id| of_other_app(facts, id)) {
        Some(Holder::OtherApp(other)) => match gone(facts, &other) {
            Some(gone) => Some(gone),
            None => return Holder::OtherApp(other),
        },
        Some(other) => return other,
        None => None,
    };
    let is_of_kind = found.kind.map_or(found.has_keys(mode), |kind| kind == mode);
    if !is_of_kind && found.has_other_keys(mode) {
        return Holder::OtherKind;
    }
    // The same one after its instance was moved.
    let is_same = |text: &str, other: &str| text.eq_ignore_ascii_case(other);
    let other = found.gateway.as_ref().filter(|it| {
        !is_same(&it.name, &facts.gateway.name) || !is_same(&it.service.name, &facts.gateway.service.name)
    });
    match (other, gone) {
        (Some(other), _) => Holder::OtherGateway(cleaned(&other.name)),
        (None, Some(gone)) => Holder::Gone(gone),
        (None, None) => Holder::Ours,
    }
}

/// The client id, if it is certain that nothing in the tenant has it.
fn gone(facts: &EntraFacts, client_id: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(client_id).ok()?;
    facts.gone.contains_key(&id).then_some(id)
}

/// The only valid credential of the app with the fingerprint of what somebody else wrote.
fn handed_over(facts: &EntraFacts, found: &StoredFacts, mode: Mode, now: Timestamp) -> Option<HandedOver> {
    let app = facts.app.as_ref().ok()?.as_ref()?;
    let unrecorded = found.unrecorded.iter().find(|it| it.kind == mode)?;
    let all = app.credentials_of(mode).iter();
    let mut same = all.filter(|it| {
        it.fingerprint.as_ref() == Some(&unrecorded.fingerprint) && it.expires.is_none_or(|at| at > now)
    });
    let (Some(only), None) = (same.next(), same.next()) else {
        return None;
    };
    Some(HandedOver {
        credential: only.key_id,
        expires: only.expires,
        written: unrecorded.written,
    })
}

/// Whether the pod template names this app beside a Secret. Another app's credential may be
/// there only.
fn signs_in_with(facts: &EntraFacts, secret: &str) -> bool {
    facts.cluster.workload.as_ref().is_some_and(|it| {
        let named = it.names_app();
        named.is_some() && named == facts.client_id() && it.refers_to(secret)
    })
}

pub(super) fn of_account(facts: &EntraFacts, found: &ServiceAccountFacts) -> Holder {
    let Some(client_id) = found.annotations.get(CLIENT_ID_ANNOTATION) else {
        return Holder::Nobody;
    };
    match of_other_app(facts, client_id) {
        Some(Holder::OtherApp(other)) => {
            let gone = gone(facts, &other).filter(|_| signs_in_here(facts, found));
            gone.map_or(Holder::OtherApp(other), Holder::Gone)
        }
        Some(other) => other,
        None => Holder::Ours,
    }
}

/// Whether the pods of a `ServiceAccount` certainly sign in to this tenant. An app of
/// another one is not found here.
fn signs_in_here(facts: &EntraFacts, found: &ServiceAccountFacts) -> bool {
    let injected = known(&facts.webhook);
    let of_webhook = injected.and_then(|it| it.tenant.as_ref());
    let tenant = found.annotations.get(TENANT_ID_ANNOTATION).or(of_webhook);
    tenant.is_some_and(|tenant| Uuid::try_parse(tenant) == Ok(facts.tenant))
}

/// The holder, unless it is this app.
fn of_other_app(facts: &EntraFacts, client_id: &str) -> Option<Holder> {
    let ours = facts.client_id();
    match (ours, &facts.app) {
        (None, Err(Unavailable::Forbidden(_))) => {
            return Some(Holder::Unknown(
                "you may not read the app of the gateway".to_owned(),
            ));
        }
        (None, Err(why)) => return Some(Holder::Unknown(why.why().to_owned())),
        _ => {}
    }
    let is_ours = ours.is_some() && Uuid::try_parse(client_id).ok() == ours;
    (!is_ours).then(|| Holder::OtherApp(cleaned(client_id)))
}

/// How far two times may be apart that different runs have recorded: a server's clock is
/// known to the second, and later by the time that its answer takes.
pub(super) const CLOCK_ERROR: SignedDuration = SignedDuration::from_secs(10);
