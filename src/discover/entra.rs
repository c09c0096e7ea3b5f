//! The facts of a set-up of a sign-in by Entra, of the cluster and of Azure.
//!
//! [`target`] comes first, because it finds the gateway: with a workload that was
//! given, it reads the workload (1 round trip), then its ConfigMaps and Secrets side by
//! side (1). [`facts`] reads everything else. What does not depend on another answer is
//! asked for at once, so the longest of these chains decides how long it takes. Each
//! first request to a host also connects, in 2 round trips.
//!
//! - Graph: access token (1), the app by its unique name (1), its service principal (1),
//!   then the roles of that in other apps, and beside it those in Azure by ARM (1).
//!   Owners and federated credentials are read beside the last two, and policies beside
//!   the first two. An app of a client id is read beside its service principal, which
//!   saves one. Only another app that the Secret or the ServiceAccount names is looked for
//!   at the end (1); if there is none, among the deleted ones (1), or again for a while.
//! - ARM: access token (1), then at once the instance, the gateway, its APIs, the custom
//!   roles, the role assignments, the locks and the caller's rights (1). Only a role that
//!   is assigned and is not custom is read after them (1), and only a role that is to be
//!   changed is looked for in the whole subscription (1).
//! - API server: ServiceAccount, Secret, namespace, pods, rights, the rehearsed pod and the
//!   document of the issuer, all at once (1); the pod again if its ServiceAccount does
//!   not exist (1).
//! - Issuer: after the API server's document, or a token where that may not be read (1),
//!   the public document (1), and then its keys (1).
//!
//! The first chain is the longest: 4 round trips, and 4 more to connect to Entra and to
//! Graph.

mod app;
mod arm;
mod caller_rights;
mod facts;
mod gone;
mod issuer;
mod named;
mod namespace;
mod roles;
mod settled;
mod target;
mod template;
mod unavailable;
mod webhook;
mod workload_secrets;

pub use facts::{Sources, facts};
pub use namespace::{account_facts, stored_facts};
pub use target::{SetupTarget, target};

#[cfg(test)]
mod tests;
