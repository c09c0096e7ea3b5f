//! Access tokens for ARM: `identity` defines who signs in, `credential` fetches
//! and keeps the token, and the other files implement the ways to sign in.

mod aadsts;
pub mod assertion;
mod az_cli;
pub mod certificate;
pub mod credential;
pub mod entra;
pub mod failure;
pub mod identity;
pub mod managed;
