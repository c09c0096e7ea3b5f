//! Looks gateways up in Azure: completes their ids, checks that they exist, and
//! finds those whose instance has moved. For many gateways, each instance is
//! looked up and listed once.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::evidence::Named;
use crate::azure::{self, Arm};
use crate::error::{Error, Result};
use crate::model::access::Permission;
use crate::model::{GatewayId, ServiceId, Sourced};

/// The answers of one ARM so far.
#[derive(Debug, Default)]
pub struct Directory {
    /// How many gateways of an instance will be looked up, by its name in lower
    /// case.
    expected: HashMap<String, usize>,
    services: OnceCell<Vec<ServiceId>>,
    /// The gateways of an instance, by its path in lower case.
    gateways: Cells<Listing>,
    /// What the identity may do at an instance, by its path in lower case.
    permissions: Cells<Option<Vec<Permission>>>,
    /// The locks against writes at an instance, by its path in lower case.
    locks: Cells<Vec<String>>,
}

/// What is read once for each key.
type Cells<T> = Mutex<HashMap<String, Arc<OnceCell<T>>>>;

/// The answer to the list of an instance's gateways.
#[derive(Debug)]
enum Listing {
    /// Their names in lower case.
    Gateways(BTreeSet<String>),
    /// The role of the identity may be on single gateways.
    Denied,
    /// Azure does not know the instance by this id.
    Unknown(Error),
}

/// A gateway that Azure has.
#[derive(Clone, Debug)]
pub struct Located {
    pub id: GatewayId,
    /// Its recorded id, if the instance has moved since.
    pub moved_from: Option<GatewayId>,
}

/// How the mint of a token reaches its gateway.
#[derive(Clone, Copy, Debug)]
pub struct Lookup<'a> {
    pub arm: &'a Arm,
    pub directory: &'a Directory,
    /// The gateway, if it may be looked up anew: the user may have consented to
    /// one id.
    pub named: Option<&'a Named>,
}

/// A move in words, for a step.
pub fn move_in_words(from: &ServiceId, to: &ServiceId) -> String {
    format!(
        "instance {} has moved from resource group {} in subscription {} to resource group {} in subscription {}",
        to.name, from.resource_group, from.subscription, to.resource_group, to.subscription
    )
}

/// Why a gateway cannot be used.
struct NotThere {
    error: Error,
    /// Whether it may be under another id.
    may_have_moved: bool,
}

impl From<azure::Error> for NotThere {
    fn from(error: azure::Error) -> Self {
        Self {
            may_have_moved: error.is_of_place(),
            error: error.into(),
        }
    }
}

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

    /// The id of a gateway that may not exist yet, by the instance of its name.
    pub async fn place(&self, arm: &Arm, named: &Named) -> Result<GatewayId> {
        let service = among(self.services_named(arm, named).await?, named)?;
        Ok(service.gateway(named.gateway.value.clone()))
    }

    /// Completes the gateway's id and checks that the gateway exists. What is
    /// known of the id may be outdated: if Azure does not know it, the instance
    /// is looked up by its name.
    pub async fn gateway(&self, arm: &Arm, named: &Named) -> Result<Located> {
        let Some(id) = named.id() else {
            let service = among(self.services_named(arm, named).await?, named)?;
            let id = service.gateway(named.gateway.value.clone());
            self.check(arm, &id).await.map_err(|missing| missing.error)?;
            return Ok(Located { id, moved_from: None });
        };
        match self.check(arm, &id).await {
            Ok(()) => Ok(Located { id, moved_from: None }),
            Err(missing) if missing.may_have_moved => Ok(Located {
                id: self.moved(arm, named, &id, missing.error).await?,
                moved_from: Some(id),
            }),
            Err(missing) => Err(missing.error),
        }
    }

    /// The id of a gateway now, after Azure answered with `error` that it does
    /// not know `id`. Subscription and resource group may be other ones, except
    /// those that were given. `error` is returned if there is no other id.
    pub async fn moved(&self, arm: &Arm, named: &Named, id: &GatewayId, error: Error) -> Result<GatewayId> {
        let services = match self.services_named(arm, named).await {
            Ok(services) => services,
            Err(unknown) => {
                tracing::debug!("looking for another location: {unknown}");
                return Err(error);
            }
        };
        let service = match services.as_slice() {
            [] if given(named).count() == 2 => return Err(error),
            [] => return Err(error.hint(not_seen(named))),
            [only] if !only.same_as(&id.service) => only,
            _ => return Err(error),
        };
        if !fits(service, named) {
            return Err(error.hint(given_elsewhere(service, named)));
        }
        let moved = service.gateway(id.name.clone());
        match self.check(arm, &moved).await {
            Ok(()) => Ok(moved),
            Err(missing) => Err(missing.error),
        }
    }

    /// What the identity may do at each gateway of an instance, by one read for all. `None`
    /// if only one is looked up, whose own permissions say as much, or if Azure does not
    /// show it.
    pub async fn permissions(
        &self,
        arm: &Arm,
        service: &ServiceId,
    ) -> Result<Option<Vec<Permission>>, azure::Error> {
        let Some(2..) = self.expected.get(&service.name.to_lowercase()) else {
            return Ok(None);
        };
        let path = service.path();
        let cell = cell(&self.permissions, path.to_lowercase());
        cell.get_or_try_init(|| arm.permissions(&path)).await.cloned()
    }

    /// The locks that let nothing be written to a gateway, for several of one instance by one
    /// read of those at the instance and above. None without the right to list them.
    pub async fn write_locks(&self, arm: &Arm, gateway: &GatewayId) -> Vec<String> {
        let path = match self.expected.get(&gateway.service.name.to_lowercase()) {
            Some(2..) => gateway.service.path(),
            _ => gateway.path(),
        };
        let cell = cell(&self.locks, path.to_lowercase());
        let read = async || {
            let locks = arm.write_locks(&path).await;
            let locks = locks.inspect_err(|error| tracing::debug!("{error}"));
            locks.unwrap_or_default()
        };
        cell.get_or_init(read).await.clone()
    }

    async fn check(&self, arm: &Arm, id: &GatewayId) -> Result<(), NotThere> {
        let service = &id.service;
        if let Some(2..) = self.expected.get(&service.name.to_lowercase()) {
            let cell = cell(&self.gateways, service.path().to_lowercase());
            match cell.get_or_try_init(|| list(arm, service)).await? {
                Listing::Gateways(names) if names.contains(&id.name.to_lowercase()) => return Ok(()),
                Listing::Gateways(_) => {
                    let error = Error::failed(format!(
                        "gateway `{}` of service `{}` in resource group `{}` of subscription {} was not found: the \
                         service has no gateway of this name",
                        id.name, service.name, service.resource_group, service.subscription
                    ));
                    return Err(NotThere {
                        error,
                        may_have_moved: false,
                    });
                }
                Listing::Unknown(error) => {
                    return Err(NotThere {
                        error: error.again(),
                        may_have_moved: true,
                    });
                }
                Listing::Denied => {}
            }
        }
        arm.gateway(id).await?;
        Ok(())
    }

    /// The instances of this name. One query for all instances: the Resource
    /// Graph has a small quota of its own.
    async fn services_named(&self, arm: &Arm, named: &Named) -> Result<Vec<ServiceId>> {
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
        Ok(of_name.cloned().collect())
    }
}

