use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::model::{Minted, PutBack, SecretChange, WorkloadRef};
use crate::plan::{Marking, Mint};

/// Everything that a rotation changes or observes outside the process.
pub trait Effects {
    /// Mints a credential. If the gateway has moved in Azure, its id in `mint` is
    /// corrected.
    async fn mint(&mut self, mint: &mut Mint) -> Result<Minted>;
    /// Writes the Secret if it is still the version that was read. An error of
    /// kind [`Kind::Unknown`](crate::error::Kind::Unknown) means that it may
    /// have been written; any other one, that the Secret is as it was.
    async fn write_secret(&mut self, change: &SecretChange) -> Result<Write>;
    /// Changes the annotations of a workload. If those of its pod template
    /// change, its pods are replaced.
    async fn mark(&mut self, workload: &WorkloadRef, marking: &Marking) -> Result<Marked>;
    /// Removes from the Secret what is owed to the pod templates of these
    /// workloads.
    async fn forget_put_back(&mut self, put_back: &PutBack, restored: &[WorkloadRef]) -> Result<()>;
    /// Waits for evidence about the credential of the rotation `id`.
    async fn prove(&mut self, workloads: &[WorkloadRef], id: &str) -> Proof;
    /// Whether the Secret still holds the credential that this run wrote or
    /// completes. If it cannot be read, it counts as unchanged.
    async fn still_holds(&mut self) -> Write;
    /// The API server's time.
    fn now(&self) -> Timestamp;
    /// The time of the server that mints such a credential.
    async fn minting_time(&mut self, mint: &Mint) -> Timestamp;
}

/// The result of a write to the Secret.
#[derive(Debug)]
pub enum Write {
    /// The Secret holds the credential of the change.
    Done {
        /// The annotation `apim-rotate/rotated-at` as it is now.
        rotated_at: Option<Timestamp>,
    },
    /// Another rotation was faster, and its credential stays.
    Yielded,
    /// Something else has written the credential, and that stays.
    ChangedByOther(Error),
}

/// The result of a change of a workload's annotations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marked {
    Changed,
    /// They were right already.
    Unchanged,
    /// Another rotation owns the Secret, and restarts the workload.
    Superseded,
}

/// The evidence about a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It works, by the evidence given.
    Proved(String),
    Refused(Refusal),
    /// Nothing is certain at the deadline: what was missing.
    Undecided(String),
}

/// The evidence that Azure refused a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub evidence: String,
    /// The pod that showed it, if it was a single one.
    pub pod: Option<String>,
}
