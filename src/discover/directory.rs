//! Looks gateways up in Azure: completes their ids, and checks that they exist.
//! For many gateways, each instance is looked up and listed once.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::evidence::Named;
use crate::azure::Arm;
use crate::error::{Error, Result};
use crate::model::{GatewayId, ServiceId};

/// The answers of one ARM so far.
#[derive(Debug, Default)]
pub struct Directory {
    /// How many gateways of an instance will be looked up, by its name in lower
    /// case.
    expected: HashMap<String, usize>,
    services: OnceCell<Vec<ServiceId>>,
    /// The gateways of an instance, by its path in lower case; `None` without
    /// the right to list them.
    gateways: Cells<Option<BTreeSet<String>>>,
}

/// What is read once for each key.
type Cells<T> = Mutex<HashMap<String, Arc<OnceCell<T>>>>;

impl Directory {
    /// A directory for one gateway of each of these instances, by name.
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

    /// Completes the gateway's id and checks that the gateway exists.
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

    /// One query for all instances: the Resource Graph has a small quota of its
    /// own.
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

    /// Whether the instance has the gateway, by one list instead of many reads;
    /// `None` for an identity whose role is on single gateways, which cannot
    /// list them.
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

/// The cell for a key. The second to ask waits for the answer to the first.
fn cell<T>(cells: &Cells<T>, key: String) -> Arc<OnceCell<T>> {
    let mut cells = cells.lock().unwrap_or_else(PoisonError::into_inner);
    cells.entry(key).or_default().clone()
}

/// Completes the gateway's ARM id from the instances that have the name of its
/// own.
fn among(mut found: Vec<ServiceId>, named: &Named) -> Result<GatewayId> {
    let service = &named.service.value;
    let fits = |given: Option<&str>, found: &str| given.is_none_or(|given| given.eq_ignore_ascii_case(found));
    let narrowed = [
        ("resource group", &named.resource_group),
        ("subscription", &named.subscription),
    ];
    let narrowed: String = narrowed
        .into_iter()
        .filter_map(|(what, given)| {
            let given = given.as_ref()?;
            Some(format!(" in {what} `{}` ({})", given.value, given.source))
        })
        .collect();
    found.retain(|id| {
        fits(
            named.subscription.as_ref().map(|given| given.value.as_str()),
            &id.subscription,
        ) && fits(
            named.resource_group.as_ref().map(|given| given.value.as_str()),
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
