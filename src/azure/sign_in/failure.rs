use std::sync::{Arc, Mutex, PoisonError};

use crate::azure::transport::error::Error;

/// Carries the cause of a failed sign-in past `azure_identity`, whose own
/// errors drop it.
#[derive(Clone, Debug, Default)]
pub struct FailureSlot(Arc<Mutex<Option<Error>>>);

impl FailureSlot {
    pub fn put(&self, error: Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    pub fn take(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
