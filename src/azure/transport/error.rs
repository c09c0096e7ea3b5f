use std::fmt;
use std::time::Duration;

use crate::error::Error as TopError;
use crate::retry::Decision;

/// Why something at Azure did not work. No variant holds a secret: texts of
/// servers are cut to their first line and are error texts only, and bodies
/// that were not understood are described, never quoted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was given makes no client; nothing was sent.
    #[error("{0}")]
    Setup(String),
    /// There is no access token to be had.
    #[error("{message}")]
    SignIn {
        /// Entra's code, `AADSTS7000215`.
        code: Option<String>,
        /// Who was refused by whom, and why.
        message: String,
        /// The next step, in plain words.
        hint: Option<String>,
    },
    /// What was to sign in is not there. Where the choice is ours, another
    /// way may be.
    #[error("{message}")]
    NoIdentity {
        /// What is not there.
        message: String,
        /// The next step, in plain words.
        hint: Option<String>,
    },
    /// The sign-in failed after we had chosen the way.
    #[error("{error}")]
    Auto {
        /// Why it failed.
        error: Box<Error>,
        /// What each way had to say, in the order in which they were tried.
        said: Vec<String>,
    },
    /// ARM has no such object.
    #[error("{what} was not found: {}", refusal.answer())]
    NotFound {
        /// The object that was asked for.
        what: String,
        /// ARM's answer.
        refusal: Box<Refusal>,
    },
    /// The identity lacks a right.
    #[error("{refusal}")]
    Forbidden {
        /// The operation, `Microsoft.ApiManagement/service/gateways/read`.
        action: String,
        /// The ARM id on which it was wanted.
        scope: String,
        /// The identity's object id.
        principal: Option<String>,
        /// ARM's answer.
        refusal: Box<Refusal>,
    },
    /// Azure wants fewer requests, for longer than the deadline allows.
    #[error("{refusal}")]
    Throttled {
        /// Azure's answer.
        refusal: Box<Refusal>,
    },
    /// Any other answer that is not a success.
    #[error("{refusal}")]
    Status {
        /// Azure's answer.
        refusal: Box<Refusal>,
    },
    /// No whole answer came.
    #[error("cannot {purpose}: {message}")]
    Transport {
        /// What was being done.
        purpose: String,
        /// What kind of failure.
        fault: Fault,
        /// Which host, and why.
        message: String,
    },
    /// The deadline passed before an answer came.
    #[error("cannot {purpose}: Azure did not answer in time")]
    Timeout {
        /// What was being done.
        purpose: String,
    },
    /// An answer that is not what Azure's reference says.
    #[error("cannot {purpose}: {problem}")]
    Wire {
        /// What was being done.
        purpose: String,
        /// What came instead.
        problem: String,
        /// What kind of wrong it is, which says whether another attempt may
        /// heal it.
        flaw: Flaw,
    },
}

/// Where an exchange broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No connection, so the request was not sent.
    Connect,
    /// The server's certificate is not trusted.
    Certificate,
    /// The proxy wants a name and a password.
    ProxyAuthentication,
    /// The connection broke after the request may have been sent.
    Broken,
}

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It ended too early.
    Cut,
    /// It is a page for people, which something on the way sent: that may be
    /// a proxy's hiccup, and more often stays until somebody signs in there.
    Page,
    /// It came whole and is of another form.
    Form,
}

