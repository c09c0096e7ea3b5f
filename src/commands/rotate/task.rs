//! One gateway of a fleet, and where it is.

use std::collections::BTreeSet;

use super::parallel::Load;
use crate::cluster::Cluster;
use crate::commands::{Context, connect, contexts};
use crate::discover::TargetFacts;
use crate::discover::evidence::Named;
use crate::error::Result;
use crate::model::request::KubeConnection;
use crate::model::{CloudName, GatewayId};
use crate::plan::Need;
use crate::settings::{FleetSettings, RotateSettings};

/// More warnings than these nobody reads.
const MOST_WARNINGS: usize = 10;

/// A gateway that has something to do.
pub(super) struct Task {
    /// The context that was asked for, where several were.
    pub(super) place: Place,
    pub(super) found: TargetFacts,
    pub(super) need: Need,
    pub(super) named: Named,
    pub(super) warnings: Vec<String>,
    /// What the first look in Azure has made of it.
    pub(super) id: Option<GatewayId>,
}

/// Where a gateway is.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) context: Option<String>,
    pub(super) cluster: Cluster,
}

/// The clusters to look in, each with the context that named it; of several
/// one that cannot be reached is no reason to leave out the others.
pub(super) async fn places(
    fleet: &FleetSettings,
    kube: &KubeConnection,
    context: &Context,
) -> Result<Vec<(Option<String>, Result<Cluster>)>> {
    if fleet.contexts.is_empty() {
        return Ok(vec![(None, connect(kube, context).await)]);
    }
    let mut places = Vec::new();
    for name in contexts(kube, context, &fleet.contexts)? {
        let kube = KubeConnection {
            context: Some(name.clone()),
            ..kube.clone()
        };
        let cluster = connect(&kube, context).await;
        places.push((Some(name), cluster));
    }
    Ok(places)
}

impl Task {
    pub(super) fn load(&self) -> Load {
        let snapshot = &self.found.snapshot;
        let place = format!(
            "{}/{}",
            self.place.context.as_deref().unwrap_or_default(),
            snapshot.namespace
        );
        let workloads = snapshot.workloads.iter().map(|facts| &facts.version.workload);
        Load {
            instance: self.named.service.value.to_lowercase(),
            workloads: workloads.map(|name| format!("{place}/{name}")).collect(),
        }
    }

    /// For whoever is to consent to it.
    pub(super) fn line(&self) -> String {
        let snapshot = &self.found.snapshot;
        let workloads: Vec<String> = self.found.gateways().iter().map(ToString::to_string).collect();
        let context = self
            .place
            .context
            .as_ref()
            .map(|name| format!("{name} "))
            .unwrap_or_default();
        let id = self.id.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("  {context}{} {} {id}", snapshot.namespace, workloads.join(","))
    }
}

/// The cloud of a gateway; where one was told, all are of that.
pub(super) fn cloud(settings: &RotateSettings, named: &Named) -> CloudName {
    let named = named.cloud.filter(|_| settings.azure.cloud.is_none());
    named.unwrap_or(CloudName::Public)
}

/// What whoever consents should know, such as that a restart interrupts.
pub(super) fn warnings(tasks: &[Task]) -> Vec<String> {
    let of_task = |task: &Task| {
        let namespace = &task.found.snapshot.namespace;
        let lines = task
            .warnings
            .iter()
            .map(|warning| format!("{warning} (namespace {namespace})"));
        lines.collect::<Vec<_>>()
    };
    let all: BTreeSet<String> = tasks.iter().flat_map(of_task).collect();
    let more = all.len().saturating_sub(MOST_WARNINGS);
    let mut told: Vec<String> = all.into_iter().take(MOST_WARNINGS).collect();
    if more > 0 {
        told.push(format!("and {more} more like these: -o json has them all"));
    }
    told
}
