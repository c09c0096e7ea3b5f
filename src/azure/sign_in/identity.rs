use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;

use super::certificate::Certificate;

/// Says where the file and the variables of a workload identity come from.
pub const WORKLOAD_IDENTITY_WEBHOOK: &str = "the webhook of Azure Workload Identity sets it, and the file, in pods with \
     the label azure.workload.identity/use: \"true\" whose ServiceAccount has the annotation \
     azure.workload.identity/client-id";

/// Who signs in.
#[derive(Clone, Debug)]
#[expect(
    clippy::enum_variant_names,
    reason = "these are the names that Azure gives them"
)]
pub enum Identity {
    /// An app registration's service principal.
    ServicePrincipal {
        /// The tenant, as GUID or domain.
        tenant: String,
        /// The application's client id.
        client_id: String,
        credential: ClientCredential,
    },
    /// A service principal or a user-assigned identity that trusts tokens
    /// of another issuer, as a cluster's service account has one.
    WorkloadIdentity {
        /// The tenant.
        tenant: String,
        /// The client id.
        client_id: String,
        /// The issuer's token.
        token: Assertion,
        /// Another Entra than the cloud's.
        authority: Option<String>,
    },
    /// The identity that Azure gave to this machine or app.
    ManagedIdentity {
        /// The client id of a user-assigned one.
        client_id: Option<String>,
    },
    /// Whoever is logged in to the Azure CLI.
    AzureCli {
        /// Another tenant than the CLI's current one.
        tenant: Option<String>,
        /// The subscription whose account is meant.
        subscription: Option<String>,
    },
}

/// A token of another issuer.
#[derive(Clone, Debug)]
pub enum Assertion {
    /// In a file, which the kubelet renews.
    File(PathBuf),
    /// Asked for just now.
    Given(SecretString),
}

/// What a service principal signs in with.
#[derive(Clone, Debug)]
pub enum ClientCredential {
    /// A client secret.
    Secret(SecretString),
    /// A certificate with its key.
    Certificate {
        /// The certificate.
        certificate: Certificate,
        /// Whether its chain is sent along.
        send_chain: bool,
    },
}

impl Identity {
    /// Which way to sign in this is.
    pub(crate) fn way(&self) -> &'static str {
        match self {
            Self::ServicePrincipal { .. } => "service principal",
            Self::WorkloadIdentity { .. } => "workload identity",
            Self::ManagedIdentity { .. } => "managed identity",
            Self::AzureCli { .. } => "Azure CLI",
        }
    }

    /// What signing in as this is, in words that follow "cannot".
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
            Self::AzureCli { .. } => "sign in by the Azure CLI".into(),
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
            Self::AzureCli { .. } => f.write_str("whoever is logged in to the Azure CLI"),
        }
    }
}

/// How to sign in: as whom, and how that was found.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// The identities that may be there, in the order to try them. One that
    /// turns out not to be there leaves its place to the next; any other
    /// failure is final. Never empty.
    pub candidates: Vec<Candidate>,
    /// Whether the user left the choice to us.
    pub auto: bool,
    /// Why other ways do not come into question.
    pub excluded: Vec<String>,
}

/// An identity that may be there.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Who.
    pub identity: Identity,
    /// What points to it, `client secret in variable SP_SECRET`.
    pub reason: String,
}

impl SignIn {
    /// As this identity and no other; `reason` says who asked for it.
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

    pub(crate) fn describe(&self, place: usize) -> String {
        let Candidate { identity, reason } = &self.candidates[place];
        let auto = if self.auto { "auto: " } else { "" };
        format!("as {identity}  [{auto}{reason}]")
    }
}
