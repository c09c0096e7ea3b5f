//! User-assigned managed identities.

use jiff::Timestamp;

use super::application::FederatedIdentityCredential;
use super::new_id;
use super::service_principal::ServicePrincipal;

/// A user-assigned managed identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedIdentity {
    /// The id of its tenant.
    pub tenant: String,
    /// The subscription id.
    pub subscription: String,
    /// The name of the resource group.
    pub resource_group: String,
    /// The name.
    pub name: String,
    /// The location.
    pub location: String,
    /// The client id.
    pub client_id: String,
    /// The object id of its service principal.
    pub principal_id: String,
    /// The tokens of other issuers that sign it in.
    pub federated_credentials: Vec<FederatedIdentityCredential>,
    /// Until when a write of a federated credential excludes another one.
    pub(in crate::azure) busy_until: Timestamp,
}

impl ManagedIdentity {
    /// An identity with new ids, without credentials.
    pub fn new(tenant: &str, subscription: &str, resource_group: &str, name: &str) -> ManagedIdentity {
        ManagedIdentity {
            tenant: tenant.to_owned(),
            subscription: subscription.to_owned(),
            resource_group: resource_group.to_owned(),
            name: name.to_owned(),
            location: "westeurope".to_owned(),
            client_id: new_id(),
            principal_id: new_id(),
            federated_credentials: Vec::new(),
            busy_until: Timestamp::MIN,
        }
    }

    /// The ARM id, in which the provider writes `resourcegroups` in lower case.
    pub fn arm_id(&self) -> String {
        format!(
            "/subscriptions/{}/resourcegroups/{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{}",
            self.subscription, self.resource_group, self.name
        )
    }

    pub(in crate::azure) fn service_principal(&self) -> ServicePrincipal {
        ServicePrincipal {
            kind: "ManagedIdentity".to_owned(),
            alternative_names: vec!["isExplicit=True".to_owned(), self.arm_id()],
            ..ServicePrincipal::new(&self.tenant, &self.principal_id, &self.client_id, &self.name)
        }
    }
}
