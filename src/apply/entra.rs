//! Applies the plan of a set-up: the steps in their order, the waits for Azure, and the
//! proof. As for a rotation, the order is apart from the effects, so that a test can end
//! it at each of them.

mod effects;
mod order;
mod real;

pub use order::SetupOutcome;
pub use real::Setup;
