//! The log of requests, which never holds a secret: no body, no `Authorization`, no form.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::operation::Operation;

/// A request that the emulator received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// When it arrived, by the emulator's clock.
    pub time: Timestamp,
    /// The host name that it was for, without the port.
    pub host: String,
    /// The method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// Its operation, if the emulator knows it.
    pub operation: Option<Operation>,
    /// The client id that signed in, or that the access token was issued to.
    pub principal: Option<String>,
    /// The gateway that its path names, or whose token it presented.
    pub gateway: Option<String>,
    /// The status of the answer; none while there is none, or when the connection was reset instead.
    pub status: Option<u16>,
    /// Whether it came through the proxy.
    pub proxied: bool,
    /// The answer's `x-ms-correlation-request-id`.
    pub correlation_id: String,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Request {
            time,
            host,
            method,
            path,
            operation,
            principal,
            status,
            proxied,
            ..
        } = self;
        let status = status.map_or_else(|| "---".to_owned(), |status| status.to_string());
        write!(f, "{time:.3} {status} {method} https://{host}{path}")?;
        if let Some(operation) = operation {
            write!(f, " {operation:?}")?;
        }
        if let Some(principal) = principal {
            write!(f, " by {principal}")?;
        }
        if *proxied {
            f.write_str(" proxied")?;
        }
        Ok(())
    }
}

/// The requests in the order of their arrival.
#[derive(Default)]
pub(super) struct RequestLog {
    entries: Vec<Request>,
    /// How many entries were cleared, so that a ticket outlives a clearing.
    cleared: usize,
}

/// The place of an entry whose answer is not known yet.
#[derive(Clone, Copy)]
pub(super) struct Ticket(usize);

impl RequestLog {
    pub(super) fn arrive(&mut self, request: Request) -> Ticket {
        self.entries.push(request);
        Ticket(self.cleared + self.entries.len() - 1)
    }

    pub(super) fn answer(&mut self, Ticket(place): Ticket, status: u16) {
        let entry = place
            .checked_sub(self.cleared)
            .and_then(|index| self.entries.get_mut(index));
        if let Some(entry) = entry {
            entry.status = Some(status);
        }
    }

    pub(super) fn entries(&self) -> &[Request] {
        &self.entries
    }

    pub(super) fn clear(&mut self) {
        self.cleared += self.entries.len();
        self.entries.clear();
    }
}
