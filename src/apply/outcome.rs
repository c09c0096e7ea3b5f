//! What came of a run, as data.

use jiff::Timestamp;

use crate::error::{Error, Kind};
use crate::model::{KeySlot, WorkloadRef};

/// What came of a run that changed, or meant to change, something.
#[derive(Debug)]
pub struct Outcome {
    /// In one word.
    pub verdict: Verdict,
    /// The credential that the Secret holds now, when this run wrote it or
    /// completed its rotation.
    pub record: Option<Record>,
    /// The workloads that were restarted.
    pub restarted: Vec<WorkloadRef>,
    /// By which evidence the credential was proved.
    pub proof: Option<String>,
    /// Why the run did not end well.
    pub error: Option<Error>,
}

/// The end of a run in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A new token was written and whatever was asked for was done.
    Rotated,
    /// An earlier rotation was completed.
    Completed,
    /// The new token was refused and the former one was put back.
    PutBack,
    /// The new token was refused and replaced by one of the other key.
    Replaced,
    /// Another rotation was faster.
    Yielded,
    /// Written, but something is owed.
    Owed,
    /// Nothing was written, or it is not known.
    Failed,
}

/// A credential that a rotation wrote, in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The rotation.
    pub rotation_id: String,
    /// The slot that signed it.
    pub key_slot: KeySlot,
    /// When it expires.
    pub expires_at: Timestamp,
    /// When it was written.
    pub rotated_at: Timestamp,
}

impl Outcome {
    pub(super) fn failed(error: Error) -> Self {
        Self {
            verdict: Verdict::Failed,
            error: Some(error),
            ..Self::yielded()
        }
    }

    pub(super) fn yielded() -> Self {
        Self {
            verdict: Verdict::Yielded,
            record: None,
            restarted: Vec::new(),
            proof: None,
            error: None,
        }
    }

    pub(super) fn of(verdict: Verdict, record: Record) -> Self {
        Self {
            verdict,
            record: Some(record),
            restarted: Vec::new(),
            proof: None,
            error: None,
        }
    }

    pub(super) fn owed(mut self, error: Error) -> Self {
        self.verdict = Verdict::Owed;
        self.error = Some(
            error
                .with_kind(Kind::Owed)
                .hint("run the same command again: it resumes where this run ended"),
        );
        self
    }
}
