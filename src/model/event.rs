use super::WorkloadRef;

/// What a run has to say on a workload, for whoever looks at it in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// In one word.
    pub reason: EventReason,
    /// In a sentence, without any secret.
    pub note: String,
}

/// The reasons of our Events, by which others filter them and are alarmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventReason {
    /// A new token is in place.
    CredentialRotated,
    /// The run did not end well.
    RotationFailed,
    /// The token that is in place expires soon, and this run did not change it.
    CredentialExpiring,
}

impl EventReason {
    /// Whether somebody should have a look.
    pub fn is_warning(self) -> bool {
        self != Self::CredentialRotated
    }
}

/// The workload that an Event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its namespace.
    pub namespace: String,
    /// Kind and name.
    pub workload: WorkloadRef,
    /// Its uid, where it was read.
    pub uid: Option<String>,
}
