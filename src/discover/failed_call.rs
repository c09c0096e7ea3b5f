//! Why a request to Azure leaves something unknown.

use crate::azure::Error;
use crate::model::{Unavailable, cleaned};

/// Why what it asked for is not known.
pub fn unavailable(error: &Error) -> Unavailable {
    let why = cleaned(&error.to_string());
    if error.status() == Some(403) {
        Unavailable::Forbidden(why)
    } else {
        Unavailable::Unknown(why)
    }
}
