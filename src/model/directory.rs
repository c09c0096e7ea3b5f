//! The objects of an Entra tenant that let a gateway sign in, as facts.

use jiff::Timestamp;
use uuid::Uuid;

use super::ManagedIdentityId;

/// An app registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// Its object id, with which Microsoft Graph names it.
    pub id: Uuid,
    /// Its application id, the client id of those who sign in as it.
    pub app_id: Uuid,
    /// Not unique: any member of a tenant may register one of the same name.
    pub display_name: String,
    /// The alternate key, which no other app of the tenant has.
    pub unique_name: Option<String>,
    /// Whether it gets no tokens. Only a read of one app shows it.
    pub disabled: bool,
    pub secrets: Vec<AppCredential>,
    pub certificates: Vec<AppCredential>,
}

/// What is known of a client secret or of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppCredential {
    pub key_id: Uuid,
    pub name: Option<String>,
    pub begins: Option<Timestamp>,
    pub expires: Option<Timestamp>,
}

/// The claims that a token of another issuer must have to be accepted for a
/// client secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FederatedCredential {
    /// Unique in its app or identity. It cannot be changed.
    pub name: String,
    /// The issuer to the letter: Entra compares it with `iss`.
    pub issuer: String,
    pub subject: String,
    /// A list of one.
    pub audiences: Vec<String>,
}

/// A service principal: what an app or a managed identity is in a tenant. Roles
/// are assigned to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePrincipal {
    /// Its object id, the principal id of role assignments.
    pub id: Uuid,
    pub app_id: Uuid,
    pub display_name: String,
    /// `Application`, `ManagedIdentity` or another type.
    pub kind: String,
    /// Whether it gets tokens.
    pub enabled: bool,
    /// The tenant where its app is registered.
    pub home_tenant: Option<Uuid>,
    /// For a managed identity, its ARM id or that of its resource is among them.
    pub alternative_names: Vec<String>,
}

impl ServicePrincipal {
    /// The user-assigned managed identity that this is.
    pub fn managed_identity(&self) -> Option<ManagedIdentityId> {
        self.alternative_names
            .iter()
            .find_map(|name| ManagedIdentityId::parse(name))
    }
}

/// An owner of an app: a user or a service principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub id: Uuid,
    /// `user`, `servicePrincipal` or another type of Microsoft Graph.
    pub kind: String,
    pub name: Option<String>,
}

/// A role that a service principal has in another app, such as Microsoft Graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppRole {
    /// The id of the role in that app.
    pub role: Uuid,
    /// The object id of that app's service principal.
    pub resource: Uuid,
    pub resource_name: Option<String>,
}
