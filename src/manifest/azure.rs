//! The custom roles in Azure and their assignments. What is granted is decided
//! here; each form has a file of its own.

mod az_cli;
mod bicep;
mod template;
mod terraform;

pub use az_cli::az_cli;
pub use bicep::bicep;
pub use template::template;
pub use terraform::terraform;

use uuid::Uuid;

use crate::model::AzureRole;

/// Where a role is assigned. The names stand as they are: only a request's
/// path has them percent-encoded.
#[derive(Clone, Debug)]
pub struct Place {
    /// The subscription's GUID.
    pub subscription: String,
    /// The resource group of the instance.
    pub resource_group: String,
    /// The API Management instance; a role of the resource group needs none.
    pub service: Option<String>,
    /// The gateway; `None` for all of the instance.
    pub gateway: Option<String>,
}

/// What Azure is to grant.
#[derive(Clone, Debug)]
pub struct AzureRights {
    /// The role.
    pub role: AzureRole,
    /// What it is about.
    pub place: Place,
    /// To whom, by object id; `None` leaves a parameter.
    pub principal: Option<Uuid>,
    /// Whether the subscription and the resource group of the instance are to
    /// be found by its name.
    pub for_discovery: bool,
}

/// The narrowest place at which a role works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    ResourceGroup,
    Service,
    Gateway,
}

/// A custom role as Azure knows it.
struct Definition {
    /// What the roles' blocks are called, in camel case.
    symbol: &'static str,
    name: &'static str,
    description: &'static str,
    /// What it allows, and which call needs that.
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
            "GET .../gateways/NAME, which sees before a token is minted that the gateway exists",
        ),
        (
            "Microsoft.ApiManagement/service/gateways/generateToken/action",
            "POST .../gateways/NAME/generateToken, which mints the token",
        ),
    ],
    data_actions: &[],
    level: Level::Gateway,
};

/// A role of its own, because it works at the instance alone: with it the
/// token operator would have to be assigned there, and so for every gateway.
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
        "the instance's own reads of role assignments and definitions, when a gateway signs in by Entra",
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

/// A role and its assignment.
struct Grant<'a> {
    role: Definition,
    place: &'a Place,
    principal: Option<Uuid>,
}

fn grants(rights: &AzureRights) -> Vec<Grant<'_>> {
    let roles = match rights.role {
        AzureRole::TokenOperator if rights.for_discovery => vec![TOKEN_OPERATOR, INSTANCE_FINDER],
        AzureRole::TokenOperator => vec![TOKEN_OPERATOR],
        AzureRole::ConfigValidator => vec![CONFIG_VALIDATOR],
        AzureRole::ConfigReader => vec![CONFIG_READER],
    };
    let grant = |role| Grant {
        role,
        place: &rights.place,
        principal: rights.principal,
    };
    roles.into_iter().map(grant).collect()
}

impl Grant<'_> {
    /// The scope that is offered the role: a role's name is unique in its
    /// tenant, so all gateways of a subscription share one.
    fn subscription(&self) -> String {
        format!("/subscriptions/{}", self.place.subscription)
    }

    /// The resource within its group that the role is assigned at; `None` for
    /// the group itself.
    fn resource(&self) -> Option<String> {
        let Place { service, gateway, .. } = self.place;
        let service = service
            .as_ref()
            .filter(|_| self.role.level != Level::ResourceGroup)?;
        let service = format!("Microsoft.ApiManagement/service/{service}");
        let gateway = gateway.as_ref().filter(|_| self.role.level == Level::Gateway);
        Some(match gateway {
            Some(gateway) => format!("{service}/gateways/{gateway}"),
            None => service,
        })
    }

    /// The ARM id of what the role is assigned at.
    fn scope(&self) -> String {
        let group = format!(
            "{}/resourceGroups/{}",
            self.subscription(),
            self.place.resource_group
        );
        match self.resource() {
            Some(resource) => format!("{group}/providers/{resource}"),
            None => group,
        }
    }

    /// The id of the role: the same for the same subscription, whoever writes
    /// it down.
    fn role_id(&self) -> Uuid {
        stable(&[&self.subscription(), self.role.name])
    }

    fn role_path(&self) -> String {
        format!(
            "{}/providers/Microsoft.Authorization/roleDefinitions/{}",
            self.subscription(),
            self.role_id()
        )
    }

    /// The name of the assignment, which must be another one for another
    /// principal.
    fn assignment(&self, principal: Uuid) -> Uuid {
        stable(&[&self.scope(), &principal.to_string(), &self.role_id().to_string()])
    }

    /// For the comments: what is assigned where.
    fn about(&self) -> String {
        match (&self.place.service, &self.place.gateway, self.role.level) {
            (Some(service), Some(gateway), Level::Gateway) => {
                format!("the gateway {gateway} of {service} alone")
            }
            (Some(service), None, Level::Gateway) => format!("all gateways of {service}"),
            (Some(service), _, Level::Service) => format!("the instance {service}"),
            _ => format!("the resource group {}", self.place.resource_group),
        }
    }
}

/// Whose object id is meant; three ids of an app look alike.
fn whose(role: AzureRole) -> &'static str {
    match role {
        AzureRole::TokenOperator => {
            "The object id of the service principal or managed identity that rotates; neither the client id nor the \
             object id of the app registration"
        }
        AzureRole::ConfigValidator => {
            "The object id of the system-assigned managed identity of the API Management instance"
        }
        AzureRole::ConfigReader => {
            "The object id of the service principal of the gateway's app; neither the client id nor the object id of \
             the app registration"
        }
    }
}

/// A UUID of version 5 in the namespace of URLs. ARM compares without regard to
/// case.
fn stable(parts: &[&str]) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, parts.join("|").to_lowercase().as_bytes())
}

#[cfg(test)]
mod tests;
