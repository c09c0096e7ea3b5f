//! The operations of Azure that the emulator knows.

use serde::{Deserialize, Serialize};

/// The operations of Azure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Operation {
    /// Entra's instance discovery and `OpenID` configuration.
    Discovery,
    /// A document of the issuer of a cluster's tokens.
    IssuerDocument,
    /// Entra's token endpoint.
    SignIn,
    /// A token for a managed identity; faults do not reach it.
    ManagedIdentity,
    /// ARM's `/metadata/endpoints`.
    Metadata,
    /// A Resource Graph query.
    ResourceGraph,
    /// The tenants, the subscriptions or one of them.
    Subscriptions,
    /// The services of a subscription or of a resource group.
    ListServices,
    /// A service.
    GetService,
    /// The gateways of a service.
    ListGateways,
    /// A gateway, or its `ETag` alone.
    GetGateway,
    /// The APIs that are assigned to a gateway.
    ListApis,
    /// A new gateway token.
    GenerateToken,
    /// The signing keys of a gateway.
    ListKeys,
    /// A new signing key for a gateway.
    RegenerateKey,
    /// What the caller may do at a scope.
    Permissions,
    /// The locks at a scope.
    ListLocks,
    /// A gateway's request for its configuration.
    Configuration,
    /// A change of a service.
    PatchService,
    /// A service, written whole.
    PutService,
    /// The state of a change of a service.
    OperationResult,
    /// A gateway, created or written whole.
    PutGateway,
    /// The role definitions at a scope.
    ListRoleDefinitions,
    /// A role definition.
    GetRoleDefinition,
    /// A role definition, created or changed.
    PutRoleDefinition,
    /// A role definition, deleted.
    DeleteRoleDefinition,
    /// The role assignments at a scope.
    ListRoleAssignments,
    /// A role assignment.
    GetRoleAssignment,
    /// A role assignment, created.
    PutRoleAssignment,
    /// A role assignment, deleted.
    DeleteRoleAssignment,
    /// The user-assigned managed identities of a resource group or of a subscription.
    ListIdentities,
    /// A user-assigned managed identity.
    GetIdentity,
    /// A user-assigned managed identity, created or changed.
    PutIdentity,
    /// A user-assigned managed identity, deleted.
    DeleteIdentity,
    /// The federated credentials of an application (in Graph) or of a managed identity (in ARM).
    ListFederatedCredentials,
    /// A federated credential.
    GetFederatedCredential,
    /// A federated credential, created or changed.
    PutFederatedCredential,
    /// A federated credential, deleted.
    DeleteFederatedCredential,
    /// The applications.
    ListApplications,
    /// An application.
    GetApplication,
    /// An application, created.
    CreateApplication,
    /// An application, created or changed under its unique name.
    UpsertApplication,
    /// An application, changed.
    UpdateApplication,
    /// An application, deleted.
    DeleteApplication,
    /// The applications that can be restored.
    ListDeletedApplications,
    /// A deleted application, restored.
    RestoreApplication,
    /// A new client secret.
    AddPassword,
    /// A client secret, removed.
    RemovePassword,
    /// The owners of an application or of a service principal.
    ListOwners,
    /// One more owner.
    AddOwner,
    /// One owner less.
    RemoveOwner,
    /// The service principals.
    ListServicePrincipals,
    /// A service principal.
    GetServicePrincipal,
    /// A service principal, created.
    CreateServicePrincipal,
    /// A service principal, changed, or created under its application id.
    UpdateServicePrincipal,
    /// A service principal, deleted.
    DeleteServicePrincipal,
    /// The app roles of a service principal.
    ListAppRoleAssignments,
    /// A policy for the credentials of applications.
    GetAppPolicies,
    /// Objects of the directory by their ids.
    GetDirectoryObjects,
}
