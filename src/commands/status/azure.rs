//! `status --azure`: reads the gateways in Azure.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::azure::{Arm, Graph};
use crate::cluster::Cluster;
use crate::commands::sign_in::sign_in;
use crate::discover::failed_call::unavailable;
use crate::discover::inventory::inventory;
use crate::discover::sign_ins::{Sources, sign_ins};
use crate::error::{Error, Result};
use crate::model::entra::federation_audience;
use crate::model::request::{CloudRequest, Selection};
use crate::model::{CloudName, Fact, GatewayFacts, Unavailable, cleaned, counted};
use crate::output::Output;
use crate::plan;
use crate::settings::AzureSettings;

/// The time limit for all gateways together, in addition to `TIME_PER_GATEWAY`.
const BASE_TIME: Duration = Duration::from_mins(1);

/// The same for Microsoft Graph, which adds facts to those that are there already.
const GRAPH_TIME: Duration = Duration::from_secs(20);

/// ARM allows 20 reads a second. A gateway needs four: two for its instance, one
/// for its APIs, and one to find it.
const TIME_PER_GATEWAY: Duration = Duration::from_millis(4 * 1000 / 20);

/// Adds the facts from Azure, or the reason why they are not available. An error
/// if the sign-in fails; what the cluster shows can then still be reported.
pub(super) async fn ask(
    settings: &AzureSettings,
    selection: &Selection,
    cluster: &Cluster,
    gateways: &mut [GatewayFacts],
    output: &Output,
) -> Result<()> {
    let many = u32::try_from(gateways.len()).unwrap_or(u32::MAX);
    let deadline = Instant::now() + BASE_TIME + TIME_PER_GATEWAY.saturating_mul(many);
    let own = own_cloud(selection, gateways);
    let run = match (&settings.cloud, own) {
        (None, Some(own)) => CloudRequest::Known(own),
        _ => settings.cloud_of_fleet(),
    };
    let mut wanted = Vec::new();
    let mut refused: BTreeMap<String, (Error, usize)> = BTreeMap::new();
    for facts in gateways {
        let gateway = match (&facts.service, &facts.gateway) {
            (Ok(_), Ok(gateway)) => gateway,
            // A gateway whose name or instance is unknown cannot be looked up, but its
            // app can.
            (Err(unavailable), _) | (_, Err(unavailable)) => {
                facts.azure = Some(Err(unavailable.clone()));
                let is_here = own.is_some() || plan::refuse_other_cloud(&run, "", facts.cloud).is_ok();
                if is_here && facts.entra().is_some() {
                    wanted.push(facts);
                }
                continue;
            }
        };
        match plan::refuse_other_cloud(&run, gateway, facts.cloud) {
            // The cloud that is given counts more than that of one endpoint.
            Err(error) if own.is_none() => {
                facts.azure = Some(Err(Unavailable::Unknown(error.to_string())));
                let hint = error.hints().join("; ");
                refused.entry(hint).or_insert((error, 0)).1 += 1;
            }
            _ => wanted.push(facts),
        }
    }
    for (first, count) in refused.into_values() {
        warn(&first, count - 1, output);
    }
    if !wanted.is_empty() {
        let arm = match arm_of(settings, own, deadline).await {
            Ok(arm) => arm,
            Err(error) => {
                let unavailable = Unavailable::Unknown(cleaned(&error.to_string()));
                for facts in wanted {
                    facts.azure.get_or_insert_with(|| Err(unavailable.clone()));
                }
                return Err(error);
            }
        };
        let instances = inventory(&arm, &mut wanted).await;
        if wanted.iter().any(|facts| facts.entra().is_some()) {
            let sources = Sources {
                cluster,
                arm: &arm,
                graph: graph_of(&arm, many).await,
                audience: run.name().map(federation_audience),
            };
            sign_ins(&sources, &instances, &mut wanted).await?;
        }
    }
    Ok(())
}

/// Warns of a gateway that is not looked up, and of others for the same reason.
fn warn(first: &Error, others: usize, output: &Output) {
    let others = match others {
        0 => String::new(),
        others => format!(" (and {})", counted(others, "other gateway", "other gateways")),
    };
    output.warning(&format!("{first}{others}"));
    for hint in first.hints() {
        output.hint(hint);
    }
}

/// Microsoft Graph, or why it cannot be asked. What else is known stays.
async fn graph_of(arm: &Arm, gateways: u32) -> Fact<Graph> {
    let deadline = Instant::now() + GRAPH_TIME + TIME_PER_GATEWAY.saturating_mul(gateways);
    let graph = Graph::beside(arm, None).await;
    graph
        .map(|graph| graph.until(deadline))
        .map_err(|error| unavailable(&error))
}

/// The cloud of the one gateway that is named. Of several, none is asked because
/// of what is in the cluster: that would send the credential of the run where
/// anyone who can write a gateway's settings wants it.
fn own_cloud(selection: &Selection, gateways: &[GatewayFacts]) -> Option<CloudName> {
    match (selection.names.as_slice(), gateways) {
        ([_], [only]) => only.cloud,
        _ => None,
    }
}

async fn arm_of(settings: &AzureSettings, own: Option<CloudName>, deadline: Instant) -> Result<Arm> {
    let arm = sign_in(settings, own, deadline, false).await?;
    arm.sign_in().await?;
    Ok(arm)
}
