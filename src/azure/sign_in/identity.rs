use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;

use super::certificate::Certificate;

/// Fact of a hint: where a workload identity gets its file and variables.
pub const WORKLOAD_IDENTITY_WEBHOOK: &str = "the webhook of Azure Workload Identity sets the variable and the file in \
     pods with the label azure.workload.identity/use: \"true\" whose ServiceAccount has the annotation \
     azure.workload.identity/client-id";

/// The identity that signs in.
#[derive(Clone, Debug)]
#[expect(
    clippy::enum_variant_names,
    reason = "these are the names that Azure gives them"
)]
pub enum Identity {
    /// An app registration's service principal.
    ServicePrincipal {
        /// A GUID or a domain.
        tenant: String,
        client_id: String,
        credential: ClientCredential,
    },
    /// A service principal or a user-assigned identity that trusts tokens of
    /// another issuer, such as those of a cluster's service account.
    WorkloadIdentity {
        tenant: String,
        client_id: String,
        /// The issuer's token.
        token: Assertion,
        /// An Entra address other than the cloud's.
        authority: Option<String>,
    },
    /// The identity that Azure assigned to this machine or app.
    ManagedIdentity {
        /// The client id of a user-assigned identity.
        client_id: Option<String>,
    },
    /// The account that is logged in to the Azure CLI.
    AzureCli {
        /// A tenant other than the CLI's current one.
        tenant: Option<String>,
        /// The subscription that selects the account.
        subscription: Option<String>,
    },
}

/// A token of another issuer.
#[derive(Clone, Debug)]
pub enum Assertion {
    /// In a file, which the kubelet renews.
    File(PathBuf),
    /// A token that was just requested.
    Token(SecretString),
}

/// The credential of a service principal.
#[derive(Clone, Debug)]
pub enum ClientCredential {
    Secret(SecretString),
    /// A certificate with its private key.
    Certificate {
        certificate: Certificate,
        /// Whether to send its chain as well.
        send_chain: bool,
    },
}

impl Identity {
    /// The name of the way to sign in.
    pub(crate) fn method(&self) -> &'static str {
        match self {
            Self::ServicePrincipal { .. } => "service principal",
            Self::WorkloadIdentity { .. } => "workload identity",
            Self::ManagedIdentity { .. } => "managed identity",
            Self::AzureCli { .. } => "Azure CLI",
        }
    }

    /// Signing in as this identity, in words that follow "cannot".
    pub(crate) fn purpose(&self) -> String {
        match self {
            Self::ServicePrincipal {
                tenant, client_id, ..
            } => format!("sign in as client {client_id} of tenant {tenant}"),
            Self::WorkloadIdentity {
                tenant, client_id, ..
            } => format!("sign in as workload identity {client_id} of tenant {tenant}"),
            Self::ManagedIdentity { client_id: Some(id) } => format!("sign in as managed identity {id}"),
            Self::ManagedIdentity { client_id: None } => {
                "sign in as the managed identity of this machine".into()
            }
            Self::AzureCli { .. } => "sign in with the Azure CLI".into(),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServicePrincipal {
                tenant, client_id, ..
            } => write!(f, "service principal {client_id} of tenant {tenant}"),
            Self::WorkloadIdentity {
                tenant, client_id, ..
            } => write!(f, "workload identity {client_id} of tenant {tenant}"),
            Self::ManagedIdentity { client_id: Some(id) } => write!(f, "managed identity {id}"),
            Self::ManagedIdentity { client_id: None } => f.write_str("the managed identity of this machine"),
            Self::AzureCli { .. } => f.write_str("the account logged in to the Azure CLI"),
        }
    }
}

/// How to sign in: the identities to try, and why these.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// The identities in the order to try them. If one turns out not to exist
    /// here, the next is tried; any other failure is final. Never empty.
    pub candidates: Vec<Candidate>,
    /// Whether `--auth auto` chose the candidates.
    pub auto: bool,
    /// One line per excluded way to sign in: why it cannot be used.
    pub excluded: Vec<String>,
}

/// An identity that may exist here.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub identity: Identity,
    /// Why it may exist: `client secret in variable SP_SECRET`.
    pub reason: String,
}

impl SignIn {
    /// Signs in as this identity only; `reason` is where it was set.
    pub fn only(identity: Identity, reason: impl Into<String>) -> Self {
        Self {
            candidates: vec![Candidate {
                identity,
                reason: reason.into(),
            }],
            auto: false,
            excluded: Vec::new(),
        }
    }

    pub(crate) fn describe(&self, candidate: usize) -> String {
        let Candidate { identity, reason } = &self.candidates[candidate];
        let auto = if self.auto { "auto: " } else { "" };
        format!("as {identity}  [{auto}{reason}]")
    }
}
