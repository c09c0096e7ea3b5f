//! The custom roles in Azure and their assignments. The grants are decided here;
//! each output format has its own file.

mod az_cli;
mod bicep;
mod template;
mod terraform;

pub use az_cli::az_cli;
pub use bicep::bicep;
pub use bicep::setup_bicep;
pub use template::template;
pub use terraform::terraform;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::model::{AzureRole, CustomRole, INSTANCE_FINDER, RoleLevel, assignment_id};

/// The object that a role is for. The names are not percent-encoded, unlike in
/// the path of a request.
#[derive(Clone, Debug)]
pub struct RoleTarget {
    /// A GUID.
    pub subscription: String,
    /// The resource group of the instance.
    pub resource_group: String,
    /// The API Management instance; a role of the resource group needs none.
    pub service: Option<String>,
    /// Empty for all gateways of the instance.
    pub gateways: Vec<String>,
}

/// A role and its assignment, as requested.
#[derive(Clone, Debug)]
pub struct AzureRights {
    pub role: AzureRole,
    pub target: RoleTarget,
    /// The object id of the principal; `None` leaves a parameter.
    pub principal: Option<Uuid>,
    /// A role that exists, to be assigned instead of a new one.
    pub existing: Option<Uuid>,
    /// Whether the rotation finds the subscription and the resource group by
    /// the name of the instance.
    pub for_discovery: bool,
}

/// A role and its assignments.
struct Grant<'a> {
    role: &'static CustomRole,
    target: &'a RoleTarget,
    principal: Option<Uuid>,
    /// The role to assign instead.
    existing: Option<Uuid>,
}

/// An assignment of a role.
struct Assignment<'a> {
    grant: &'a Grant<'a>,
    gateway: Option<&'a str>,
}

fn grants(rights: &AzureRights) -> Vec<Grant<'_>> {
    let mut roles = vec![rights.role.definition()];
    if rights.role == AzureRole::TokenOperator && rights.for_discovery {
        roles.push(&INSTANCE_FINDER);
    }
    let grant = |(at, role)| Grant {
        role,
        target: &rights.target,
        principal: rights.principal,
        // The first role is the one that was asked for.
        existing: rights.existing.filter(|_| at == 0),
    };
    roles.into_iter().enumerate().map(grant).collect()
}

impl Grant<'_> {
    fn role_name(&self) -> String {
        self.role.name_in(&self.target.subscription)
    }

    /// The properties of the role definition, as ARM takes them.
    fn role_properties(&self) -> Value {
        let role = &self.role;
        json!({
            "roleName": self.role_name(),
            "description": role.description,
            "type": "CustomRole",
            "permissions": [{
                "actions": role.action_names(),
                "notActions": [],
                "dataActions": role.data_action_names(),
                "notDataActions": [],
            }],
            "assignableScopes": [self.subscription()],
        })
    }

    /// The role's assignable scope: all gateways of a subscription share a role.
    fn subscription(&self) -> String {
        format!("/subscriptions/{}", self.target.subscription)
    }

    /// The id of the role.
    fn role_id(&self) -> Uuid {
        let id = || self.role.id_in(&self.target.subscription);
        self.existing.unwrap_or_else(id)
    }

    fn role_path(&self) -> String {
        format!(
            "{}/providers/Microsoft.Authorization/roleDefinitions/{}",
            self.subscription(),
            self.role_id()
        )
    }

    /// One for each gateway, if the role works at a gateway and gateways were given.
    fn assignments(&self) -> Vec<Assignment<'_>> {
        let gateways = &self.target.gateways;
        let assignment = |gateway| Assignment { grant: self, gateway };
        if gateways.is_empty() || self.role.level != RoleLevel::Gateway {
            return vec![assignment(None)];
        }
        gateways.iter().map(|gateway| assignment(Some(gateway))).collect()
    }
}

impl Assignment<'_> {
    /// The scope, relative to the resource group; `None` for the group itself.
    fn resource(&self) -> Option<String> {
        let grant = self.grant;
        let service = grant.target.service.as_ref();
        let service = service.filter(|_| grant.role.level != RoleLevel::ResourceGroup)?;
        let service = format!("Microsoft.ApiManagement/service/{service}");
        Some(match self.gateway {
            Some(gateway) => format!("{service}/gateways/{gateway}"),
            None => service,
        })
    }

    /// The ARM id of the scope.
    fn scope(&self) -> String {
        let group = format!(
            "{}/resourceGroups/{}",
            self.grant.subscription(),
            self.grant.target.resource_group
        );
        match self.resource() {
            Some(resource) => format!("{group}/providers/{resource}"),
            None => group,
        }
    }

    fn name(&self, principal: Uuid) -> Uuid {
        assignment_id(&self.scope(), principal, self.grant.role_id())
    }

    /// The scope in words, for comments.
    fn scope_in_words(&self) -> String {
        let Grant { target, role, .. } = self.grant;
        match (&target.service, self.gateway, role.level) {
            (Some(service), Some(gateway), _) => format!("the gateway {gateway} of {service} only"),
            (Some(service), None, RoleLevel::Gateway) => format!("all gateways of {service}"),
            (Some(service), None, RoleLevel::Service) => format!("the instance {service}"),
            _ => format!("the resource group {}", target.resource_group),
        }
    }
}

/// Describes the object id to pass, because an app has three similar ids.
fn principal_description(role: AzureRole) -> &'static str {
    match role {
        AzureRole::TokenOperator => {
            "The object id of the service principal or managed identity that rotates, not its client id and not the \
             object id of the app registration"
        }
        AzureRole::ConfigValidator => {
            "The object id of the system-assigned managed identity of the API Management instance"
        }
        AzureRole::ConfigReader => {
            "The object id of the service principal of the gateway's app, not its client id and not the object id of \
             the app registration"
        }
    }
}

#[cfg(test)]
mod tests;
