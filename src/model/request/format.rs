//! How a result is printed, and how much a run may do.

/// What a dry run may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DryRun {
    /// Not a dry run.
    None,
    /// Only reads.
    Client,
    /// Reads, and writes that the API server checks without storing them.
    Server,
}

/// Which evidence proves a new credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProveMode {
    /// The rollout completes, and no new pod logs that Azure refused the
    /// credential.
    Logs,
    /// The rollout completes.
    Rollout,
}

/// The formats of a rotation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RotateFormat {
    #[default]
    Table,
    Wide,
    Json,
    Yaml,
    Name,
    /// The file that lists the gateways that may be rotated.
    Gateways,
}

/// The formats of a set-up and of the version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputFormat {
    #[default]
    Table,
    Wide,
    Json,
    Yaml,
    Name,
}

/// The formats of `status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatusFormat {
    #[default]
    Table,
    Wide,
    Json,
    Yaml,
    Name,
    Prometheus,
}

/// The formats of objects that are installed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ObjectFormat {
    #[default]
    Table,
    Json,
    Yaml,
    Name,
}

/// The forms of a role in Azure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AzureForm {
    Json,
    Bicep,
    Terraform,
    Az,
}

/// The order of the rows of `status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortBy {
    #[default]
    Name,
    ExpiresIn,
    Verdict,
    RotatedAt,
}

/// The formats of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}
