//! Results of runs as text. Nothing is printed here, and no clock is read.

pub mod entra;
mod events;
pub mod fleet;
mod gateway_list;
pub mod objects;
mod rotation;
mod rotation_text;
pub mod status;
mod table;
pub mod termination_message;
mod wide;

pub use rotation::RotationReport;
pub use termination_message::TerminationMessage;
