//! The custom roles in Azure: whom they are for, and what they allow.

use std::fmt::Write as _;

use uuid::Uuid;

use super::quote::word;
use super::{GatewayId, ServiceId};

/// The custom roles that self-hosted gateways need in Azure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AzureRole {
    /// Mints tokens; for the identity that rotates
    #[default]
    TokenOperator,
    /// Reads who has which role; for the managed identity of the instance, whose gateways sign in by Entra
    ConfigValidator,
    /// Reads the configuration; for the Entra app of a gateway
    ConfigReader,
}

/// The narrowest scope at which a role works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleLevel {
    ResourceGroup,
    Service,
    Gateway,
}

/// The definition of a custom role.
#[derive(Debug)]
pub struct CustomRole {
    /// The name of the role's blocks in a file, in camel case.
    pub symbol: &'static str,
    pub name: &'static str,
    pub description: &'static str,
    /// Each action, and the request that needs it.
    pub actions: &'static [(&'static str, &'static str)],
    pub data_actions: &'static [(&'static str, &'static str)],
    pub level: RoleLevel,
}

const TOKEN_OPERATOR: CustomRole = CustomRole {
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
    level: RoleLevel::Gateway,
};

/// A separate role, because its action works only at the instance. As part of
/// the token operator, that role would have to be assigned at the instance, and
/// so for every gateway.
pub const INSTANCE_FINDER: CustomRole = CustomRole {
    symbol: "instanceFinder",
    name: "API Management Self-Hosted Gateway Instance Finder",
    description: "Can find the APIM instance of Self-Hosted Gateways by its name.",
    actions: &[(
        "Microsoft.ApiManagement/service/read",
        "the query to Azure Resource Graph, or GET .../service, which finds the subscription and the resource group",
    )],
    data_actions: &[],
    level: RoleLevel::Service,
};

const CONFIG_VALIDATOR: CustomRole = CustomRole {
    symbol: "configValidator",
    name: "API Management Configuration API Access Validator Service Role",
    description: "Can access RBAC permissions on the API Management resource to authorize requests in Configuration \
                  API.",
    actions: &[(
        "Microsoft.Authorization/*/read",
        "the instance's own reads of role assignments and definitions, when a gateway signs in with Entra",
    )],
    data_actions: &[],
    level: RoleLevel::ResourceGroup,
};

const CONFIG_READER: CustomRole = CustomRole {
    symbol: "configReader",
    name: "API Management Gateway Configuration Reader Role",
    description: "Can read self-hosted gateway configuration from Configuration API",
    actions: &[],
    data_actions: &[(
        "Microsoft.ApiManagement/service/gateways/getConfiguration/action",
        "the gateway's own requests to the configuration endpoint",
    )],
    level: RoleLevel::Service,
};

impl AzureRole {
    pub const fn definition(self) -> &'static CustomRole {
        match self {
            Self::TokenOperator => &TOKEN_OPERATOR,
            Self::ConfigValidator => &CONFIG_VALIDATOR,
            Self::ConfigReader => &CONFIG_READER,
        }
    }
}

impl CustomRole {
    /// The name of the role. It must be unique in its tenant, and a role of one name
    /// has one id, so each subscription has a role of its own.
    pub fn name_in(&self, subscription: &str) -> String {
        format!("{} ({subscription})", self.name)
    }

    /// The id of a new role. It depends only on the subscription and the role's name.
    pub fn id_in(&self, subscription: &str) -> Uuid {
        stable_uuid(&[&format!("/subscriptions/{subscription}"), self.name])
    }

    /// The actions without their reasons.
    pub fn action_names(&self) -> Vec<&'static str> {
        self.actions.iter().map(|(action, _)| *action).collect()
    }

    /// The data actions without their reasons.
    pub fn data_action_names(&self) -> Vec<&'static str> {
        self.data_actions.iter().map(|(action, _)| *action).collect()
    }
}

/// The command that grants the right to mint tokens of a gateway. `principal` is an
/// object id; without one, the script that it runs asks for the variable `PRINCIPAL_ID`.
pub fn grant_minting(gateway: &GatewayId, principal: Option<&str>) -> String {
    let ServiceId {
        subscription,
        resource_group,
        name,
    } = &gateway.service;
    let flags = [
        ("-s", subscription.as_str()),
        ("-r", resource_group),
        ("-a", name),
        ("-g", &gateway.name),
    ];
    let principal = principal.map(|id| ("--principal-id", id));
    let mut command = String::from("kubectl apim render-rbac --azure az");
    for (flag, value) in flags.into_iter().chain(principal) {
        // Writing to a String cannot fail.
        let _ = write!(command, " {flag} {}", word(value));
    }
    command + " | sh"
}

/// The name of an assignment, which must differ between principals.
pub fn assignment_id(scope: &str, principal: Uuid, role: Uuid) -> Uuid {
    stable_uuid(&[scope, &principal.to_string(), &role.to_string()])
}

/// A UUID of version 5 in the namespace of URLs, in lower case, since ARM ignores
/// case.
pub fn stable_uuid(parts: &[&str]) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, parts.join("|").to_lowercase().as_bytes())
}
