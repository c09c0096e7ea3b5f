//! The other workloads of a namespace, on which it depends what a run rotates.

use std::collections::{BTreeMap, BTreeSet};

use crate::discover::pod_spec::CredentialSource;
use crate::model::request::WorkloadRequest;
use crate::model::{WorkloadKind, WorkloadRef};

/// What is known of a namespace.
#[derive(Default)]
pub(in crate::discover) struct Surroundings {
    /// The gateways, each with its credential.
    pub(in crate::discover) gateways: Vec<(WorkloadRef, CredentialSource)>,
    /// The gateways by the Secret that may hold their credential.
    pub(in crate::discover) users: BTreeMap<String, Vec<WorkloadRef>>,
    /// All workloads, gateways or not.
    pub(in crate::discover) workloads: BTreeSet<WorkloadRef>,
    /// The kinds of workloads that could not be listed, in plural.
    pub(in crate::discover) unread: BTreeSet<&'static str>,
    /// Whether everything that could be listed is here, instead of what was selected.
    pub(in crate::discover) is_whole: bool,
}

impl Surroundings {
    /// Whether names, of which one at least matches a workload, mean this one,
    /// or why that is not certain. Of several workloads of one name a run takes
    /// the first, in the order of the kinds.
    pub(super) fn meant(&self, names: &[&WorkloadRequest], workload: &WorkloadRef) -> Result<(), String> {
        let is_exact =
            |name: &&WorkloadRequest| matches!(name, WorkloadRequest::Exact(_)) && name.matches(workload);
        if names.is_empty() || names.iter().any(is_exact) {
            return Ok(());
        }
        let before = WorkloadKind::ALL
            .into_iter()
            .take_while(|kind| *kind != workload.kind);
        for kind in before {
            let other = WorkloadRef {
                kind,
                name: workload.name.clone(),
            };
            if self.workloads.contains(&other) {
                return Err(format!(
                    "it rotates {other}, the first of the workloads of that name: name this one as TYPE/NAME"
                ));
            }
            if !self.is_whole || self.unread.contains(kind.plural()) {
                return Err(format!(
                    "it names no type, and whether there is a {other} too is not known"
                ));
            }
        }
        Ok(())
    }
}
