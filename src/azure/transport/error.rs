mod hint;

use std::fmt;
use std::time::Duration;

use super::challenge::Challenge;
use crate::error::Error as TopError;
use crate::retry::Decision;

/// Why a request to Azure failed. No variant holds a secret: of an answer only
/// the error text is kept, and a body that cannot be parsed is described, never
/// quoted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings are invalid; nothing was sent.
    #[error("{0}")]
    Setup(String),
    /// No access token could be obtained.
    #[error("{message}")]
    SignIn {
        /// Entra's code, `AADSTS7000215`.
        code: Option<String>,
        message: String,
        hint: Option<String>,
    },
    /// The identity does not exist here. With `--auth auto` the next candidate
    /// is tried.
    #[error("{message}")]
    NoIdentity { message: String, hint: Option<String> },
    /// The sign-in failed, and `--auth auto` had chosen how to sign in.
    #[error("{}", chosen(error))]
    Auto {
        error: Box<Error>,
        /// One line per way to sign in, in the order tried: why it was not
        /// used, or why it was chosen.
        attempts: Vec<String>,
    },
    /// ARM has no such object.
    #[error("{what} was not found: {}", refusal.answer())]
    NotFound { what: String, refusal: Box<Refusal> },
    /// The identity lacks a right.
    #[error("{refusal}")]
    Forbidden {
        /// The operation, `Microsoft.ApiManagement/service/gateways/read`.
        action: String,
        /// The ARM id of the object that the operation needs the right on.
        scope: String,
        /// The identity's object id.
        principal: Option<String>,
        refusal: Box<Refusal>,
    },
    /// Azure throttles requests, for longer than the deadline allows.
    #[error("{refusal}")]
    Throttled { refusal: Box<Refusal> },
    /// Any other answer that is not a success.
    #[error("{refusal}")]
    Status { refusal: Box<Refusal> },
    /// No complete answer was received.
    #[error("cannot {purpose}: {message}")]
    Transport {
        purpose: String,
        fault: Fault,
        message: String,
    },
    /// Azure asked for a longer wait than there is time, so nothing was sent.
    #[error("cannot {purpose}: Azure asks to wait {} s, longer than this run may take", seconds(*wait))]
    Wait { purpose: String, wait: Duration },
    /// The deadline passed before an answer was received.
    #[error("cannot {purpose}: Azure did not answer in time")]
    Timeout { purpose: String },
    /// Azure has carried out a write, and what it has made cannot be read.
    #[error("what was written cannot be read back: {0}")]
    Unverified(Box<Error>),
    /// The answer differs from Azure's reference.
    #[error("cannot {purpose}: {problem}")]
    Wire {
        purpose: String,
        problem: String,
        /// Decides whether another attempt may help.
        flaw: Flaw,
    },
}

/// Where a request failed in transit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No connection, so the request was not sent.
    Connect,
    /// The server's certificate is not trusted.
    Certificate,
    /// The proxy requires a user name and a password.
    ProxyAuthentication,
    /// The connection broke after the request may have been sent.
    Broken,
}

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It ended too early.
    Truncated,
    /// It is an HTML page, which some proxy sent: either a passing error, or,
    /// more often, a sign-in page that stays until somebody signs in.
    Html,
    /// It is complete and of an unexpected form.
    Form,
}

/// An answer of Azure that is not a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the request does, in words that follow "cannot".
    pub purpose: String,
    /// The request's method and path.
    pub request: String,
    pub status: u16,
    /// The code of the error envelope.
    pub code: Option<String>,
    /// The code of the innermost cause, if the envelope has another one.
    pub reason: Option<String>,
    /// The envelope's message as one line, or a description of the body without
    /// an envelope.
    pub message: String,
    /// The id that Azure's support asks for: the correlation id, or else the
    /// id that the request was sent with.
    pub correlation: String,
    /// How long Azure asked to wait.
    pub retry_after: Option<Duration>,
    /// What a new sign-in has to fulfil.
    pub challenge: Option<Challenge>,
}

impl Refusal {
    /// Azure's answer, without the purpose of the request.
    fn answer(&self) -> String {
        let code = match (&self.code, &self.reason) {
            (None, _) => String::new(),
            (Some(code), None) => format!(" {code}"),
            (Some(code), Some(reason)) => format!(" {code} ({reason})"),
        };
        let request = if self.names_object() {
            String::new()
        } else {
            format!("{}, ", self.request)
        };
        format!(
            "Azure answered {}{code}: {} ({request}correlation id {})",
            self.status,
            self.message.trim_end_matches('.'),
            self.correlation
        )
    }

