use super::WorkloadRef;

/// A Kubernetes Event about a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub reason: EventReason,
    /// A sentence without any secret.
    pub note: String,
}

/// The reasons of our Events. Alerts and filters of users depend on these
/// names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventReason {
    /// A new token is in place.
    CredentialRotated,
    /// The run failed.
    RotationFailed,
    /// The current token expires soon and this run did not replace it.
    CredentialExpiring,
}

impl EventReason {
    /// Whether the type of the Event is `Warning`.
    pub fn is_warning(self) -> bool {
        self != Self::CredentialRotated
    }
}

/// The workload that an Event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub namespace: String,
    pub workload: WorkloadRef,
    /// `None` if the workload was not read.
    pub uid: Option<String>,
}
