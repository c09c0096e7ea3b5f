//! The objects of Entra: applications, service principals, managed identities, users, and what a tenant allows.
//!
//! Everything is shared by the token endpoint, Microsoft Graph and ARM. What a request writes is seen by other
//! requests after the [`Lag`] of its kind; what a test writes is there at once.

mod application;
mod caller;
mod identity;
mod key;
mod password;
mod replicated;
mod service_principal;
mod tenant;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use uuid::Uuid;

pub use self::application::{Application, FederatedIdentityCredential};
pub(super) use self::caller::{Caller, Client};
pub use self::identity::ManagedIdentity;
pub use self::key::KeyCredential;
pub use self::password::PasswordCredential;
pub use self::replicated::Lag;
pub(super) use self::replicated::{Reader, Store};
pub use self::service_principal::{AppRoleAssignment, GraphRights, ServicePrincipal};
pub use self::tenant::{Tenant, User};
use super::identity::{Grant, Principal};

/// The tenants and their objects.
///
/// Reading methods give what was last written, whether or not requests see it already.
#[derive(Default)]
pub struct Directory {
    pub(super) applications: Store<Application>,
    /// Those that can be restored.
    pub(super) deleted_applications: Vec<Application>,
    pub(super) service_principals: Store<ServicePrincipal>,
    /// By ARM id.
    pub(super) identities: Store<ManagedIdentity>,
    users: BTreeMap<String, User>,
    tenants: BTreeMap<String, Tenant>,
    /// What seeded principals may do in ARM, by object id of their service principal.
    grants: BTreeMap<String, Vec<Grant>>,
    /// The keys of other issuers, which Entra reads from where the issuer's name points.
    issuers: BTreeMap<String, Value>,
    /// How long a write of a managed identity's federated credential excludes another one.
    pub federation_write_time: SignedDuration,
}

impl Directory {
    /// The applications of every tenant.
    pub fn applications(&self) -> Vec<&Application> {
        self.applications.all_latest().collect()
    }

    /// The application of this application id.
    pub fn application(&self, app_id: &str) -> Option<&Application> {
        let mut all = self.applications.all_latest();
        all.find(|application| application.app_id.eq_ignore_ascii_case(app_id))
    }

    /// The service principals of every tenant, those of managed identities included.
    pub fn service_principals(&self) -> Vec<&ServicePrincipal> {
        self.service_principals.all_latest().collect()
    }

    /// The service principal of this application id.
    pub fn service_principal(&self, app_id: &str) -> Option<&ServicePrincipal> {
        let mut all = self.service_principals.all_latest();
        all.find(|principal| principal.app_id.eq_ignore_ascii_case(app_id))
    }

    /// The user-assigned managed identities.
    pub fn managed_identities(&self) -> Vec<&ManagedIdentity> {
        self.identities.all_latest().collect()
    }

    /// Adds an application, or replaces the one with its object id.
    pub fn add_application(&mut self, application: Application) {
        self.tenant_mut(&application.tenant);
        self.applications.seed(&application.id.clone(), application);
    }

    /// Adds a service principal, or replaces the one with its object id.
    pub fn add_service_principal(&mut self, principal: ServicePrincipal) {
        self.tenant_mut(&principal.tenant);
        self.service_principals.seed(&principal.id.clone(), principal);
    }

    /// Adds a user-assigned managed identity with its service principal.
    pub fn add_managed_identity(&mut self, identity: ManagedIdentity) {
        self.add_service_principal(identity.service_principal());
        self.identities.seed(&identity.arm_id(), identity);
    }

    /// Adds a user, or replaces the one with its object id.
    pub fn add_user(&mut self, user: User) {
        self.tenant_mut(&user.tenant);
        self.users.insert(user.id.to_lowercase(), user);
    }

    /// Deletes an application as [`Self::remove_application`] removes it, and it can be restored.
    pub fn delete_application(&mut self, app_id: &str) {
        self.deleted_applications
            .extend(self.application(app_id).cloned());
        self.remove_application(app_id);
    }

