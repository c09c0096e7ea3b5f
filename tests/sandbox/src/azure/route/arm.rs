//! The operation of a request to ARM.

use axum::http::Method;

use super::super::inventory::Gateway;
use super::super::operation::Operation;

/// A request to ARM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::azure) struct ArmRoute {
    pub(in crate::azure) verb: Verb,
    /// The names in the path; those that it does not give are empty.
    pub(in crate::azure) names: Gateway,
    /// The id of the resource that the request is for, as the caller wrote it; for a role, where it is asked for.
    pub(in crate::azure) scope: String,
    /// The names of the role, or of the managed identity and its federated credential.
    pub(in crate::azure) leaf: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::azure) enum Verb {
    Metadata,
    Tenants,
    Subscriptions,
    Subscription,
    ResourceGraph,
    SubscriptionServices,
    GroupServices,
    Service,
    Gateways,
    Gateway,
    GatewayApis,
    GenerateToken,
    ListKeys,
    RegenerateKey,
    Permissions,
    Locks,
    WriteService(Operation),
    OperationResult,
    PutGateway,
    /// Role definitions and role assignments.
    Role(Operation),
    /// Managed identities and their federated credentials.
    Identity(Operation),
}

impl Verb {
    pub(in crate::azure) fn operation(self) -> Operation {
        match self {
            Verb::Metadata => Operation::Metadata,
            Verb::Tenants | Verb::Subscriptions | Verb::Subscription => Operation::Subscriptions,
            Verb::ResourceGraph => Operation::ResourceGraph,
            Verb::SubscriptionServices | Verb::GroupServices => Operation::ListServices,
            Verb::Service => Operation::GetService,
            Verb::Gateways => Operation::ListGateways,
            Verb::Gateway => Operation::GetGateway,
            Verb::GatewayApis => Operation::ListApis,
            Verb::GenerateToken => Operation::GenerateToken,
            Verb::ListKeys => Operation::ListKeys,
            Verb::RegenerateKey => Operation::RegenerateKey,
            Verb::Permissions => Operation::Permissions,
            Verb::Locks => Operation::ListLocks,
            Verb::OperationResult => Operation::OperationResult,
            Verb::PutGateway => Operation::PutGateway,
            Verb::WriteService(operation) | Verb::Role(operation) | Verb::Identity(operation) => operation,
        }
    }

    /// Whether the resource provider of API Management answers, and not ARM itself.
    pub(in crate::azure) fn is_api_management(self) -> bool {
        !matches!(
            self,
            Verb::Metadata
                | Verb::Tenants
                | Verb::Subscriptions
                | Verb::Subscription
                | Verb::ResourceGraph
                | Verb::Permissions
                | Verb::Locks
                | Verb::Role(_)
                | Verb::Identity(_)
        )
    }
}

/// ARM ignores the case of the fixed parts of a path, and of names.
pub(super) fn route(method: &Method, segments: &[String]) -> Option<ArmRoute> {
    let lower: Vec<String> = segments.iter().map(|segment| segment.to_lowercase()).collect();
    let parts: Vec<&str> = lower.iter().map(String::as_str).collect();
    let verb = verb(method.as_str(), &parts)?;
    let leaf = match verb {
        Verb::Role(_) => after(segments, "microsoft.authorization").get(1..2),
        Verb::Identity(_) => after(segments, "microsoft.managedidentity").get(1..),
        Verb::OperationResult => segments.get(segments.len() - 1..),
        _ => None,
    };
    // Of `userAssignedIdentities/{name}/federatedIdentityCredentials/{name}` the names alone.
    let leaf = leaf.unwrap_or_default().iter().step_by(2).cloned().collect();
    let length = match verb {
        Verb::Permissions | Verb::Locks => segments.len() - 3,
        Verb::Role(_) => segments.len() - after(segments, "microsoft.authorization").len() - 2,
        Verb::OperationResult => segments.len() - 2,
        Verb::GatewayApis | Verb::GenerateToken | Verb::ListKeys | Verb::RegenerateKey => segments.len() - 1,
        _ => segments.len(),
    };
    let target = &segments[..length];
    Some(ArmRoute {
        verb,
        names: names(target),
        scope: format!("/{}", target.join("/")),
        leaf,
    })
}

