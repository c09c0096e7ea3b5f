//! All tests of the binary: against the real API server, the emulator of
//! Azure over TLS, and the real program.

#![expect(clippy::unwrap_used, reason = "test helpers are test code too")]

mod bicep;
mod case;
mod cli;
mod colors;
mod command_lines;
mod completions;
mod documents;
mod entra;
mod examples;
mod faults;
mod fleet;
mod image;
mod in_pod;
mod install;
mod krew;
mod kubeconfig;
mod layering;
mod links;
mod notices;
mod observe;
mod one_build;
mod pasted;
mod policy;
mod proxies;
mod quotes;
mod reference;
mod render_rbac;
mod restless;
mod rotate;
mod rules;
mod run;
mod script;
mod sign_in;
mod status;
mod terminal;
mod typed;
mod user;
mod variables;
mod workloads;
