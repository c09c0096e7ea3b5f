//! `status --azure`: reads the gateways in Azure.

use std::time::Duration;

use tokio::time::Instant;

use crate::azure::Arm;
use crate::commands::sign_in::sign_in;
use crate::discover::inventory::inventory;
use crate::error::Result;
use crate::model::{CloudName, GatewayFacts, Unavailable};
use crate::output::Output;
use crate::settings::AzureSettings;

/// The time limit for all gateways together, in addition to `TIME_PER_GATEWAY`.
const BASE_TIME: Duration = Duration::from_mins(1);

/// ARM allows 20 reads a second. A gateway needs four: two for its instance, one
/// for its APIs, and one to find it.
const TIME_PER_GATEWAY: Duration = Duration::from_millis(4 * 1000 / 20);

/// Adds the facts from Azure, or the reason why they are not available. An error
/// if no sign-in succeeds.
pub(super) async fn ask(
    settings: &AzureSettings,
    gateways: &mut [GatewayFacts],
    output: &Output,
) -> Result<()> {
    let many = u32::try_from(gateways.len()).unwrap_or(u32::MAX);
    let deadline = Instant::now() + BASE_TIME + TIME_PER_GATEWAY.saturating_mul(many);
    let mut failures = Vec::new();
    let mut signed_in = false;
    for (cloud, group) in by_cloud(settings, gateways) {
        match arm_of(settings, cloud, deadline).await {
            Ok(arm) => {
                signed_in = true;
                inventory(&arm, group).await;
            }
            Err(error) => {
                for facts in group {
                    facts.azure = Some(Err(Unavailable::Unknown(error.to_string())));
                }
                failures.push(error);
            }
        }
    }
    if !signed_in && !failures.is_empty() {
        return Err(failures.swap_remove(0));
    }
    for failure in failures {
        output.warning(&failure.to_string());
    }
    Ok(())
}

/// The gateways by cloud, or under one cloud if it is configured. Gateways
/// whose name or instance is unknown are omitted.
fn by_cloud<'a>(
    settings: &AzureSettings,
    gateways: &'a mut [GatewayFacts],
) -> Vec<(CloudName, Vec<&'a mut GatewayFacts>)> {
    let mut groups: Vec<(CloudName, Vec<&mut GatewayFacts>)> = Vec::new();
    for facts in gateways {
        if let Some(unavailable) = facts.service.as_ref().err().or(facts.gateway.as_ref().err()) {
            facts.azure = Some(Err(unavailable.clone()));
            continue;
        }
        let cloud = facts.cloud.filter(|_| settings.cloud.is_none());
        let cloud = cloud.unwrap_or(CloudName::Public);
        match groups.iter_mut().find(|(of, _)| *of == cloud) {
            Some((_, group)) => group.push(facts),
            None => groups.push((cloud, vec![facts])),
        }
    }
    groups
}

async fn arm_of(settings: &AzureSettings, cloud: CloudName, deadline: Instant) -> Result<Arm> {
    let arm = sign_in(settings, Some(cloud), deadline, false).await?;
    arm.sign_in().await?;
    Ok(arm)
}
