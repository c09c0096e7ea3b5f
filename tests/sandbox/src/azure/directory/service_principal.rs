//! Service principals.

use jiff::Timestamp;
use serde::Deserialize;

/// What a caller may do in Microsoft Graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum GraphRights {
    /// Nothing.
    #[default]
    None,
    /// `Application.Read.All`.
    ReadAll,
    /// `Application.ReadWrite.OwnedBy`: it lists all, creates, and reads and manages what it owns.
    OwnedBy,
    /// `Application.ReadWrite.All`.
    ReadWriteAll,
}

/// A service principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePrincipal {
    /// The id of its tenant.
    pub tenant: String,
    /// The object id, which is the principal id of role assignments.
    pub id: String,
    /// The application id.
    pub app_id: String,
    /// The name.
    pub display_name: String,
    /// Whether it gets tokens.
    pub account_enabled: bool,
    /// `Application` or `ManagedIdentity`.
    pub kind: String,
    /// For a managed identity: `isExplicit=..` and its ARM id, or that of its resource.
    pub alternative_names: Vec<String>,
    /// Its app roles, which are rights at other applications.
    pub app_role_assignments: Vec<AppRoleAssignment>,
    /// The object ids of its owners.
    pub owners: Vec<String>,
    /// What it may do in Graph as a caller.
    pub graph: GraphRights,
    /// When it was created.
    pub created: Timestamp,
}

/// An app role that a service principal holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppRoleAssignment {
    /// The id of the assignment.
    pub id: String,
    /// The id of the role.
    pub app_role_id: String,
    /// The object id of the service principal whose role it is.
    pub resource_id: String,
    /// The name of that service principal.
    pub resource_display_name: String,
}

impl ServicePrincipal {
    /// A service principal of an application that is enabled and has no rights.
    pub fn new(tenant: &str, id: &str, app_id: &str, display_name: &str) -> ServicePrincipal {
        ServicePrincipal {
            tenant: tenant.to_owned(),
            id: id.to_owned(),
            app_id: app_id.to_owned(),
            display_name: display_name.to_owned(),
            account_enabled: true,
            kind: "Application".to_owned(),
            alternative_names: Vec::new(),
            app_role_assignments: Vec::new(),
            owners: Vec::new(),
            graph: GraphRights::None,
            created: Timestamp::UNIX_EPOCH,
        }
    }
}
