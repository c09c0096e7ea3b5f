use jiff::SignedDuration;
use uuid::Uuid;

use super::Mode;

/// The app or the identity of a gateway, as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppRequest {
    /// An app of this display name, which is made if it does not exist.
    Create(String),
    /// One that exists, by its client id.
    Existing(Uuid),
}

impl AppRequest {
    /// Of one that exists.
    pub const fn client_id(&self) -> Option<Uuid> {
        match self {
            Self::Create(_) => None,
            Self::Existing(client_id) => Some(*client_id),
        }
    }
}

/// What `entra setup` was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupRequest {
    /// `None` to choose.
    pub mode: Option<Mode>,
    pub app: AppRequest,
    /// The `ServiceAccount` of the pods; that of the workload when absent.
    pub service_account: Option<String>,
    /// The Secret for the credential; named after the workload when absent.
    pub secret: Option<String>,
    /// How long a client secret or a certificate is valid.
    pub secret_lifetime: SignedDuration,
    /// Whether the system-assigned identity of the instance may be enabled.
    pub enable_identity: bool,
    /// The location of a gateway that does not exist in API Management yet.
    pub location_name: Option<String>,
    /// In place of the cloud's.
    pub token_audience: Option<String>,
    /// In place of the cloud's.
    pub federation_audience: Option<String>,
    /// Whether nobody is asked.
    pub yes: bool,
}

impl SetupRequest {
    /// The flag that was given and does nothing in a mode.
    pub fn without_effect(&self, mode: Mode) -> Option<&'static str> {
        if mode.is_stored() {
            let account = self.service_account.as_ref().map(|_| "--service-account");
            let audience = self.federation_audience.as_ref();
            account.or(audience.map(|_| "--federation-audience"))
        } else {
            self.secret.as_ref().map(|_| "--secret")
        }
    }
}