    /// Removes an application and its service principal for every reader at once; role assignments stay.
    pub fn remove_application(&mut self, app_id: &str) {
        let principal = self.service_principal(app_id).map(|it| it.id.clone());
        let application = self.application(app_id).map(|it| it.id.clone());
        if let Some(id) = principal {
            self.service_principals.remove(&id, Timestamp::MIN);
        }
        if let Some(id) = application {
            self.applications.remove(&id, Timestamp::MIN);
        }
    }

    /// Changes an application; false if there is none of this application id.
    pub fn change_application(&mut self, app_id: &str, change: impl FnOnce(&mut Application)) -> bool {
        let found = self.application(app_id).cloned();
        let changed = found.map(|mut application| {
            change(&mut application);
            self.add_application(application);
        });
        changed.is_some()
    }

    /// Changes a service principal; false if there is none of this application id.
    pub fn change_service_principal(
        &mut self,
        app_id: &str,
        change: impl FnOnce(&mut ServicePrincipal),
    ) -> bool {
        let found = self.service_principal(app_id).cloned();
        let changed = found.map(|mut principal| {
            change(&mut principal);
            self.add_service_principal(principal);
        });
        changed.is_some()
    }

    /// The settings of a tenant, which exists from its first mention on.
    pub fn tenant_mut(&mut self, tenant: &str) -> &mut Tenant {
        self.tenants.entry(tenant.to_lowercase()).or_default()
    }

    /// Sets how late requests see what other requests have written from now on, for every kind of object.
    pub fn set_lag(&mut self, lag: Lag) {
        self.applications.set_lag(lag);
        self.service_principals.set_lag(lag);
        self.identities.set_lag(lag);
    }

    /// Sets the lag of applications and of their credentials.
    pub fn set_application_lag(&mut self, lag: Lag) {
        self.applications.set_lag(lag);
    }

    /// Sets the lag of service principals.
    pub fn set_service_principal_lag(&mut self, lag: Lag) {
        self.service_principals.set_lag(lag);
    }

    /// Sets the lag of managed identities and of their federated credentials.
    pub fn set_identity_lag(&mut self, lag: Lag) {
        self.identities.set_lag(lag);
    }

    /// Adds a principal as the application, the service principal and the grants that it stands for.
    pub(super) fn add(&mut self, principal: Principal) {
        let object_id = principal.object_id();
        self.add_application(Application::of(&principal));
        self.add_service_principal(ServicePrincipal {
            graph: principal.graph,
            ..ServicePrincipal::new(
                &principal.tenant,
                &object_id,
                &principal.client_id,
                &principal.client_id,
            )
        });
        self.grants.insert(object_id, principal.grants);
    }

    /// Registers the keys of another issuer, as a JWK set.
    pub(super) fn trust(&mut self, issuer: &str, keys: Value) {
        self.issuers.insert(issuer.to_owned(), keys);
    }

    pub(super) fn keys_of(&self, issuer: &str) -> Option<&Value> {
        self.issuers.get(issuer)
    }

    pub(super) fn has_tenant(&self, tenant: &str) -> bool {
        self.tenants.contains_key(&tenant.to_lowercase())
    }

    pub(super) fn tenant(&self, tenant: &str) -> Tenant {
        self.tenants
            .get(&tenant.to_lowercase())
            .cloned()
            .unwrap_or_default()
    }

    pub(super) fn user(&self, id: &str) -> Option<&User> {
        self.users.get(&id.to_lowercase())
    }

    pub(super) fn grants_of(&self, object_id: &str) -> &[Grant] {
        self.grants.get(object_id).map(Vec::as_slice).unwrap_or_default()
    }

    /// Makes the service principal of a system-assigned identity and gives its object id.
    pub(super) fn create_system_identity(
        &mut self,
        tenant: &str,
        name: &str,
        resource: &str,
        now: Timestamp,
    ) -> String {
        let principal = ServicePrincipal {
            kind: "ManagedIdentity".to_owned(),
            alternative_names: vec!["isExplicit=False".to_owned(), resource.to_owned()],
            created: now,
            ..ServicePrincipal::new(tenant, &new_id(), &new_id(), name)
        };
        let id = principal.id.clone();
        self.service_principals.write(&id.clone(), principal, now);
        id
    }
}

/// A new object id or application id.
pub(super) fn new_id() -> String {
    Uuid::new_v4().to_string()
}
