use std::fmt;
use std::time::Duration;

use crate::error::Error as TopError;
use crate::retry::Decision;

/// Why a request to Azure failed. No variant holds a secret: only the first
/// line of a server's error text is kept, and a body that cannot be parsed is
/// described, never quoted.
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
    #[error("{error}")]
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
    /// The first line of the envelope's message, or a description of the body
    /// without an envelope.
    pub message: String,
    /// The id that Azure's support asks for: the correlation id, or else the
    /// id that the request was sent with.
    pub correlation: String,
    /// How long Azure asked to wait.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// Azure's answer, without the purpose of the request.
    fn answer(&self) -> String {
        let code = self
            .code
            .as_ref()
            .map_or(String::new(), |code| format!(" {code}"));
        format!(
            "Azure answered {}{code}: {} ({}, correlation id {})",
            self.status,
            self.message.trim_end_matches('.'),
            self.request,
            self.correlation
        )
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

    /// Whether the object may exist under another subscription or resource
    /// group. ARM denies a scope that does not exist to everyone without a role
    /// above it, and a subscription that has moved to another tenant.
    pub fn is_of_place(&self) -> bool {
        match self {
            Self::NotFound { .. } | Self::Forbidden { .. } => true,
            _ => self
                .refusal()
                .and_then(|refusal| refusal.code.as_deref())
                .is_some_and(|code| code == "InvalidAuthenticationTokenTenant"),
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

    /// The next step for the user.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::SignIn { hint, .. } | Self::NoIdentity { hint, .. } => return hint.clone(),
            Self::Auto { error, .. } => return error.hint(),
            Self::Forbidden {
                action,
                scope,
                principal,
                ..
            } => {
                let who = principal
                    .as_ref()
                    .map_or_else(|| "the identity".to_owned(), |id| format!("the principal {id}"));
                return Some(format!(
                    "grant {who} the action {action} on {scope}; a new role assignment takes a few minutes to work, \
                     and Azure gives the same answer if the scope does not exist"
                ));
            }
            Self::Throttled { refusal } | Self::Status { refusal } if refusal.retry_after.is_some() => {
                return refusal.retry_after.map(next_attempt);
            }
            Self::Wait { wait, .. } => return Some(next_attempt(*wait)),
            Self::Transport {
                fault: Fault::Certificate,
                ..
            } => "if a proxy inspects TLS, pass its CA with --azure-ca-file FILE or SSL_CERT_FILE",
            Self::Transport {
                fault: Fault::ProxyAuthentication,
                ..
            } => "add the proxy's user name and password to the address in HTTPS_PROXY",
            Self::Transport { .. } => "check the network, and the proxy in HTTPS_PROXY and NO_PROXY",
            Self::Timeout { .. } => "allow more time with --timeout",
            Self::NotFound { .. } | Self::Status { .. } | Self::Throttled { .. } => {
                match self.refusal().and_then(|refusal| refusal.code.as_deref())? {
                    "SubscriptionNotFound" | "InvalidAuthenticationTokenTenant" => {
                        "check that the subscription belongs to the tenant that signs in (--tenant) \
                         and to this cloud (--cloud)"
                    }
                    "MethodNotAllowedInPricingTier" => {
                        "only the Developer and Premium tiers have self-hosted gateways"
                    }
                    _ => return None,
                }
            }
            Self::Setup(_) | Self::Wire { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

fn next_attempt(wait: Duration) -> String {
    format!("wait {} s before the next attempt, as Azure asks", seconds(wait))
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
mod tests {
    use super::*;

    fn refusal(status: u16, code: Option<&str>) -> Box<Refusal> {
        Box::new(Refusal {
            purpose: "read gateway `gw`".into(),
            request: "GET /subscriptions/s".into(),
            status,
            code: code.map(Into::into),
            message: "Gateway not found.".into(),
            correlation: "c-1".into(),
            retry_after: None,
        })
    }

    #[test]
    fn the_message_has_the_purpose_the_reason_and_the_ids() {
        let error = TopError::from(Error::Status {
            refusal: refusal(400, Some("MethodNotAllowedInPricingTier")),
        });
        assert_eq!(
            error.to_string(),
            "cannot read gateway `gw`: Azure answered 400 MethodNotAllowedInPricingTier: \
             Gateway not found (GET /subscriptions/s, correlation id c-1)"
        );
        assert_eq!(
            error.hints(),
            ["only the Developer and Premium tiers have self-hosted gateways"]
        );
    }

    #[test]
    fn errors_that_may_pass_are_retried() {
        let broken = |fault| Error::Transport {
            purpose: String::new(),
            fault,
            message: String::new(),
        };
        let status = |status| Error::Status {
            refusal: refusal(status, None),
        };
        let purpose = String::new();
        for (error, decision) in [
            (broken(Fault::Connect), Decision::RetryBriefly),
            (broken(Fault::Broken), Decision::Retry),
            (broken(Fault::Certificate), Decision::Stop),
            (status(429), Decision::Retry),
            (status(503), Decision::Retry),
            (status(409), Decision::Stop),
            (Error::Timeout { purpose }, Decision::Stop),
        ] {
            assert_eq!(error.retry_decision(), decision, "{error:?}");
        }
    }

    #[test]
    fn the_wait_that_azure_asks_for_is_obeyed() {
        let wait = Duration::from_secs(7);
        let mut refusal = refusal(429, None);
        refusal.retry_after = Some(wait);
        assert_eq!(
            Error::Throttled { refusal }.retry_decision(),
            Decision::RetryAfter(wait)
        );
    }
}
