//! A sign-in by Entra in the output of `-o json` and `-o yaml`.

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::model::{Auth, GatewayFacts};
use crate::plan::entra::{Link, LinkState, Part};
use crate::plan::{Assessment, ExpirySource};

/// The app and the credential of a gateway. An unknown value is omitted.
#[derive(PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entra<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<Uuid>,
    /// The display name of the app or of the managed identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_account: Option<&'a str>,
    /// The id of the credential in Entra, if it was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    begins_at: Option<Timestamp>,
    /// From when on it is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry_from: Option<ExpirySource>,
    /// What the sign-in rests on, if Azure was asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<EntraPart<'a>>,
}

#[derive(PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct EntraPart<'a> {
    part: Part,
    /// `ok`, `broken` or `unknown`.
    state: &'static str,
    /// Of an `ok` part, what it grants without need.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> Entra<'a> {
    pub(super) fn of(facts: &'a GatewayFacts, assessment: &'a Assessment) -> Option<Self> {
        let sign_in = facts.entra()?;
        let azure = sign_in.azure.as_deref();
        let application = azure.and_then(|azure| azure.application.as_ref().ok()?.as_ref());
        let principal = azure.and_then(|azure| azure.service_principal.as_ref().ok()?.as_ref());
        let name = application.map(|app| app.display_name.as_str());
        let expiry = assessment.expiry;
        Some(Self {
            client_id: sign_in.client_id.as_ref().ok().copied(),
            app: name.or_else(|| principal.map(|it| it.display_name.as_str())),
            service_account: (facts.auth == Auth::WorkloadIdentity).then_some(&sign_in.service_account),
            key_id: sign_in.recorded().and_then(|secret| secret.marks.app.key_id),
            begins_at: expiry.and_then(|expiry| expiry.begins),
            due_at: expiry.and_then(|expiry| expiry.expires.checked_sub(expiry.due).ok()),
            expiry_from: expiry.map(|expiry| expiry.source),
            parts: assessment.links.iter().map(EntraPart::of).collect(),
        })
    }
}

/// The name of a part, which never changes.
pub(super) fn part_name(part: Part) -> String {
    let name = serde_json::to_value(part).ok();
    name.and_then(|name| name.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// The state of a part in a word that never changes, and why it is that.
pub(super) fn state_of(link: &Link) -> (&'static str, Option<&str>) {
    match &link.state {
        LinkState::Ok => ("ok", None),
        LinkState::Wide(why) => ("ok", Some(why.as_str())),
        LinkState::Broken(why) => ("broken", Some(why.as_str())),
        LinkState::Unknown(why) => ("unknown", Some(why.why())),
    }
}

impl<'a> EntraPart<'a> {
    fn of(link: &'a Link) -> Self {
        let (state, reason) = state_of(link);
        Self {
            part: link.part,
            state,
            reason,
        }
    }
}
