//! Gateways in Azure: what completes an id, and whether there is such a
//! gateway. Of many gateways each instance is looked up and listed once.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::evidence::Named;
use crate::azure::Arm;
use crate::error::{Error, Result};
use crate::model::{GatewayId, ServiceId};

/// What a run has learnt from one ARM.
#[derive(Debug, Default)]
pub struct Directory {
    /// How many gateways of an instance are asked about, by its name in lower
    /// case.
    expected: HashMap<String, usize>,
    services: OnceCell<Vec<ServiceId>>,
    /// The gateways of an instance, by its path in lower case; `None` without
    /// the right to list them.
    gateways: Cells<Option<BTreeSet<String>>>,
}

/// What is asked once for each key.
type Cells<T> = Mutex<HashMap<String, Arc<OnceCell<T>>>>;

impl Directory {
    /// A directory that will be asked about one gateway for each of these
    /// names of instances.
    pub fn expecting<'a>(services: impl IntoIterator<Item = &'a str>) -> Self {
        let mut expected = HashMap::new();
        for service in services {
            *expected.entry(service.to_lowercase()).or_default() += 1;
        }
        Self {
            expected,
            ..Self::default()
        }
    }

    /// Completes the gateway's id and sees that the gateway exists.
    pub async fn gateway(&self, arm: &Arm, named: &Named) -> Result<GatewayId> {
        let id = match named.id() {
            Some(id) => id,
            None => self.complete(arm, named).await?,
        };
        let expected = self.expected.get(&named.service.value.to_lowercase());
        let exists = match expected {
            Some(2..) => self.is_listed(arm, &id).await?,
            _ => None,
        };
        match exists {
            None => {
                arm.gateway(&id).await?;
            }
            Some(true) => {}
            Some(false) => {
                let service = &id.service;
                return Err(Error::failed(format!(
                    "gateway `{}` of service `{}` in resource group `{}` of subscription {} was not found: the \
                     service has no gateway of this name",
                    id.name, service.name, service.resource_group, service.subscription
                )));
            }
        }
        Ok(id)
    }

    /// One question for all instances: the Resource Graph has a small quota of
    /// its own.
    async fn complete(&self, arm: &Arm, named: &Named) -> Result<GatewayId> {
        let service = &named.service.value;
        let mut services: Vec<&str> = self.expected.keys().map(String::as_str).collect();
        if services.is_empty() {
            services.push(service);
        }
        let found = self
            .services
            .get_or_try_init(async || Ok::<_, Error>(arm.find_services(&services).await?))
            .await?;
        let of_name = found.iter().filter(|id| id.name.eq_ignore_ascii_case(service));
        among(of_name.cloned().collect(), named)
    }

    /// Whether the instance has the gateway, by one list in the place of many
    /// reads; `None` for an identity whose role is on single gateways, which
    /// may not list them.
    async fn is_listed(&self, arm: &Arm, id: &GatewayId) -> Result<Option<bool>> {
        let cell = cell(&self.gateways, id.service.path().to_lowercase());
        let listed = cell.get_or_try_init(async || match arm.gateways(&id.service).await {
            Ok(listed) => Ok(Some(
                listed
                    .iter()
                    .map(|gateway| gateway.id.name.to_lowercase())
                    .collect(),
            )),
            Err(error) if error.status() == Some(403) => Ok(None),
            Err(error) => Err(Error::from(error)),
        });
        let names: &Option<BTreeSet<String>> = listed.await?;
        Ok(names
            .as_ref()
            .map(|names| names.contains(&id.name.to_lowercase())))
    }
}

/// The cell for a key. Whoever comes second waits for the first one's answer.
fn cell<T>(cells: &Cells<T>, key: String) -> Arc<OnceCell<T>> {
    let mut cells = cells.lock().unwrap_or_else(PoisonError::into_inner);
    cells.entry(key).or_default().clone()
}

/// Completes the gateway's ARM id by the instances of its instance's name that
/// Azure has.
fn among(mut found: Vec<ServiceId>, named: &Named) -> Result<GatewayId> {
    let service = &named.service.value;
    let fits = |told: Option<&str>, found: &str| told.is_none_or(|told| told.eq_ignore_ascii_case(found));
    let narrowed = [
        ("resource group", &named.resource_group),
        ("subscription", &named.subscription),
    ];
    let narrowed: String = narrowed
        .into_iter()
        .filter_map(|(what, told)| {
            let told = told.as_ref()?;
            Some(format!(" in {what} `{}` ({})", told.value, told.source))
        })
        .collect();
    found.retain(|id| {
        fits(
            named.subscription.as_ref().map(|told| told.value.as_str()),
            &id.subscription,
        ) && fits(
            named.resource_group.as_ref().map(|told| told.value.as_str()),
            &id.resource_group,
        )
    });
    match found.as_slice() {
        [only] => Ok(only.gateway(named.gateway.value.clone())),
        [] => Err(Error::failed(format!(
            "this identity sees no API Management instance `{service}` (named by the {}){narrowed}",
            named.service.source
        ))
        .hint(
            "grant it the action Microsoft.ApiManagement/service/read on the instance, or name --subscription-id and \
             --resource-group; the right to read gateways of one instance is then enough",
        )),
        several => {
            let groups: Vec<String> =
                several.iter().map(|id| format!("{} in {}", id.resource_group, id.subscription)).collect();
            Err(Error::failed(format!("several instances are named `{service}`: {}", groups.join("; ")))
                .hint("choose one with --subscription-id and --resource-group"))
        }
    }
}
