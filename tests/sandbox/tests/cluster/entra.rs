//! Gateways that sign in by Entra: each setting is needed, and each wrong one leaves its event.

mod authority;
mod fixture;
mod refusals;
mod retry;
