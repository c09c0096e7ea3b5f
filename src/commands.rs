//! One file a command: a short story of what it does.

mod complete;
mod confirm;
mod connect;
mod context;
mod dispatch;
mod entra;
mod install_cronjob;
mod mint_right;
mod policies;
mod render_rbac;
mod rotate;
mod sign_in;
mod status;
mod surroundings;
mod uninstall_cronjob;

use connect::{connect, connect_until, contexts, local_now, namespace, nothing_found};

pub use complete::names;
pub use context::Context;
pub use dispatch::run;
