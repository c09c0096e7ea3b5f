//! The objects of an Entra tenant that let a gateway sign in, as facts.

use std::fmt;

use jiff::Timestamp;
use uuid::Uuid;

use super::ManagedIdentityId;

/// An app registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// Its object id, with which Microsoft Graph names it.
    pub id: Uuid,
    /// Its application id, the client id of those who sign in as it.
    pub app_id: Uuid,
    /// Not unique: any member of a tenant may register one of the same name.
    pub display_name: String,
    /// The alternate key, which no other app of the tenant has.
    pub unique_name: Option<String>,
    /// Whether it gets no tokens. Only a read of one app shows it.
    pub disabled: bool,
    pub secrets: Vec<AppCredential>,
    pub certificates: Vec<AppCredential>,
}

/// What is known of a client secret or of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppCredential {
    pub key_id: Uuid,
    pub name: Option<String>,
    pub begins: Option<Timestamp>,
    pub expires: Option<Timestamp>,
    pub fingerprint: Option<Fingerprint>,
}

impl AppCredential {
    /// Whether it has this name, alone or followed by what distinguishes the client secrets
    /// of one Secret.
    pub fn is_named(&self, name: &str) -> bool {
        let rest = self.name.as_deref().and_then(|own| own.strip_prefix(name));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    }
}

/// What shows which credential of an app a value is: the first characters of a client
/// secret, or the thumbprint of a certificate. Nothing prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct Fingerprint(String);

/// How many characters of a client secret Microsoft Graph shows
/// (learn.microsoft.com, "passwordCredential resource type").
const HINT: usize = 3;

impl Fingerprint {
    /// Of a client secret, or of its hint. `None` for what Entra has never made: one with
    /// white space at an end is cut wrong.
    pub fn of_secret(text: &str) -> Option<Self> {
        let hint: String = text.chars().take(HINT).collect();
        let is_whole = hint.chars().count() == HINT && text.trim() == text;
        is_whole.then_some(Self(hint))
    }

    /// Of a certificate, by the SHA-1 of its DER.
    pub fn of_certificate(thumbprint: &[u8]) -> Self {
        let digits: Vec<String> = thumbprint.iter().map(|byte| format!("{byte:02X}")).collect();
        Self(digits.concat())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(..)")
    }
}

/// The claims that a token of another issuer must have to be accepted for a
/// client secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FederatedCredential {
    /// Unique in its app or identity. It cannot be changed.
    pub name: String,
    /// The issuer to the letter: Entra compares it with `iss`.
    pub issuer: String,
    pub subject: String,
    /// A list of one.
    pub audiences: Vec<String>,
}

/// A service principal: what an app or a managed identity is in a tenant. Roles
/// are assigned to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePrincipal {
    /// Its object id, the principal id of role assignments.
    pub id: Uuid,
    pub app_id: Uuid,
    pub display_name: String,
    /// `Application`, `ManagedIdentity` or another type.
    pub kind: String,
    /// Whether it gets tokens.
    pub enabled: bool,
    /// The tenant where its app is registered.
    pub home_tenant: Option<Uuid>,
    /// For a managed identity, its ARM id or that of its resource is among them.
    pub alternative_names: Vec<String>,
}

impl ServicePrincipal {
    /// The user-assigned managed identity that this is.
    pub fn managed_identity(&self) -> Option<ManagedIdentityId> {
        self.alternative_names
            .iter()
            .find_map(|name| ManagedIdentityId::parse(name))
    }
}

/// An owner of an app: a user or a service principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub id: Uuid,
    /// `user`, `servicePrincipal` or another type of Microsoft Graph.
    pub kind: String,
    pub name: Option<String>,
}

/// A role that a service principal has in another app, such as Microsoft Graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppRole {
    /// The id of the role in that app.
    pub role: Uuid,
    /// The object id of that app's service principal.
    pub resource: Uuid,
    pub resource_name: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_of_a_secret_is_that_of_its_hint_and_is_not_printed() {
        let whole = Fingerprint::of_secret("ab€8Q~rest").unwrap();
        assert_eq!(Some(whole.clone()), Fingerprint::of_secret("ab€"));
        assert!(!format!("{whole:?}").contains("ab"));
        for wrong in ["", "ab", "ab€8Q~rest\n", " ab€8Q~rest"] {
            assert_eq!(Fingerprint::of_secret(wrong), None, "{wrong:?}");
        }
        let certificate = Fingerprint::of_certificate(&[0xa1, 2]);
        assert_eq!(certificate, Fingerprint("A102".to_owned()));
    }
}