fn verb(method: &str, parts: &[&str]) -> Option<Verb> {
    Some(match (method, parts) {
        ("GET", ["metadata", "endpoints"]) => Verb::Metadata,
        ("GET", ["tenants"]) => Verb::Tenants,
        ("GET", ["subscriptions"]) => Verb::Subscriptions,
        ("GET", ["subscriptions", _]) => Verb::Subscription,
        ("POST", ["providers", "microsoft.resourcegraph", "resources"]) => Verb::ResourceGraph,
        ("GET", [.., "providers", "microsoft.authorization", "permissions"]) => Verb::Permissions,
        ("GET", [.., "providers", "microsoft.authorization", "locks"]) => Verb::Locks,
        (
            "GET",
            [
                "subscriptions",
                _,
                "providers",
                "microsoft.apimanagement",
                "service",
            ],
        ) => Verb::SubscriptionServices,
        (
            method,
            [
                "subscriptions",
                _,
                "resourcegroups",
                _,
                "providers",
                "microsoft.apimanagement",
                "service",
                rest @ ..,
            ],
        ) if !rest.contains(&"microsoft.authorization") => service(method, rest)?,
        (_, [.., "providers", "microsoft.authorization", kind]) => Verb::Role(role(method, kind, false)?),
        (_, [.., "providers", "microsoft.authorization", kind, _]) => Verb::Role(role(method, kind, true)?),
        (
            "GET",
            [
                "subscriptions",
                _,
                "providers",
                "microsoft.managedidentity",
                "userassignedidentities",
            ],
        ) => Verb::Identity(Operation::ListIdentities),
        (
            method,
            [
                "subscriptions",
                _,
                "resourcegroups",
                _,
                "providers",
                "microsoft.managedidentity",
                "userassignedidentities",
                rest @ ..,
            ],
        ) => Verb::Identity(identity(method, rest)?),
        _ => return None,
    })
}

/// The operation on the services of a resource group.
fn service(method: &str, rest: &[&str]) -> Option<Verb> {
    Some(match (method, rest) {
        ("GET", []) => Verb::GroupServices,
        ("GET", [_]) => Verb::Service,
        ("PATCH", [_]) => Verb::WriteService(Operation::PatchService),
        ("PUT", [_]) => Verb::WriteService(Operation::PutService),
        ("GET", [_, "operationresults", _]) => Verb::OperationResult,
        ("PUT", [_, "gateways", _]) => Verb::PutGateway,
        ("GET", [_, "gateways"]) => Verb::Gateways,
        ("GET" | "HEAD", [_, "gateways", _]) => Verb::Gateway,
        ("GET", [_, "gateways", _, "apis"]) => Verb::GatewayApis,
        ("POST", [_, "gateways", _, "generatetoken"]) => Verb::GenerateToken,
        ("POST", [_, "gateways", _, "listkeys"]) => Verb::ListKeys,
        ("POST", [_, "gateways", _, "regeneratekey"]) => Verb::RegenerateKey,
        _ => return None,
    })
}

/// What follows the last `providers/{provider}`.
fn after<'a>(segments: &'a [String], provider: &str) -> &'a [String] {
    let at = segments
        .iter()
        .rposition(|segment| segment.eq_ignore_ascii_case(provider));
    at.map_or(&[], |at| &segments[at + 1..])
}

fn role(method: &str, kind: &str, is_named: bool) -> Option<Operation> {
    Some(match (method, kind, is_named) {
        ("GET", "roledefinitions", false) => Operation::ListRoleDefinitions,
        ("GET", "roledefinitions", true) => Operation::GetRoleDefinition,
        ("PUT", "roledefinitions", true) => Operation::PutRoleDefinition,
        ("DELETE", "roledefinitions", true) => Operation::DeleteRoleDefinition,
        ("GET", "roleassignments", false) => Operation::ListRoleAssignments,
        ("GET", "roleassignments", true) => Operation::GetRoleAssignment,
        ("PUT", "roleassignments", true) => Operation::PutRoleAssignment,
        ("DELETE", "roleassignments", true) => Operation::DeleteRoleAssignment,
        _ => return None,
    })
}

fn identity(method: &str, rest: &[&str]) -> Option<Operation> {
    Some(match (method, rest) {
        ("GET", []) => Operation::ListIdentities,
        ("GET", [_]) => Operation::GetIdentity,
        ("PUT", [_]) => Operation::PutIdentity,
        ("DELETE", [_]) => Operation::DeleteIdentity,
        ("GET", [_, "federatedidentitycredentials"]) => Operation::ListFederatedCredentials,
        ("GET", [_, "federatedidentitycredentials", _]) => Operation::GetFederatedCredential,
        ("PUT", [_, "federatedidentitycredentials", _]) => Operation::PutFederatedCredential,
        ("DELETE", [_, "federatedidentitycredentials", _]) => Operation::DeleteFederatedCredential,
        _ => return None,
    })
}

/// The names in an ARM id: each follows the word for its type.
fn names(id: &[String]) -> Gateway {
    let following = |index: usize, word: &str| {
        let found = id
            .get(index)
            .is_some_and(|segment| segment.eq_ignore_ascii_case(word));
        found
            .then(|| id.get(index + 1))
            .flatten()
            .cloned()
            .unwrap_or_default()
    };
    Gateway {
        subscription: following(0, "subscriptions"),
        resource_group: following(2, "resourceGroups"),
        service: following(6, "service"),
        name: following(8, "gateways"),
    }
}
