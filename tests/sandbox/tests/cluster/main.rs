//! The control plane and the node stand-in.

#![expect(clippy::unwrap_used, reason = "test helpers are test code too")]

mod control_plane;
mod fixture;
mod gateways;
mod node;
mod own_image;
mod own_image_end;
