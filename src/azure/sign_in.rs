//! Access tokens for ARM: `identity` says who signs in, `credential` fetches
//! the token and keeps it, and the other files are the ways to sign in.

mod aadsts;
mod assertion;
mod az_cli;
pub mod certificate;
pub mod credential;
mod entra;
mod failure;
pub mod identity;
pub mod managed;
