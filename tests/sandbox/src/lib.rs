//! The sandbox of kubectl-apim.

pub mod azure;
