use std::cell::OnceCell;

use crate::environment::Environment;
use crate::interrupt::Interrupt;
use crate::model::request::ConnectionFlags;
use crate::output::Output;
use crate::report::TerminationMessage;

/// What every command gets.
pub struct Context {
    /// The variables of the process.
    pub environment: Environment,
    /// The one writer to stdout and stderr.
    pub output: Output,
    /// What printed commands need to reach the same cluster.
    pub connection: ConnectionFlags,
    /// Whether the program was called by the old script's name.
    pub as_script: bool,
    /// What a signal has to know about this run.
    pub interrupt: Interrupt,
    /// The result of the run for the status of its pod, once there is one.
    pub termination_message: OnceCell<TerminationMessage>,
}

impl Context {
    /// Records the result of the run; the first one counts.
    pub fn set_termination_message(&self, message: TerminationMessage) {
        let _ = self.termination_message.set(message);
    }
}
