//! Executes a plan: mint, verify, write, restart, prove, and put back what Azure
//! refuses. The order of the effects is here. The effects themselves implement
//! [`Effects`]: one implementation works on the cluster and on Azure, another
//! one records the effects in the tests and fails at a chosen one.

mod effects;
pub mod entra;
mod objects;
mod prover;
mod put_back;
mod real_effects;
mod rotation;

pub use effects::{Effects, Marked, Proof, Refusal, Write};
pub use objects::{Applied, ObjectWriter, REHEARSAL, hiding};
pub use put_back::finish_put_back;
pub use real_effects::RealEffects;
pub use rotation::Rotation;
