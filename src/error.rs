//! The error type of the commands, and the table of exit codes.
//!
//! `azure` and `cluster` have error types of their own. They are turned into an
//! [`Error`] where the object and the next step are known.

use std::error::Error as StdError;
use std::fmt;

/// How a run failed. Each kind has its own exit code, which scripts rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An error; nothing was changed. Exit code 1.
    Failed,
    /// The command line or a variable is invalid. Exit code 2.
    Usage,
    /// The credential was written, but a restart or its proof is owed; running
    /// the command again completes it. Exit code 3.
    Owed,
    /// Preflight refuses to rotate this gateway. Exit code 4.
    Refused,
    /// Azure refused the new credential, so it was put back or replaced. Exit
    /// code 5.
    PutBack,
    /// Of several gateways, some were not rotated. Exit code 6.
    Partial,
    /// A write whose outcome could not be read back. Exit code 7.
    Unknown,
    /// `--fail-within` found a gateway that needs attention. Exit code 9.
    Alarm,
}

impl Kind {
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Owed => 3,
            Self::Refused => 4,
            Self::PutBack => 5,
            Self::Partial => 6,
            Self::Unknown => 7,
            Self::Alarm => 9,
        }
    }
}

/// What failed, on which object and why (the message), what to do next (the
/// hints) and, for `-v`, the chain of causes.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    hints: Vec<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hints: Vec::new(),
            source: None,
        }
    }

    /// Something failed and nothing was changed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message)
    }

    /// The command line or a variable is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// Preflight refuses to rotate.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(Kind::Refused, message)
    }

    /// Adds a next step for the user.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds the cause, which is shown with `-v`. The message must contain the
    /// reason even without it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error with another kind, for a caller that knows what was
    /// already changed.
    #[must_use]
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// A copy of the error for another object, without the cause, which cannot
    /// be cloned.
    #[must_use]
    pub fn again(&self) -> Self {
        Self {
            kind: self.kind,
            message: self.message.clone(),
            hints: self.hints.clone(),
            source: None,
        }
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The next steps, in the order in which to try them.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// The causes from the nearest to the root, each as one line. A cause
    /// that only repeats the text before it is left out.
    pub fn causes(&self) -> Vec<String> {
        let mut causes: Vec<String> = Vec::new();
        let mut next = self.source.as_deref().map(|source| source as &dyn StdError);
        while let Some(cause) = next {
            let text = cause.to_string();
            if causes.last() != Some(&text) {
                causes.push(text);
            }
            next = cause.source();
        }
        causes
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}
