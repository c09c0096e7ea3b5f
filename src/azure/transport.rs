//! One request to Azure and its answer: the HTTP client, the budget of
//! requests, the form of the bodies, and the errors.

pub mod api_versions;
pub mod budget;
mod challenge;
pub mod error;
pub mod exchange;
pub mod gate;
pub mod http;
pub mod odata;
mod proxy;
mod roots;
pub mod wire;
