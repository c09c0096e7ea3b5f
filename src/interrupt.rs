//! What a signal ends, and what the run may have changed before it.

use std::cell::Cell;

use tokio::signal::unix::{SignalKind, signal};

use crate::error::{Error, Kind, Result};

/// What this run may have written so far. A flag is set just before the first
/// request that could change something.
#[derive(Debug, Default)]
pub struct Interrupt {
    /// A credential, or the pod template of a workload.
    pub credential_written: Cell<bool>,
    /// An object of an installation.
    pub object_written: Cell<bool>,
}

impl Interrupt {
    /// The error of a run that a signal ended.
    pub fn error(&self) -> Error {
        if self.credential_written.get() {
            Error::new(
                Kind::Owed,
                "interrupted after the token was written: a restart or its proof may be owed",
            )
            .hint("run the same command again: it resumes where this run ended")
        } else if self.object_written.get() {
            Error::failed("interrupted; some of the objects may be there already")
                .hint("run the same command again: it does what is left")
        } else {
            Error::failed("interrupted; nothing was changed")
        }
    }
}

/// Resolves when the process receives SIGINT or SIGTERM.
pub async fn interrupted(interrupt: &Interrupt) -> Result<Error> {
    let listen = |kind| {
        signal(kind)
            .map_err(|error| Error::failed(format!("cannot listen to signals: {error}")).caused_by(error))
    };
    let (mut interrupt_signal, mut terminate) =
        (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt_signal.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(interrupt.error())
}
