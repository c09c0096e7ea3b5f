//! The custom roles in Azure and their assignments. The grants are decided here;
//! each output format has its own file.

mod az_cli;
mod bicep;
mod template;
mod terraform;

pub use az_cli::az_cli;
pub use bicep::bicep;
pub use template::template;
pub use terraform::terraform;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::model::AzureRole;

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

/// The narrowest scope at which a role works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    ResourceGroup,
    Service,
    Gateway,
}

/// The definition of a custom role.
struct Definition {
    /// The name of the role's blocks in a file, in camel case.
    symbol: &'static str,
    name: &'static str,
    description: &'static str,
    /// Each action, and the request that needs it.
    actions: &'static [(&'static str, &'static str)],
    data_actions: &'static [(&'static str, &'static str)],
    level: Level,
}

const TOKEN_OPERATOR: Definition = Definition {
    symbol: "tokenOperator",
    name: "API Management Self-Hosted Gateway Token Operator",
    description: "Can retrieve APIM Self-Hosted Gateways and generate new access tokens for them.",
    actions: &[
        (
            "Microsoft.ApiManagement/service/gateways/read",
            "GET .../gateways/NAME, which checks that the gateway exists before a token is minted",
        ),
        (
            "Microsoft.ApiManagement/service/gateways/generateToken/action",
            "POST .../gateways/NAME/generateToken, which mints the token",
        ),
    ],
    data_actions: &[],
    level: Level::Gateway,
};

/// A separate role, because its action works only at the instance. As part of
/// the token operator, that role would have to be assigned at the instance, and
/// so for every gateway.
const INSTANCE_FINDER: Definition = Definition {
    symbol: "instanceFinder",
    name: "API Management Self-Hosted Gateway Instance Finder",
    description: "Can find the APIM instance of Self-Hosted Gateways by its name.",
    actions: &[(
        "Microsoft.ApiManagement/service/read",
        "the query to Azure Resource Graph, or GET .../service, which finds the subscription and the resource group",
    )],
    data_actions: &[],
    level: Level::Service,
};

const CONFIG_VALIDATOR: Definition = Definition {
    symbol: "configValidator",
    name: "API Management Configuration API Access Validator Service Role",
    description: "Can access RBAC permissions on the API Management resource to authorize requests in Configuration \
                  API.",
    actions: &[(
        "Microsoft.Authorization/*/read",
        "the instance's own reads of role assignments and definitions, when a gateway signs in with Entra",
    )],
    data_actions: &[],
    level: Level::ResourceGroup,
};

const CONFIG_READER: Definition = Definition {
    symbol: "configReader",
    name: "API Management Gateway Configuration Reader Role",
    description: "Can read self-hosted gateway configuration from Configuration API",
    actions: &[],
    data_actions: &[(
        "Microsoft.ApiManagement/service/gateways/getConfiguration/action",
        "the gateway's own requests to the configuration endpoint",
    )],
    level: Level::Service,
};

/// A role and its assignments.
struct Grant<'a> {
    role: Definition,
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
    let roles = match rights.role {
        AzureRole::TokenOperator if rights.for_discovery => vec![TOKEN_OPERATOR, INSTANCE_FINDER],
        AzureRole::TokenOperator => vec![TOKEN_OPERATOR],
        AzureRole::ConfigValidator => vec![CONFIG_VALIDATOR],
        AzureRole::ConfigReader => vec![CONFIG_READER],
    };
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
    /// The name of the role. It must be unique in its tenant, and a role of one name
    /// has one id, so each subscription has a role of its own.
    fn role_name(&self) -> String {
        format!("{} ({})", self.role.name, self.target.subscription)
    }

    /// The properties of the role definition, as ARM takes them.
    fn role_properties(&self) -> Value {
        let role = &self.role;
        let actions = |actions: &[(&str, &str)]| -> Vec<String> {
            actions.iter().map(|(action, _)| (*action).to_owned()).collect()
        };
        json!({
            "roleName": self.role_name(),
            "description": role.description,
            "type": "CustomRole",
            "permissions": [{
                "actions": actions(role.actions),
                "notActions": [],
                "dataActions": actions(role.data_actions),
                "notDataActions": [],
            }],
            "assignableScopes": [self.subscription()],
        })
    }

    /// The role's assignable scope: all gateways of a subscription share a role.
    fn subscription(&self) -> String {
        format!("/subscriptions/{}", self.target.subscription)
    }

    /// The id of the role. That of a new one depends only on the subscription and the
    /// role's name.
    fn role_id(&self) -> Uuid {
        let id = || stable_uuid(&[&self.subscription(), self.role.name]);
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
        if gateways.is_empty() || self.role.level != Level::Gateway {
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
        let service = service.filter(|_| grant.role.level != Level::ResourceGroup)?;
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

    /// The name of the assignment, which must differ between principals.
    fn name(&self, principal: Uuid) -> Uuid {
        let role = self.grant.role_id().to_string();
        stable_uuid(&[&self.scope(), &principal.to_string(), &role])
    }

    /// The scope in words, for comments.
    fn scope_in_words(&self) -> String {
        let Grant { target, role, .. } = self.grant;
        match (&target.service, self.gateway, role.level) {
            (Some(service), Some(gateway), _) => format!("the gateway {gateway} of {service} only"),
            (Some(service), None, Level::Gateway) => format!("all gateways of {service}"),
            (Some(service), None, Level::Service) => format!("the instance {service}"),
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

/// A UUID of version 5 in the namespace of URLs, in lower case, since ARM ignores
/// case.
fn stable_uuid(parts: &[&str]) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, parts.join("|").to_lowercase().as_bytes())
}

#[cfg(test)]
mod tests;
