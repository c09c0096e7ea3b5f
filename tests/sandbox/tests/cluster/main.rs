//! The control plane, the node stand-in and the fleet.

#![expect(clippy::unwrap_used, reason = "test helpers are test code too")]

mod control_plane;
mod entra;
mod fixture;
mod fleet;
mod gateways;
mod node;
mod own_image;
mod own_image_end;
