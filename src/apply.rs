//! Carries a plan out: mint, verify, write, restart, prove, and put back what
//! Azure refuses. The order of the effects is here; the effects themselves
//! are behind [`Effects`], of which there are two: the live one, and a
//! recorder in the tests that fails at a chosen step.

mod live;
pub mod outcome;
mod rotation;

pub use live::Live;
pub use outcome::{Outcome, Verdict};
pub use rotation::{Effects, Proof, Refusal, Rotation, Write};
