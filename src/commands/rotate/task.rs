//! One gateway of a fleet, and where it is.

use super::parallel::Load;
use crate::cli::kube::KubeArgs;
use crate::cluster::Cluster;
use crate::commands::{Context, connect, contexts};
use crate::discover::Found;
use crate::discover::evidence::Named;
use crate::error::Result;
use crate::model::{CloudName, GatewayId};
use crate::plan::Need;
use crate::settings::FleetSettings;

/// A gateway that has something to do.
pub(super) struct Task {
    /// The context that was asked for, where several were.
    pub(super) place: Place,
    pub(super) found: Found,
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

/// The clusters to look in.
pub(super) async fn places(fleet: &FleetSettings, kube: &KubeArgs, context: &Context) -> Result<Vec<Place>> {
    if fleet.contexts.is_empty() {
        let cluster = connect(kube, context).await?;
        return Ok(vec![Place {
            context: None,
            cluster,
        }]);
    }
    let mut places = Vec::new();
    for name in contexts(kube, context, &fleet.contexts)? {
        let kube = KubeArgs {
            context: Some(name.clone()),
            ..kube.clone()
        };
        places.push(Place {
            cluster: connect(&kube, context).await?,
            context: Some(name),
        });
    }
    Ok(places)
}

impl Task {
    pub(super) fn cloud(&self) -> CloudName {
        cloud(&self.named)
    }

    pub(super) fn load(&self) -> Load {
        Load {
            instance: self.named.service.value.to_lowercase(),
            workloads: self.found.snapshot.workloads.len().max(1),
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

pub(super) fn cloud(named: &Named) -> CloudName {
    named.cloud.unwrap_or(CloudName::Public)
}
