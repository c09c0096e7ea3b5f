//! A pod of the workload of a set-up.

use jiff::Timestamp;

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
