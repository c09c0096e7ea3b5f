use jiff::Timestamp;

use super::Mint;
use crate::error::{Error, Kind};
use crate::model::WorkloadRef;

/// The result of a run that changed something, or tried to.
#[derive(Debug)]
pub struct Outcome {
    pub kind: OutcomeKind,
    /// The credential that the Secret holds, if this run wrote it or completed
    /// its rotation.
    pub record: Option<Record>,
    /// The workloads that were restarted.
    pub restarted: Vec<WorkloadRef>,
    /// The evidence that the credential works.
    pub proof: Option<String>,
    /// Why the run did not succeed.
    pub error: Option<Error>,
    /// Whether the credential replaces another one of this run, which Azure refused.
    pub is_replacement: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutcomeKind {
    /// A new credential was written, and everything requested was done.
    Rotated,
    /// An earlier rotation was completed.
    Completed,
    /// The new credential was refused and the previous one was put back.
    PutBack,
    /// The new credential was refused and replaced by another one.
    Replaced,
    /// Another rotation was faster.
    Yielded,
    /// The credential was written, but a restart or its proof is owed.
    Owed,
    /// Nothing was written, or it is unknown whether something was.
    Failed,
}

/// A credential that a rotation wrote, without its secret part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub rotation_id: String,
    /// How the credential was made.
    pub mint: Mint,
    /// When it was written.
    pub rotated_at: Timestamp,
}

impl Outcome {
    pub fn failed(error: Error) -> Self {
        Self {
            kind: OutcomeKind::Failed,
            error: Some(error),
            ..Self::yielded()
        }
    }

    pub fn yielded() -> Self {
        Self {
            kind: OutcomeKind::Yielded,
            record: None,
            restarted: Vec::new(),
            proof: None,
            error: None,
            is_replacement: false,
        }
    }

    pub fn of(kind: OutcomeKind, record: Record) -> Self {
        Self {
            kind,
            record: Some(record),
            is_replacement: kind == OutcomeKind::Replaced,
            ..Self::yielded()
        }
    }

    /// The same, after another rotation has replaced the credential.
    #[must_use]
    pub fn superseded(self) -> Self {
        Self {
            restarted: self.restarted,
            ..Self::yielded()
        }
    }

    /// The same, but the Secret does not hold the credential of the record.
    #[must_use]
    pub fn without_record(self) -> Self {
        Self { record: None, ..self }
    }

    /// The same, but a restart or the proof is owed because of the error.
    #[must_use]
    pub fn owed(mut self, error: Error) -> Self {
        self.kind = OutcomeKind::Owed;
        self.error = Some(
            error
                .with_kind(Kind::Owed)
                .hint("run the same command again: it resumes where this run ended"),
        );
        self
    }
}