    /// Whether the message has the object of the request, whose id is long.
    fn names_object(&self) -> bool {
        let path = self.request.split_once(' ').map_or("", |(_, path)| path);
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let has = |id: &str| id.starts_with("/subscriptions/") && self.message.contains(id);
        has(path) || has(parent)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.purpose, self.answer())
    }
}

impl Error {
    /// Whether Azure gave no usable answer, so that nothing is known.
    pub fn is_unanswered(&self) -> bool {
        matches!(
            self,
            Self::Transport { .. } | Self::Timeout { .. } | Self::Throttled { .. } | Self::Wait { .. }
        )
    }

    /// Azure's answer, if it was a refusal.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::NotFound { refusal, .. }
            | Self::Forbidden { refusal, .. }
            | Self::Throttled { refusal }
            | Self::Status { refusal } => Some(refusal),
            Self::Auto { error, .. } => error.refusal(),
            _ => None,
        }
    }

    /// How long Azure asked to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.refusal()?.retry_after
    }

    /// The HTTP status of Azure's answer, if it was a refusal.
    pub fn status(&self) -> Option<u16> {
        self.refusal().map(|refusal| refusal.status)
    }

    /// Whether Azure's answer has this code, as its own or as its innermost
    /// cause.
    pub fn has_code(&self, code: &str) -> bool {
        self.refusal().is_some_and(|refusal| {
            refusal.code.as_deref() == Some(code) || refusal.reason.as_deref() == Some(code)
        })
    }

    /// Whether the request may have been carried out, although no answer says
    /// so.
    pub fn is_ambiguous(&self) -> bool {
        match self {
            Self::Transport { fault, .. } => *fault == Fault::Broken,
            Self::Timeout { .. } | Self::Wire { .. } | Self::Unverified(_) => true,
            _ => self.status().is_some_and(|status| status == 408 || status >= 500),
        }
    }

    /// The error of a read that shows what became of a write.
    pub(crate) fn of_check(self) -> Self {
        if self.is_ambiguous() {
            self
        } else {
            Self::Unverified(Box::new(self))
        }
    }

    /// Whether the object may exist under another subscription or resource
    /// group. ARM denies a scope that does not exist to everyone without a role
    /// above it, and a subscription that has moved to another tenant.
    pub fn is_of_place(&self) -> bool {
        match self {
            Self::NotFound { .. } | Self::Forbidden { .. } => true,
            _ => self
                .refusal()
                .and_then(|refusal| refusal.code.as_deref())
                .is_some_and(|code| {
                    matches!(code, "InvalidAuthenticationTokenTenant" | "InvalidSubscriptionId")
                }),
        }
    }

    /// Whether another attempt may help, for a request that is safe to repeat.
    pub(crate) fn retry_decision(&self) -> Decision {
        match self {
            Self::Auto { error, .. } => error.retry_decision(),
            Self::Transport {
                fault: Fault::Connect,
                ..
            }
            | Self::Wire { flaw: Flaw::Html, .. } => Decision::RetryBriefly,
            Self::Transport {
                fault: Fault::Broken, ..
            }
            | Self::Wire {
                flaw: Flaw::Truncated,
                ..
            } => Decision::Retry,
            Self::Throttled { refusal } | Self::Status { refusal }
                if matches!(refusal.status, 408 | 429 | 500 | 502 | 503 | 504) =>
            {
                refusal.retry_after.map_or(Decision::Retry, Decision::RetryAfter)
            }
            _ => Decision::Stop,
        }
    }

    /// Whether another attempt may help, for a request that must not be carried
    /// out twice.
    pub(crate) fn retry_decision_once(&self) -> Decision {
        if self.is_ambiguous() {
            Decision::Stop
        } else {
            self.retry_decision()
        }
    }
}

/// What went wrong with the way to sign in that was left at the end.
fn chosen(error: &Error) -> String {
    match error {
        Error::NoIdentity { .. } => "there is no way to sign in to Azure".to_owned(),
        other => other.to_string(),
    }
}

fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

impl From<Error> for TopError {
    fn from(error: Error) -> Self {
        let attempts = match &error {
            Error::Auto { attempts, .. } => attempts.clone(),
            _ => Vec::new(),
        };
        let failed = Self::failed(error.to_string());
        error.hint().into_iter().chain(attempts).fold(failed, Self::hint)
    }
}

#[cfg(test)]
mod tests;
