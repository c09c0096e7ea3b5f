//! All gateways of one namespace or of many, by lists: a list costs the same
//! for one gateway as for hundreds.

mod selected;
mod take;
mod workload;

pub(super) use take::{Survey, survey};
pub(super) use workload::{Gateway, Surveyed};
