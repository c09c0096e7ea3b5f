//! A pod of a gateway.

use jiff::Timestamp;
use uuid::Uuid;

use super::OwnVariables;
use crate::model::TemplateMarks;

/// A pod of the workload, and what shows which credential or identity it was started with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnPod {
    /// The annotations of its pod template. They differ from those of the present one if
    /// that was restarted since.
    pub marks: TemplateMarks,
    /// By the API server's clock.
    pub created: Option<Timestamp>,
    /// The `ServiceAccount` whose identity it asked the webhook for; `None` if it did not ask.
    pub asks_for: Option<String>,
    /// What the gateway's container has as `AZURE_CLIENT_ID`. The webhook set it when the
    /// pod was created, and nothing changes it later.
    pub client_id: Option<String>,
    /// The same of `AZURE_TENANT_ID`.
    pub tenant: Option<String>,
}

impl OwnPod {
    /// Whether the webhook gave it another identity than this when it was created, or none.
    /// What the container sets itself (`own`) is not of the webhook, and what is not known is
    /// not compared.
    pub fn lacks(&self, own: &OwnVariables, client_id: Option<Uuid>, tenant: Option<Uuid>) -> bool {
        let differs = |name: &str, found: Option<&String>, wanted: Option<Uuid>| {
            let is_compared = wanted.is_some() && !own.sets(name);
            is_compared && found.and_then(|it| Uuid::try_parse(it).ok()) != wanted
        };
        differs(OwnVariables::CLIENT_ID, self.client_id.as_ref(), client_id)
            || differs(OwnVariables::TENANT_ID, self.tenant.as_ref(), tenant)
    }
}
