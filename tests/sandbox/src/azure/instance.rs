//! The identity of an API Management service, and changes of a service that take time.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::directory::Directory;
use super::inventory::Service;

/// The managed identities of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstanceIdentity {
    /// The tenant and the principal id of the system-assigned one.
    pub system_assigned: Option<SystemIdentity>,
    /// The user-assigned ones by ARM id, with principal id and client id.
    pub user_assigned: BTreeMap<String, [String; 2]>,
}

/// A system-assigned identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemIdentity {
    /// The tenant.
    pub tenant: String,
    /// The object id of its service principal.
    pub principal_id: String,
}

/// A change of a service.
pub(super) struct Update {
    /// The name of its operation result.
    pub(super) id: String,
    pub(super) until: Timestamp,
    /// The tenant of the caller, and what the identity becomes.
    pub(super) identity: Option<(String, NewIdentity)>,
}

/// What a service's identity becomes.
pub(super) struct NewIdentity {
    pub(super) is_system_assigned: bool,
    pub(super) user_assigned: BTreeMap<String, [String; 2]>,
}

impl InstanceIdentity {
    pub(super) fn json(&self) -> Value {
        let kind = match (self.system_assigned.is_some(), self.user_assigned.is_empty()) {
            (false, true) => return Value::Null,
            (true, true) => "SystemAssigned",
            (false, false) => "UserAssigned",
            (true, false) => "SystemAssigned, UserAssigned",
        };
        let mut identity = json!({"type": kind, "principalId": null, "tenantId": null});
        if let Some(system) = &self.system_assigned {
            identity["principalId"] = system.principal_id.clone().into();
            identity["tenantId"] = system.tenant.clone().into();
        }
        if !self.user_assigned.is_empty() {
            let ids = self.user_assigned.iter();
            let ids = ids.map(|(id, [principal, client])| {
                (id.clone(), json!({"principalId": principal, "clientId": client}))
            });
            identity["userAssignedIdentities"] = Value::Object(ids.collect());
        }
        identity
    }
}

impl Service {
    pub(super) fn is_updating(&self) -> bool {
        self.update
            .as_ref()
            .is_some_and(|update| update.identity.is_some())
    }

    pub(super) fn provisioning_state(&self) -> &'static str {
        if self.is_updating() {
            "Updating"
        } else {
            "Succeeded"
        }
    }

    /// Ends the change of the service when its time has come; until then the service is what it was.
    pub(super) fn settle(&mut self, directory: &mut Directory, now: Timestamp) {
        let Some(update) = self.update.as_mut().filter(|update| update.until <= now) else {
            return;
        };
        let Some((tenant, new)) = update.identity.take() else {
            return;
        };
        if !new.is_system_assigned {
            if let Some(old) = self.identity.system_assigned.take() {
                directory.service_principals.remove(&old.principal_id, now);
            }
        } else if self.identity.system_assigned.is_none() {
            let name = self.names.service.clone();
            let principal_id =
                directory.create_system_identity(&tenant, &name, &self.names.service_id(), now);
            self.identity.system_assigned = Some(SystemIdentity { tenant, principal_id });
        }
        self.identity.user_assigned = new.user_assigned;
    }
}
