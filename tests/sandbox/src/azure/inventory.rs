//! The subscriptions, resource groups, services and gateways that the emulator has.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::directory::Directory;
use super::instance::{InstanceIdentity, Update};
use super::token::Keys;

/// The four names that identify a gateway in Azure.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gateway {
    /// The subscription id.
    pub subscription: String,
    /// The name of the resource group.
    pub resource_group: String,
    /// The name of the API Management service.
    pub service: String,
    /// The name of the gateway within its service.
    pub name: String,
}

impl Gateway {
    /// Names a gateway.
    pub fn new(subscription: &str, resource_group: &str, service: &str, name: &str) -> Gateway {
        Gateway {
            subscription: subscription.to_owned(),
            resource_group: resource_group.to_owned(),
            service: service.to_owned(),
            name: name.to_owned(),
        }
    }

    /// The ARM id of the service.
    pub fn service_id(&self) -> String {
        let Gateway {
            subscription,
            resource_group,
            service,
            ..
        } = self;
        format!(
            "/subscriptions/{subscription}/resourceGroups/{resource_group}/providers/Microsoft.ApiManagement/service/{service}"
        )
    }

    /// The ARM id of the gateway, its name not percent-encoded.
    pub fn id(&self) -> String {
        format!("{}/gateways/{}", self.service_id(), self.name)
    }
}

/// One of the two signing keys of a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// The key that ARM calls `primary`.
    Primary,
    /// The key that ARM calls `secondary`.
    Secondary,
}

impl Slot {
    /// Reads ARM's `keyType`, whose case ARM ignores.
    pub(super) fn parse(key_type: &str) -> Option<Slot> {
        [Slot::Primary, Slot::Secondary]
            .into_iter()
            .find(|slot| slot.to_string().eq_ignore_ascii_case(key_type))
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Slot::Primary => "primary",
            Slot::Secondary => "secondary",
        })
    }
}

/// How often a gateway's credential was presented to the configuration endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presentations {
    /// Presentations that were answered with the configuration.
    pub accepted: u64,
    /// Presentations that named the gateway and were refused.
    pub refused: u64,
}

/// A gateway and what only Azure knows of it.
pub(super) struct GatewayRecord {
    pub(super) names: Gateway,
    pub(super) location: String,
    /// The names of the APIs that are assigned to it.
    pub(super) apis: BTreeSet<String>,
    pub(super) keys: Keys,
    pub(super) etag: String,
    pub(super) presentations: Presentations,
}

/// A child collection whose names are compared as ARM does, without regard to case.
pub(super) struct Named<T> {
    entries: BTreeMap<String, T>,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Named {
            entries: BTreeMap::new(),
        }
    }
}

impl<T> Named<T> {
    pub(super) fn get(&self, name: &str) -> Option<&T> {
        self.entries.get(&name.to_lowercase())
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        self.entries.get_mut(&name.to_lowercase())
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.entries.values()
    }

    fn remove(&mut self, name: &str) -> Option<T> {
        self.entries.remove(&name.to_lowercase())
    }

    fn entry(&mut self, name: &str, make: impl FnOnce() -> T) -> &mut T {
        self.entries.entry(name.to_lowercase()).or_insert_with(make)
    }
}

pub(super) struct Subscription {
    pub(super) id: String,
    /// The only tenant whose callers it serves; any tenant's if none.
    pub(super) tenant: Option<String>,
    pub(super) groups: Named<ResourceGroup>,
}

#[derive(Default)]
pub(super) struct ResourceGroup {
    pub(super) services: Named<Service>,
}

pub(super) struct Service {
    /// The names of the service with an empty gateway name.
    pub(super) names: Gateway,
    pub(super) tier: String,
    /// The oldest version that the service takes; any if none.
    pub(super) min_api_version: Option<String>,
    pub(super) etag: String,
    pub(super) gateways: Named<GatewayRecord>,
    pub(super) identity: InstanceIdentity,
    /// The change that is under way, or the last one.
    pub(super) update: Option<Update>,
}

/// Everything below the subscriptions.
#[derive(Default)]
pub(super) struct Inventory {
    pub(super) subscriptions: Named<Subscription>,
    /// How long a change of a service takes.
    pub(super) update_time: SignedDuration,
    /// How many rows Resource Graph gives at once, if fewer than usual.
    pub(super) largest_query_page: Option<usize>,
    /// The versions of API Management's API that this cloud does not have yet.
    pub(super) absent_versions: Vec<String>,
}

