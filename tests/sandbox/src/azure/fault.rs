//! Faults that tests set.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::exchange::Call;
use super::operation::Operation;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Action {
    /// The request has no effect and is answered with this.
    Status {
        /// The status code.
        code: u16,
        /// The body; a JSON object is announced as JSON.
        #[serde(default)]
        body: String,
        /// Headers, for example `Retry-After`.
        #[serde(default)]
        headers: Vec<(String, String)>,
    },
    /// The request takes effect and is answered after a delay.
    DelayBefore {
        /// Milliseconds.
        millis: u64,
    },
    /// The request takes effect at once and its answer is delayed.
    DelayAfter {
        /// Milliseconds.
        millis: u64,
    },
    /// The connection is reset and the request has no effect.
    ResetBefore,
    /// The request takes effect and the connection is reset without an answer.
    ResetAfter,
    /// The request takes effect; the answer announces its whole length and breaks off at half of it.
    CutBody,
    /// The request has no effect and is answered 200 with a page of HTML, as a captive portal does.
    Html200,
    /// The request has no effect and is answered 200 with an empty body.
    Empty200,
    /// The request has no effect and is answered with a redirect (307, which repeats method and body).
    Redirect {
        /// The value of `Location`.
        to: String,
    },
    /// `generateToken` answers a well-formed token that the configuration endpoint will refuse; any other operation
    /// is not disturbed.
    RefusedToken,
}

impl Action {
    /// A status with an ARM error envelope for a body.
    pub fn status(code: u16) -> Action {
        let body = r#"{"error":{"code":"SandboxFault","message":"The emulator was told to fail here."}}"#;
        Action::Status {
            code,
            body: body.to_owned(),
            headers: Vec::new(),
        }
    }

    /// A status with `Retry-After`.
    pub fn retry_after(code: u16, seconds: u32) -> Action {
        let headers = vec![("Retry-After".to_owned(), seconds.to_string())];
        match Action::status(code) {
            Action::Status { code, body, .. } => Action::Status { code, body, headers },
            other => other,
        }
    }

    /// An answer delayed after the effect.
    pub fn delay_after(delay: Duration) -> Action {
        Action::DelayAfter {
            millis: millis(delay),
        }
    }

    /// An answer and an effect delayed together.
    pub fn delay_before(delay: Duration) -> Action {
        Action::DelayBefore {
            millis: millis(delay),
        }
    }
}

fn millis(delay: Duration) -> u64 {
    u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)
}

/// A rule: which requests go wrong, how, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// What goes wrong.
    pub action: Action,
    /// The operation that the rule is for; none means every one.
    #[serde(default)]
    pub operation: Option<Operation>,
    /// The host that the rule is for, without its port; none means every one.
    #[serde(default)]
    pub host: Option<String>,
    /// A part of the path, of the client id or of the gateway's name, so that tests side by side do not meet each
    /// other's faults.
    #[serde(default)]
    pub matching: Option<String>,
    /// How many requests are still to go wrong; none means all of them.
    #[serde(default)]
    pub times: Option<u32>,
}

impl Fault {
    /// A fault for every request of an operation.
    pub fn on(operation: Operation, action: Action) -> Fault {
        Fault {
            operation: Some(operation),
            ..Fault::everywhere(action)
        }
    }

    /// A fault for every request.
    pub fn everywhere(action: Action) -> Fault {
        Fault {
            action,
            operation: None,
            host: None,
            matching: None,
            times: None,
        }
    }

    /// Narrows the fault to requests with this text in their path, client id or gateway.
    #[must_use]
    pub fn matching(mut self, text: &str) -> Fault {
        self.matching = Some(text.to_owned());
        self
    }

    /// Narrows the fault to requests for a host.
    #[must_use]
    pub fn host(mut self, host: &str) -> Fault {
        self.host = Some(host.to_owned());
        self
    }

    /// Limits the fault to the next `times` requests that it matches.
    #[must_use]
    pub fn times(mut self, times: u32) -> Fault {
        self.times = Some(times);
        self
    }

    /// Limits the fault to the next request that it matches.
    #[must_use]
    pub fn once(self) -> Fault {
        self.times(1)
    }

    fn matches(&self, call: &Call) -> bool {
        self.times != Some(0)
            && self
                .operation
                .is_none_or(|operation| call.operation() == Some(operation))
            && self
                .host
                .as_ref()
                .is_none_or(|host| host.eq_ignore_ascii_case(&call.host))
            && self.matching.as_ref().is_none_or(|text| {
                let named = [Some(&call.path), call.client_id.as_ref(), call.gateway.as_ref()];
                named
                    .into_iter()
                    .flatten()
                    .any(|name| name.contains(text.as_str()))
            })
    }
}

/// The rules in force.
#[derive(Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// What goes wrong with this request: the oldest rule that matches it, which is used up by one.
    pub(super) fn take(&mut self, call: &Call) -> Option<Action> {
        let fault = self.0.iter_mut().find(|fault| fault.matches(call))?;
        if let Some(times) = &mut fault.times {
            *times -= 1;
        }
        Some(fault.action.clone())
    }
}
