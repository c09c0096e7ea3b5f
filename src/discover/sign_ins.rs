//! What Entra and Azure have for the gateways that sign in by Entra. For many
//! gateways, each instance, role and app is read once, and apps by the page.

mod access;
mod apps;
mod issuer;
mod sources;
mod webhooks;

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use super::inventory::Instances;
use crate::error::Result;
use crate::model::{Auth, EntraInAzure, EntraSignIn, Fact, Federation, GatewayFacts, Presented, Unavailable};
use apps::Apps;
use issuer::issuer;
use webhooks::{Webhooks, webhooks};

pub use sources::Sources;

/// Completes the gateways that sign in by Entra. An error only if the cluster
/// cannot be reached at all.
pub async fn sign_ins(
    sources: &Sources<'_>,
    instances: &Instances,
    gateways: &mut [&mut GatewayFacts],
) -> Result<()> {
    let Federated { issuer, webhooks } = federated(sources, gateways).await?;
    let wanted = gateways.iter().filter_map(|facts| {
        let client_id = facts.entra()?.client_id.as_ref().ok()?;
        Some((*client_id, facts.auth == Auth::WorkloadIdentity))
    });
    let apps = Apps::read(sources, wanted).await;
    let principals: BTreeSet<Uuid> = apps.principals().collect();
    let names = gateways.iter().filter(|facts| facts.entra().is_some());
    let names: BTreeSet<String> = names
        .filter_map(|facts| Some(facts.service.as_ref().ok()?.to_ascii_lowercase()))
        .collect();
    let access = access::of_instances(sources.arm, instances, &names, &principals).await;
    for facts in gateways.iter_mut() {
        let is_federated = facts.auth == Auth::WorkloadIdentity;
        let access = match &facts.service {
            Ok(name) => access.get(&name.to_ascii_lowercase()).map_or_else(
                || {
                    Err(Unavailable::Unknown(
                        "the instance was not looked up in Azure".to_owned(),
                    ))
                },
                |found: &Fact<Arc<_>>| found.clone(),
            ),
            Err(unavailable) => Err(unavailable.clone()),
        };
        let namespace = facts.namespace.clone();
        if let Some(sign_in) = entra(facts) {
            let client_id = &sign_in.client_id;
            sign_in.azure = Some(Box::new(EntraInAzure {
                application: client_id.clone().and_then(|id| apps.application(id)),
                service_principal: client_id.clone().and_then(|id| apps.service_principal(id)),
                federation: is_federated.then(|| Federation {
                    credentials: client_id.clone().and_then(|id| apps.federated(id)),
                    issuer: issuer.clone(),
                    audience: sources.audience,
                    webhook: webhooks
                        .as_ref()
                        .map(|it| it.change_pods_of(&namespace))
                        .map_err(Clone::clone),
                }),
                access,
            }));
        }
    }
    Ok(())
}

/// What the cluster has for workload identities.
struct Federated {
    /// The issuer of the cluster's tokens.
    issuer: Fact<String>,
    webhooks: Fact<Webhooks>,
}

async fn federated(sources: &Sources<'_>, gateways: &[&mut GatewayFacts]) -> Result<Federated> {
    let mut gateways = gateways.iter();
    if !gateways.any(|facts| facts.auth == Auth::WorkloadIdentity) {
        let not_needed = || Unavailable::Unknown(String::new());
        return Ok(Federated {
            issuer: Err(not_needed()),
            webhooks: Err(not_needed()),
        });
    }
    let (issuer, webhooks) = tokio::join!(issuer(sources.cluster), webhooks(sources.cluster));
    Ok(Federated {
        issuer: issuer?,
        webhooks,
    })
}

fn entra(facts: &mut GatewayFacts) -> Option<&mut EntraSignIn> {
    match &mut facts.presented {
        Ok(Presented::Entra(sign_in)) => Some(sign_in),
        _ => None,
    }
}