impl Inventory {
    /// Adds a gateway and the parents that it lacks; one that exists keeps its keys.
    pub(super) fn add(&mut self, names: &Gateway) {
        let Gateway {
            subscription,
            resource_group,
            service,
            name,
        } = names;
        let subscription = self.subscriptions.entry(subscription, || Subscription {
            id: subscription.clone(),
            tenant: None,
            groups: Named::default(),
        });
        let group = subscription.groups.entry(resource_group, ResourceGroup::default);
        let service = group.services.entry(service, || Service {
            names: Gateway {
                name: String::new(),
                ..names.clone()
            },
            tier: "Developer".to_owned(),
            min_api_version: None,
            etag: new_etag(),
            gateways: Named::default(),
            identity: InstanceIdentity::default(),
            update: None,
        });
        if name.is_empty() {
            return;
        }
        service.gateways.entry(name, || GatewayRecord {
            names: names.clone(),
            location: "sandbox".to_owned(),
            apis: BTreeSet::new(),
            keys: Keys::generate(),
            etag: new_etag(),
            presentations: Presentations::default(),
        });
    }

    /// Moves the service of `from` with its gateways and their keys to the subscription and the group of `to`.
    pub(super) fn move_service(&mut self, from: &Gateway, to: &Gateway) -> Option<()> {
        let group = self
            .subscriptions
            .get_mut(&from.subscription)?
            .groups
            .get_mut(&from.resource_group)?;
        let mut service = group.services.remove(&from.service)?;
        let gateways = service.gateways.entries.values_mut();
        for names in gateways
            .map(|record| &mut record.names)
            .chain([&mut service.names])
        {
            names.subscription.clone_from(&to.subscription);
            names.resource_group.clone_from(&to.resource_group);
        }
        let subscription = self.subscriptions.entry(&to.subscription, || Subscription {
            id: to.subscription.clone(),
            tenant: None,
            groups: Named::default(),
        });
        let group = subscription
            .groups
            .entry(&to.resource_group, ResourceGroup::default);
        group.services.entry(&from.service, || service);
        Some(())
    }

    /// Ends the changes of services whose time has come.
    pub(super) fn settle(&mut self, directory: &mut Directory, now: Timestamp) {
        let subscriptions = self.subscriptions.entries.values_mut();
        let groups = subscriptions.flat_map(|subscription| subscription.groups.entries.values_mut());
        for service in groups.flat_map(|group| group.services.entries.values_mut()) {
            service.settle(directory, now);
        }
    }

    pub(super) fn service(&self, names: &Gateway) -> Option<&Service> {
        let subscription = self.subscriptions.get(&names.subscription)?;
        subscription
            .groups
            .get(&names.resource_group)?
            .services
            .get(&names.service)
    }

    pub(super) fn gateway(&self, names: &Gateway) -> Option<&GatewayRecord> {
        self.service(names)?.gateways.get(&names.name)
    }

    pub(super) fn service_mut(&mut self, names: &Gateway) -> Option<&mut Service> {
        let subscription = self.subscriptions.get_mut(&names.subscription)?;
        subscription
            .groups
            .get_mut(&names.resource_group)?
            .services
            .get_mut(&names.service)
    }

    pub(super) fn gateway_mut(&mut self, names: &Gateway) -> Option<&mut GatewayRecord> {
        self.service_mut(names)?.gateways.get_mut(&names.name)
    }

    pub(super) fn services(&self) -> impl Iterator<Item = &Service> {
        let groups = self
            .subscriptions
            .values()
            .flat_map(|subscription| subscription.groups.values());
        groups.flat_map(|group| group.services.values())
    }

    /// The gateways of this name in the service of this name, or in every service.
    pub(super) fn gateways_called<'a>(
        &'a self,
        name: &'a str,
        service: Option<&'a str>,
    ) -> impl Iterator<Item = &'a GatewayRecord> {
        self.services()
            .filter(move |candidate| {
                service.is_none_or(|it| candidate.names.service.eq_ignore_ascii_case(it))
            })
            .filter_map(move |candidate| candidate.gateways.get(name))
    }
}

pub(super) fn new_etag() -> String {
    let id = uuid::Uuid::new_v4().simple().to_string();
    format!("\"{}\"", &id[..12])
}
