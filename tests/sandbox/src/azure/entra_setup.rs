//! What tests set and read of Entra, of roles and of the identity of services.

use jiff::SignedDuration;

use super::access::Subject;
use super::directory::{Directory, Lag, User};
use super::instance::{InstanceIdentity, NewIdentity, SystemIdentity, Update};
use super::inventory::Gateway;
use super::roles::Authorization;
use super::{Azure, known};

/// The application id of the Azure CLI, as which users sign in.
const AZURE_CLI: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";

impl Azure {
    /// Reads or changes the directory.
    pub fn directory<T>(&self, act: impl FnOnce(&mut Directory) -> T) -> T {
        act(&mut self.emulator.state().directory)
    }

    /// Reads or changes roles, role assignments and locks.
    pub fn authorization<T>(&self, act: impl FnOnce(&mut Authorization) -> T) -> T {
        act(&mut self.emulator.state().authorization)
    }

    /// Sets how late requests see what other requests have written from now on, and when it takes effect.
    pub fn set_lag(&self, lag: Lag) {
        let mut state = self.emulator.state();
        state.directory.set_lag(lag);
        state.authorization.set_lag(lag);
    }

    /// Sets the tenant of a subscription, to which ARM then refuses callers of other tenants; it must have been added.
    pub fn set_tenant(&self, subscription: &str, tenant: &str) {
        let mut state = self.emulator.state();
        known(state.inventory.subscriptions.get_mut(subscription)).tenant = Some(tenant.to_owned());
    }

    /// Sets how long a change of a service takes; it is done at once otherwise.
    pub fn set_update_time(&self, time: SignedDuration) {
        self.emulator.state().inventory.update_time = time;
    }

    /// Gives the service of a gateway a system-assigned identity, unless it has one; returns its principal id.
    ///
    /// The service must have been added.
    pub fn enable_identity(&self, gateway: &Gateway, tenant: &str) -> String {
        self.begin_identity(gateway, tenant, SignedDuration::ZERO);
        let identity = self.identity(gateway);
        known(identity.system_assigned).principal_id
    }

    /// Begins to give the service of a gateway a system-assigned identity, and is done after a time.
    ///
    /// The service must have been added.
    pub fn begin_identity(&self, gateway: &Gateway, tenant: &str, time: SignedDuration) {
        let mut state = self.emulator.state();
        let until = state.clock.now() + time;
        let service = known(state.inventory.service_mut(gateway));
        let new = NewIdentity {
            is_system_assigned: true,
            user_assigned: service.identity.user_assigned.clone(),
        };
        service.update = Some(Update {
            id: String::new(),
            until,
            identity: Some((tenant.to_owned(), new)),
        });
    }

    /// The identities of the service of a gateway, which must have been added.
    pub fn identity(&self, gateway: &Gateway) -> InstanceIdentity {
        let mut state = self.emulator.state();
        state.settle();
        known(state.inventory.service(gateway)).identity.clone()
    }

    /// Sets the identities of the service of a gateway, whatever the directory has; the service must have been added.
    pub fn set_identity(&self, gateway: &Gateway, identity: InstanceIdentity) {
        let mut state = self.emulator.state();
        known(state.inventory.service_mut(gateway)).identity = identity;
    }

    /// An access token of a user, as `az account get-access-token` gives it; the audience has no final slash.
    pub fn token_of_user(&self, user: &User, audience: &str) -> String {
        let subject = Subject {
            tenant: user.tenant.clone(),
            client_id: AZURE_CLI.to_owned(),
            object_id: user.id.clone(),
            is_user: true,
        };
        self.emulator.issuer.issue(subject, audience, self.now())
    }
}

impl SystemIdentity {
    /// An identity whose service principal may or may not exist.
    pub fn new(tenant: &str, principal_id: &str) -> SystemIdentity {
        SystemIdentity {
            tenant: tenant.to_owned(),
            principal_id: principal_id.to_owned(),
        }
    }
}
