//! Signals, and the changes that a run may have made before one.

use std::cell::Cell;

use tokio::signal::unix::{SignalKind, signal};

use crate::error::{Error, Kind, Result};

/// The kinds of changes that this run may have made. A flag is set before the
/// first request that could make such a change.
#[derive(Debug, Default)]
pub struct Interrupt {
    /// A credential in a Secret, or the pod template of a workload.
    pub credential_written: Cell<bool>,
    /// An object of an installation.
    pub object_written: Cell<bool>,
}

impl Interrupt {
    /// The error of a run that was ended by a signal.
    pub fn error(&self) -> Error {
        if self.credential_written.get() {
            Error::new(
                Kind::Owed,
                "interrupted after the token was written: a restart or its proof may be owed",
            )
            .hint("run the same command again; it resumes the rotation")
        } else if self.object_written.get() {
            Error::failed("interrupted; some objects may have been written")
                .hint("run the same command again; it writes the rest")
        } else {
            Error::failed("interrupted; nothing was changed")
        }
    }
}

/// Resolves when the process receives SIGINT or SIGTERM.
pub async fn interrupted(interrupt: &Interrupt) -> Result<Error> {
    let listen = |kind| {
        signal(kind)
            .map_err(|error| Error::failed(format!("cannot listen for signals: {error}")).caused_by(error))
    };
    let (mut interrupt_signal, mut terminate) =
        (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt_signal.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(interrupt.error())
}
