use jiff::Timestamp;

use crate::error::Result;
use crate::model::{Minted, SecretChange, TemplateMarks, WorkloadRef};
use crate::plan::Mint;

/// Everything that a rotation changes or observes outside the process.
pub trait Effects {
    /// Mints a credential. If the gateway has moved in Azure, its id in `mint` is
    /// corrected.
    async fn mint(&mut self, mint: &mut Mint) -> Result<Minted>;
    /// Writes the Secret if it is still the version that was read. An error of
    /// kind [`Kind::Unknown`](crate::error::Kind::Unknown) means that it may
    /// have been written.
    async fn write_secret(&mut self, change: &SecretChange) -> Result<Write>;
    /// Sets the annotations of a pod template, which replaces the pods, if the
    /// Secret still belongs to the rotation `id`.
    async fn restart(
        &mut self,
        workload: &WorkloadRef,
        marks: &TemplateMarks,
        id: Option<&str>,
    ) -> Result<()>;
    /// Waits for evidence about the credential of the rotation `id`.
    async fn prove(&mut self, workloads: &[WorkloadRef], id: &str) -> Proof;
    /// The API server's time.
    fn now(&self) -> Timestamp;
}

/// The result of a write to the Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// The Secret holds the new credential.
    Done,
    /// Another rotation was faster, and its credential stays.
    Yielded,
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
