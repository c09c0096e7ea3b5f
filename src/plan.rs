//! Decides what a rotation has to do: pure functions of the facts, of what
//! was asked, and of the time. Nothing here reads a clock or a server.

mod change;
mod conflict;
mod need;
mod preflight;
mod rotation;
mod schedule;
mod slot;
mod verdict;

pub use change::{restored_annotations, rotation_annotations};
pub use conflict::{AfterWrite, after_write};
pub use need::{Need, Unfinished, need, unfinished};
pub use preflight::preflight;
pub use rotation::{FollowUp, Plan, Policy, rotation, whole_seconds};
pub use schedule::{NextRun, daily, keeps_alive, next_run};
pub use slot::choose_slot;
pub use verdict::{Assessment, Verdict, assess, is_alarm, next_change};

#[cfg(test)]
pub mod fixture;
