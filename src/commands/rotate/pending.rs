//! A gateway of a fleet whose rotation is pending, and its cluster.

use std::collections::BTreeSet;

use super::parallel::Restarts;
use crate::cluster::Cluster;
use crate::commands::{Context, connect, contexts};
use crate::discover::TargetFacts;
use crate::discover::evidence::Named;
use crate::error::Result;
use crate::model::request::KubeConnection;
use crate::model::{GatewayId, Replacement, counted};
use crate::plan::{Need, Place};
use crate::settings::FleetSettings;

/// The number of warnings that are printed at most.
const MAX_WARNINGS: usize = 10;

/// A gateway that needs a rotation.
pub(super) struct PendingRotation {
    pub(super) location: Location,
    pub(super) found: TargetFacts,
    pub(super) need: Need,
    pub(super) named: Named,
    pub(super) warnings: Vec<String>,
    /// Set once the gateway was looked up in Azure.
    pub(super) id: Option<GatewayId>,
}

/// The cluster and the namespace of a gateway.
#[derive(Clone)]
pub(super) struct Location {
    /// Set if several contexts were requested.
    pub(super) context: Option<String>,
    pub(super) cluster: Cluster,
}

/// The requested clusters, each with its context if several were requested. A
/// cluster that cannot be reached does not stop the others.
pub(super) async fn clusters(
    fleet: &FleetSettings,
    kube: &KubeConnection,
    context: &Context,
) -> Result<Vec<(Option<String>, Result<Cluster>)>> {
    if fleet.contexts.is_empty() {
        return Ok(vec![(None, connect(kube, context).await)]);
    }
    let mut clusters = Vec::new();
    for name in contexts(kube, context, &fleet.contexts)? {
        let kube = KubeConnection {
            context: Some(name.clone()),
            ..kube.clone()
        };
        let cluster = connect(&kube, context).await;
        clusters.push((Some(name), cluster));
    }
    Ok(clusters)
}

impl PendingRotation {
    /// The namespace and its cluster.
    pub(super) fn namespace(&self) -> String {
        place(&self.location.cluster, &self.found.snapshot.namespace)
    }

    pub(super) fn place(&self) -> Place {
        Place {
            namespace: self.namespace(),
            instance: self.named.service.value.to_lowercase(),
        }
    }

    /// The names of the gateway in Azure, which its errors contain.
    pub(super) fn names(&self) -> [String; 2] {
        [&self.named.gateway, &self.named.service].map(|name| name.value.clone())
    }

    /// Whether only the right to rotate it is checked.
    pub(super) fn is_not_due(&self) -> bool {
        matches!(self.need, Need::Nothing(_))
    }

    /// Whether this run can be expected to prove the credential. Pods that are
    /// deleted by hand keep the previous one, and what an earlier run wrote and did
    /// not prove is likely to need more than another run.
    pub(super) fn expects_proof(&self) -> bool {
        let mut workloads = self.found.snapshot.workloads.iter();
        !matches!(self.need, Need::Completion(_))
            && !workloads.any(|facts| matches!(facts.replacement, Replacement::ByHand(_)))
    }

    pub(super) fn restarts(&self) -> Restarts {
        let Place { namespace, instance } = self.place();
        let workloads = self.found.snapshot.workloads.iter();
        let workloads = workloads.map(|facts| &facts.version.workload);
        Restarts {
            instance,
            workloads: workloads.map(|name| format!("{namespace}/{name}")).collect(),
        }
    }

    /// A line of the list that the user confirms.
    pub(super) fn line(&self) -> String {
        let snapshot = &self.found.snapshot;
        let workloads: Vec<String> = self.found.gateways().iter().map(ToString::to_string).collect();
        let context = self
            .location
            .context
            .as_ref()
            .map(|name| format!("{name} "))
            .unwrap_or_default();
        let id = self.id.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("  {context}{} {} {id}", snapshot.namespace, workloads.join(","))
    }
}

/// A namespace of a cluster, which is the same through all contexts of the
/// cluster.
pub(super) fn place(cluster: &Cluster, namespace: &str) -> String {
    format!("{} {namespace}", cluster.route)
}

/// The warnings to print before the user confirms, for example that a restart
/// interrupts a gateway.
pub(super) fn warnings(tasks: &[PendingRotation]) -> Vec<String> {
    let of_task = |task: &PendingRotation| {
        let namespace = &task.found.snapshot.namespace;
        let lines = task
            .warnings
            .iter()
            .map(|warning| format!("{warning} (namespace {namespace})"));
        lines.collect::<Vec<_>>()
    };
    let all: BTreeSet<String> = tasks.iter().flat_map(of_task).collect();
    let more = all.len().saturating_sub(MAX_WARNINGS);
    let mut shown: Vec<String> = all.into_iter().take(MAX_WARNINGS).collect();
    if more > 0 {
        let more = counted(more, "more warning", "more warnings");
        shown.push(format!("{more}; use -o json for all of them"));
    }
    shown
}
