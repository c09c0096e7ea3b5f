//! What there is: reads the cluster and Azure and returns plain facts. The
//! reference in the pod spec is followed; nothing is guessed from names.

mod cron_jobs;
pub mod directory;
pub mod evidence;
pub mod facts;
pub mod fleet;
pub mod gateways;
pub mod installed;
pub mod inventory;
pub mod pod_spec;
mod reference;
pub mod survey;
mod target;
mod workloads;

pub use target::{TargetFacts, target};
