use crate::cluster::explain;
use crate::error::{Error, Result};
use crate::model::Unavailable;

/// Why an object could not be read, where that does not end the run.
#[derive(Debug)]
pub struct Unread {
    pub reason: Unavailable,
    /// For a run that cannot go on without the object.
    pub error: Error,
    /// Whether the object was read, and only lacks a key.
    pub lacks_key: bool,
}

impl Unread {
    pub(super) fn new(forbidden: bool, error: Error) -> Self {
        let why = error.to_string();
        let reason = if forbidden {
            Unavailable::Forbidden(why)
        } else {
            Unavailable::Unknown(why)
        };
        Self {
            reason,
            error,
            lacks_key: false,
        }
    }
}

/// What a failed read leaves unknown. Without credentials, or without a server
/// that answers, nothing at all can be read, and the run ends.
pub fn unread(error: kube::Error, doing: &str) -> Result<Unread> {
    let forbidden = is_forbidden(&error);
    let of_this_alone = forbidden
        || matches!(&error, kube::Error::Api(status) if status.code != 401 && status.details.is_some());
    let error = explain(error, doing);
    if of_this_alone {
        Ok(Unread::new(forbidden, error))
    } else {
        Err(error)
    }
}

pub fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_forbidden())
}

pub fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_not_found() && status.details.is_some())
}
