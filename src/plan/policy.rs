use jiff::SignedDuration;

use crate::model::KeyChoice;

/// What was asked of a rotation.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Which key slot signs the token.
    pub key: KeyChoice,
    /// How long the token is valid.
    pub life: SignedDuration,
    /// Rotate only a token that expires within this time.
    pub if_expiring_within: Option<SignedDuration>,
    /// Rotate only a token that was written longer ago than this.
    pub if_older_than: Option<SignedDuration>,
    /// Mint even if an unfinished rotation could be completed.
    pub force: bool,
    /// What follows the write.
    pub follow_up: FollowUp,
    /// Write a Secret that another tool owns.
    pub adopt: bool,
}

/// What a rotation does after the credential is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FollowUp {
    /// Nothing: something else restarts the workloads.
    Nothing,
    /// Restart the workloads, and do not wait for them.
    Restart,
    /// Restart them and wait until the credential is proved.
    Prove,
}

impl Policy {
    /// Whether the workloads are restarted.
    pub fn restarts(&self) -> bool {
        self.follow_up >= FollowUp::Restart
    }

    /// Whether a token that is not due is left alone.
    pub fn is_conditional(&self) -> bool {
        self.if_expiring_within.is_some() || self.if_older_than.is_some()
    }
}
