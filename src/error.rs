//! The one error type of the commands, and the table of exit codes.
//!
//! Modules at the edges (`azure`, `cluster`) have typed errors of their own
//! and turn them into an [`Error`] where they know which object is meant and
//! what the reader can do about it.

use std::error::Error as StdError;
use std::fmt;

/// Why a run ended other than well. Each kind has an exit code of its own,
/// which scripts rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An error; nothing was changed. Exit code 1.
    Failed,
    /// The command line or a variable makes no sense. Exit code 2.
    Usage,
    /// The credential was written, but a restart or its proof is owed; a
    /// rerun resumes. Exit code 3.
    Owed,
    /// Preflight refuses to touch this gateway. Exit code 4.
    Refused,
    /// The new credential was refused by Azure and was put back or replaced.
    /// Exit code 5.
    PutBack,
    /// Of several gateways, some were not rotated. Exit code 6.
    Partial,
    /// A write whose outcome could not be read back. Exit code 7.
    Unknown,
    /// A gateway needs a hand, which `--fail-within` was to find. Exit code 9.
    Alarm,
}

impl Kind {
    /// The exit code of the process.
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

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of the given kind.
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

    /// Preflight refuses.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(Kind::Refused, message)
    }

    /// Adds a next step for the reader.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Records the cause, which `-v` shows. The message must already tell the
    /// reader why, so that it need not be repeated.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error under another kind, for a caller that knows more about
    /// what was already changed.
    #[must_use]
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// The same error for another object that it is about, without its cause.
    #[must_use]
    pub fn again(&self) -> Self {
        Self {
            kind: self.kind,
            message: self.message.clone(),
            hints: self.hints.clone(),
            source: None,
        }
    }

    /// The kind.
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