/// One list instead of many reads.
async fn list(arm: &Arm, service: &ServiceId) -> Result<Listing, azure::Error> {
    match arm.gateways(service).await {
        Ok(listed) => Ok(Listing::Gateways(
            listed
                .iter()
                .map(|gateway| gateway.id.name.to_lowercase())
                .collect(),
        )),
        Err(error) if error.status() == Some(403) => Ok(Listing::Denied),
        Err(error) if error.is_of_place() => Ok(Listing::Unknown(error.into())),
        Err(error) => Err(error),
    }
}

/// The cell for a key. The second to ask waits for the answer to the first.
fn cell<T>(cells: &Cells<T>, key: String) -> Arc<OnceCell<T>> {
    let mut cells = cells.lock().unwrap_or_else(PoisonError::into_inner);
    cells.entry(key).or_default().clone()
}

/// The instance, if the given parts of its id leave one.
fn among(mut found: Vec<ServiceId>, named: &Named) -> Result<ServiceId> {
    let service = &named.service.value;
    found.retain(|id| fits(id, named));
    match found.len() {
        0 => {
            let narrowed: Vec<String> = given(named)
                .map(|(what, part)| format!(" in {what} `{}` ({})", part.value, part.source))
                .collect();
            Err(Error::failed(format!(
                "this identity sees no API Management instance `{service}` (named by {}){}",
                named.service.source,
                narrowed.concat()
            ))
            .hint(
                "grant it the action Microsoft.ApiManagement/service/read on the instance, or name --subscription-id and \
                 --resource-group; the right to read gateways of one instance is then enough",
            ))
        }
        1 => Ok(found.remove(0)),
        _ => {
            let groups: Vec<String> = found
                .iter()
                .map(|id| format!("{} in {}", id.resource_group, id.subscription))
                .collect();
            Err(Error::failed(format!(
                "several instances are named `{service}`: {}",
                groups.join("; ")
            ))
            .hint("choose one with --subscription-id and --resource-group"))
        }
    }
}

/// The parts of the location that flags or variables set, each with its name.
fn given(named: &Named) -> impl Iterator<Item = (&'static str, &Sourced<String>)> {
    let parts = [
        ("resource group", named.given_resource_group()),
        ("subscription", named.given_subscription()),
    ];
    parts.into_iter().filter_map(|(what, part)| Some((what, part?)))
}

/// Whether an instance is in the given location.
fn fits(service: &ServiceId, named: &Named) -> bool {
    let is = |given: Option<&Sourced<String>>, part: &str| {
        given.is_none_or(|given| given.value.eq_ignore_ascii_case(part))
    };
    is(named.given_resource_group(), &service.resource_group)
        && is(named.given_subscription(), &service.subscription)
}

fn not_seen(named: &Named) -> String {
    let mut sources: Vec<String> = [&named.resource_group, &named.subscription]
        .into_iter()
        .flatten()
        .map(|part| part.source.to_string())
        .collect();
    sources.dedup();
    format!(
        "the location is set by {}, and this identity sees no API Management instance `{}` elsewhere; if it has moved, \
         name --subscription-id and --resource-group, or grant the identity the action \
         Microsoft.ApiManagement/service/read on it",
        sources.join(" and "),
        named.service.value
    )
}

fn given_elsewhere(service: &ServiceId, named: &Named) -> String {
    let sources: Vec<String> = given(named).map(|(_, part)| part.source.to_string()).collect();
    format!(
        "API Management instance `{}` is not where {} set it: name it with --resource-group {} --subscription-id {}; for a \
         CronJob, run install-cronjob again with these flags",
        service.name,
        sources.join(" and "),
        service.resource_group,
        service.subscription
    )
}
