use super::Rollout;

/// What one read of a workload shows about its newest revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    pub rollout: Rollout,
    /// How many old pods are left that only somebody else replaces.
    pub by_hand: i32,
    /// The number of pods that it wants.
    pub wanted: i32,
    /// All its pods.
    pub pods: i32,
    /// Its pods of the newest revision.
    pub updated: i32,
    /// Its ready pods, of any revision.
    pub ready: i32,
    /// Whether a pod of the newest revision is or was ready, as far as the
    /// counters alone show it.
    pub new_ready: Option<bool>,
    pub mark: Mark,
    /// Why the API server refuses its new pods.
    pub blocked: Option<String>,
    /// Whether the rollout has made no progress for `progressDeadlineSeconds`.
    pub is_overdue: bool,
    /// The object that controls the workload, as `Kind name`.
    pub controller: Option<String>,
}

/// The rotation id in a pod template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It is that of the rotation.
    Present,
    /// There is none.
    Removed,
    /// There is another one.
    Replaced,
}

/// What shows whether a credential works in one pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFacts {
    pub name: String,
    /// Whether the restart of the rotation created it.
    pub is_marked: bool,
    /// Whether it was created after the credential was written.
    pub is_younger: bool,
    /// Whether it stays: it is not being deleted, and its node has not ended
    /// it.
    pub stays: bool,
    /// Whether it runs with an older credential; `None` if that is unknown.
    pub is_stale: Option<bool>,
    pub health: PodHealth,
    pub log: LogRead,
    /// The Argo Rollout that owns it.
    pub argo_rollout: Option<String>,
}

/// The state of the gateway's containers in a pod, as a sign of whether the
/// credential works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodHealth {
    /// All of them are ready.
    Ready,
    /// One of them runs, or has run, and is not ready.
    Unready,
    /// One of them exits again and again, for no reason known from outside.
    Crashing(String),
    /// One of them is not ready for a reason other than the credential.
    Hindered(String),
}

/// What was read of the logs of the gateway's containers in a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogRead {
    /// Nothing was to be read.
    No,
    Forbidden,
    /// For the reason given.
    Failed(String),
    /// It shows no refusal.
    Clean,
    /// It contains this event, by which a gateway reports that Azure refused
    /// its credential.
    Refusal(String),
}
