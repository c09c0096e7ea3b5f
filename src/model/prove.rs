/// Which evidence proves a new credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProveMode {
    /// The rollout completes, and no new pod logs that Azure refused the
    /// credential.
    Logs,
    /// The rollout completes.
    Rollout,
}
