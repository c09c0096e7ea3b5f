//! Signals, and the changes that a run may have made before one.

use std::cell::{Cell, RefCell};

use tokio::signal::unix::{SignalKind, signal};

use crate::error::{Error, Kind, Result};

/// The kinds of changes that this run may have made. A flag is set before the
/// first request that could make such a change.
#[derive(Debug, Default)]
pub struct Interrupt {
    /// This run completes what an earlier one has left, without a new credential.
    pub completing: Cell<bool>,
    /// A credential in a Secret, or the pod template of a workload.
    pub credential_written: Cell<bool>,
    /// Something of a set-up, in Azure or in the cluster.
    pub setup_written: Cell<bool>,
    /// An object of an installation was created or updated.
    pub object_written: Cell<bool>,
    /// An object of an installation was removed.
    pub object_removed: Cell<bool>,
    /// The run only watches, and ends when it is told to.
    pub watching: Cell<bool>,
    /// What became of the commands that the user has had run, in `status --fix`.
    pub commands: Cell<Commands>,
    /// The command that follows the Job which this run has started, and which runs on.
    pub job: RefCell<Option<String>>,
}

/// The commands that a run starts for its user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Commands {
    #[default]
    NoneRun,
    /// One runs. The terminal sends it the signals too, so it decides how to end, and this
    /// run waits for it.
    Running,
    /// A signal came while one ran.
    Signalled,
    /// Some have ended.
    Ended,
}

impl Interrupt {
    /// The error of a run that was ended by a signal.
    pub fn error(&self) -> Error {
        if self.commands.get() != Commands::NoneRun {
            return Error::failed("interrupted; what was run stays as it is, and the rest was not run");
        }
        let again = "run the same command again; it completes an unfinished rotation";
        if self.credential_written.get() {
            return Error::new(
                Kind::Owed,
                "interrupted: the token may have been written, and a restart or its proof may be owed",
            )
            .hint(again);
        }
        if self.completing.get() {
            return Error::new(
                Kind::Owed,
                "interrupted: the restart of an earlier rotation, or its proof, is still owed",
            )
            .hint(again);
        }
        if self.setup_written.get() {
            return Error::new(Kind::Owed, "interrupted; a part of the set-up is done")
                .hint("run the same command again; it does the rest, and makes nothing twice");
        }
        if let Some(follow) = &*self.job.borrow() {
            return Error::failed("interrupted; the Job that was started runs on")
                .hint(format!("follow it: {follow}"));
        }
        let (done, rest) = match (self.object_written.get(), self.object_removed.get()) {
            (false, false) => return Error::failed("interrupted; nothing was changed"),
            (true, false) => ("written", "writes"),
            (false, true) => ("removed", "removes"),
            (true, true) => ("written or removed", "does"),
        };
        Error::failed(format!("interrupted; some objects may have been {done}"))
            .hint(format!("run the same command again; it {rest} the rest"))
    }
}

/// The exit code of a watch that was interrupted, as a shell shows it for kubectl.
const WATCH_ENDED: u8 = 130;

/// Resolves when the process receives SIGINT or SIGTERM: with an error, unless that is
/// how the run is meant to end.
pub async fn interrupted(interrupt: &Interrupt) -> Result<u8> {
    let listen = |kind| {
        signal(kind)
            .map_err(|error| Error::failed(format!("cannot listen for signals: {error}")).caused_by(error))
    };
    let (mut interrupt_signal, mut terminate) =
        (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    loop {
        tokio::select! {
            _ = interrupt_signal.recv() => {}
            _ = terminate.recv() => {}
        }
        match interrupt.commands.get() {
            Commands::Running | Commands::Signalled => interrupt.commands.set(Commands::Signalled),
            Commands::NoneRun | Commands::Ended => break,
        }
    }
    if interrupt.watching.get() {
        return Ok(WATCH_ENDED);
    }
    Err(interrupt.error())
}
