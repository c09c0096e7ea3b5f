//! The result of `status`.

mod describe;
mod entra;
mod json;
mod prometheus;
mod proposals;
mod rows;
mod table;
mod text;
mod watch;

pub use proposals::Proposal;
pub use rows::{StatusReport, TableOptions};
pub use watch::WatchReport;
