//! How a gateway signs in by Entra: what the cluster shows of it, and what Azure
//! answers.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use super::access::{InstanceIdentity, RoleAssignment, RoleDefinition};
use super::directory::{Application, FederatedCredential, ServicePrincipal};
use super::entra::OwnVariables;
use super::{Fact, SecretFacts, ServiceId, Validity, WorkloadRef};

/// The sign-in of one gateway by Entra. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntraSignIn {
    /// The client id of the app or the identity.
    pub client_id: Fact<Uuid>,
    /// The `ServiceAccount` of the pods.
    pub service_account: String,
    /// The tenant that an annotation of it names, for a workload identity.
    pub tenant: Option<String>,
    /// The client ids that pods got from the webhook for that `ServiceAccount`, of whatever
    /// workload.
    pub given: BTreeSet<Uuid>,
    /// Another gateway, listed before, whose set-up mends what this one lacks as well: both
    /// have the same `ServiceAccount`, or the same Secret.
    pub shared_with: Option<WorkloadRef>,
    /// The Secret with the credential; `None` if none is known to have it.
    pub stored: Option<Fact<Box<SecretFacts>>>,
    /// The certificate in that Secret, as far as it could be parsed.
    pub certificate: Option<Fact<Validity>>,
    /// What has the client secret in clear.
    pub in_clear: Option<String>,
    /// What the container sets of a workload identity; nothing for other kinds.
    pub own_variables: OwnVariables,
    /// Whether the container may get the path of a token in another way than from the
    /// webhook of Azure Workload Identity.
    pub may_bring_token: bool,
    pub lacking: Lacking,
    pub settings: AppSettings,
    /// `None` if Azure was not asked.
    pub azure: Option<Box<EntraInAzure>>,
}

/// What a sign-in certainly lacks in the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lacking {
    /// The pods do not ask the webhook of Azure Workload Identity, and bring nothing of
    /// their own.
    pub label: bool,
    /// The webhook leaves the container out, because an annotation of the pods names it.
    pub skipped: bool,
    /// Why the webhook has no client id for them.
    pub client_id: Option<String>,
    /// The setting that has to be there: `config.service.auth` or `gateway.name`.
    pub setting: Option<&'static str>,
}

/// The settings of the container that another place decides, as far as they are readable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppSettings {
    /// Those of an app; absent for a workload identity.
    pub tenant: Option<String>,
    pub authority: Option<String>,
    /// Of the gateway's token.
    pub audience: Option<String>,
    /// The client id, if it is no GUID.
    pub odd_client: Option<String>,
    /// Why there is no certificate at its path.
    pub no_certificate: Option<Fact<String>>,
    /// Whether there is a client secret beside the certificate.
    pub two_credentials: bool,
}

impl EntraSignIn {
    /// The Secret, if it was read.
    pub fn secret(&self) -> Option<&SecretFacts> {
        self.stored.as_ref()?.as_deref().ok()
    }

    /// The Secret, while our annotations describe its credential.
    pub fn recorded(&self) -> Option<&SecretFacts> {
        self.secret().filter(|secret| secret.app_marks_hold())
    }
}

/// What Azure has for the sign-in of one gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntraInAzure {
    /// `None` if there is no app of the client id. A managed identity has none.
    pub application: Fact<Option<Application>>,
    pub service_principal: Fact<Option<ServicePrincipal>>,
    /// For workload identity.
    pub federation: Option<Federation>,
    pub access: Fact<Arc<InstanceAccess>>,
}

/// What the tokens of the cluster are trusted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Federation {
    pub credentials: Fact<Vec<FederatedCredential>>,
    /// The issuer of the cluster's tokens, to the letter.
    pub issuer: Fact<String>,
    /// The audience of the tokens; `None` in a custom cloud.
    pub audience: Option<&'static str>,
    /// Whether the webhook of Azure Workload Identity gets the pods of the namespace.
    pub webhook: Fact<bool>,
}

/// Who may do what at an API Management instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceAccess {
    pub service: ServiceId,
    pub identity: InstanceIdentity,
    /// The custom roles that can be assigned there, and the others that are assigned
    /// to whom it concerns.
    pub definitions: Fact<Vec<RoleDefinition>>,
    /// The assignments at the instance and above it.
    pub assignments: Fact<Vec<RoleAssignment>>,
}