/// An answer of Azure that is no success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was being done, in words that follow "cannot".
    pub purpose: String,
    /// The request's method and path.
    pub request: String,
    /// The HTTP status.
    pub status: u16,
    /// The code of the error envelope.
    pub code: Option<String>,
    /// The first line of its message, or what came instead of an envelope.
    pub message: String,
    /// What Azure's support asks for: the correlation id, or else the id
    /// that the request was sent with.
    pub correlation: String,
    /// How long Azure asked to wait.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// What Azure answered, without what was being done.
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
    /// Whether nothing was learnt, because no answer came.
    pub fn is_unanswered(&self) -> bool {
        matches!(
            self,
            Self::Transport { .. } | Self::Timeout { .. } | Self::Throttled { .. }
        )
    }

    /// Azure's answer, where there was one.
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

    /// The HTTP status of Azure's answer, where it was a refusal.
    pub fn status(&self) -> Option<u16> {
        self.refusal().map(|refusal| refusal.status)
    }

    /// Whether another attempt may help, for a request that is safe to repeat.
    pub(crate) fn verdict(&self) -> Decision {
        match self {
            Self::Auto { error, .. } => error.verdict(),
            Self::Transport {
                fault: Fault::Connect,
                ..
            }
            | Self::Wire { flaw: Flaw::Page, .. } => Decision::RetryBriefly,
            Self::Transport {
                fault: Fault::Broken, ..
            }
            | Self::Wire { flaw: Flaw::Cut, .. } => Decision::Retry,
            Self::Throttled { refusal } | Self::Status { refusal }
                if matches!(refusal.status, 408 | 429 | 500 | 502 | 503 | 504) =>
            {
                refusal.retry_after.map_or(Decision::Retry, Decision::RetryAfter)
            }
            _ => Decision::Stop,
        }
    }

    /// What the reader can do about it.
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
                    "grant {who} the action {action} on {scope}; a new role takes some minutes to work, \
                     and Azure answers the same when the scope does not exist"
                ));
            }
            Self::Throttled { refusal } => {
                let wait = refusal.retry_after?.as_secs();
                return Some(format!("Azure asks to wait {wait} s before the next attempt"));
            }
            Self::Transport {
                fault: Fault::Certificate,
                ..
            } => "where a proxy inspects TLS, name its CA with --azure-ca-file or SSL_CERT_FILE",
            Self::Transport {
                fault: Fault::ProxyAuthentication,
                ..
            } => "put the proxy's user name and password into the address in HTTPS_PROXY",
            Self::Transport { .. } => "check the network; HTTPS_PROXY and NO_PROXY are obeyed",
            Self::Timeout { .. } => "give it longer with --timeout",
            Self::NotFound { .. } | Self::Status { .. } => {
                match self.refusal().and_then(|refusal| refusal.code.as_deref())? {
                    "SubscriptionNotFound" | "InvalidAuthenticationTokenTenant" => {
                        "check that the subscription belongs to the tenant that signs in (--tenant) \
                         and to this cloud (--cloud)"
                    }
                    "MethodNotAllowedInPricingTier" => {
                        "only the tiers Developer and Premium have self-hosted gateways"
                    }
                    _ => return None,
                }
            }
            Self::Setup(_) | Self::Wire { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

impl From<Error> for TopError {
    fn from(error: Error) -> Self {
        let said = match &error {
            Error::Auto { said, .. } => said.clone(),
            _ => Vec::new(),
        };
        let failed = Self::failed(error.to_string());
        error.hint().into_iter().chain(said).fold(failed, Self::hint)
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
    fn the_message_says_what_failed_and_why_and_keeps_the_ids() {
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
            ["only the tiers Developer and Premium have self-hosted gateways"]
        );
    }

    #[test]
    fn what_another_attempt_may_heal_is_repeated() {
        let broken = |fault| Error::Transport {
            purpose: String::new(),
            fault,
            message: String::new(),
        };
        let status = |status| Error::Status {
            refusal: refusal(status, None),
        };
        let purpose = String::new();
        for (error, verdict) in [
            (broken(Fault::Connect), Decision::RetryBriefly),
            (broken(Fault::Broken), Decision::Retry),
            (broken(Fault::Certificate), Decision::Stop),
            (status(429), Decision::Retry),
            (status(503), Decision::Retry),
            (status(409), Decision::Stop),
            (Error::Timeout { purpose }, Decision::Stop),
        ] {
            assert_eq!(error.verdict(), verdict, "{error:?}");
        }
    }

    #[test]
    fn the_wait_that_azure_asks_for_is_obeyed() {
        let wait = Duration::from_secs(7);
        let mut refusal = refusal(429, None);
        refusal.retry_after = Some(wait);
        assert_eq!(Error::Throttled { refusal }.verdict(), Decision::RetryAfter(wait));
    }
}
