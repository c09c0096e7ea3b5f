//! The JSON of Microsoft Graph's objects.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use crate::model::cleaned;
use crate::model::directory::{
    AppCredential, AppRole, Application, FederatedCredential, Fingerprint, Owner, ServicePrincipal,
};

/// A GUID: the crate is built without serde, which nothing else needs.
pub(super) fn guid<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
    let text = String::deserialize(deserializer)?;
    Uuid::try_parse(&text).map_err(|_| D::Error::invalid_value(Unexpected::Other("a text"), &"a GUID"))
}

fn text(value: Option<String>) -> Option<String> {
    value.map(|value| cleaned(&value))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApplicationAnswer {
    #[serde(deserialize_with = "guid")]
    id: Uuid,
    #[serde(deserialize_with = "guid")]
    app_id: Uuid,
    #[serde(default)]
    display_name: Option<String>,
    #[serde(default)]
    unique_name: Option<String>,
    #[serde(default)]
    is_disabled: Option<bool>,
    #[serde(default)]
    password_credentials: Vec<CredentialAnswer>,
    #[serde(default)]
    key_credentials: Vec<CredentialAnswer>,
    #[serde(default)]
    federated_identity_credentials: Vec<FederatedAnswer>,
}

impl ApplicationAnswer {
    /// With its federated credentials, if they were asked for.
    pub(super) fn with_federated(mut self) -> (Application, Vec<FederatedCredential>) {
        let federated = std::mem::take(&mut self.federated_identity_credentials);
        (
            self.fact(),
            federated.into_iter().map(FederatedAnswer::fact).collect(),
        )
    }

    pub(super) fn fact(self) -> Application {
        let all = |answers: Vec<CredentialAnswer>| answers.into_iter().map(CredentialAnswer::fact).collect();
        Application {
            id: self.id,
            app_id: self.app_id,
            display_name: text(self.display_name).unwrap_or_default(),
            unique_name: text(self.unique_name),
            disabled: self.is_disabled.unwrap_or_default(),
            secrets: all(self.password_credentials),
            certificates: all(self.key_credentials),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CredentialAnswer {
    #[serde(deserialize_with = "guid")]
    key_id: Uuid,
    #[serde(default)]
    display_name: Option<String>,
    #[serde(default)]
    start_date_time: Option<String>,
    #[serde(default)]
    end_date_time: Option<String>,
    /// Of a client secret.
    #[serde(default)]
    hint: Option<String>,
    /// Of a certificate: Entra's default is the thumbprint, which clients write in
    /// hexadecimal digits or in base64.
    #[serde(default)]
    custom_key_identifier: Option<String>,
}

/// The length of a SHA-1.
const THUMBPRINT: usize = 20;

fn thumbprint(text: &str) -> Option<Fingerprint> {
    let digits = (text.len() == 2 * THUMBPRINT && text.is_ascii()).then(|| {
        let byte = |at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
        (0..text.len()).step_by(2).map(byte).collect::<Option<Vec<u8>>>()
    });
    let bytes = digits.flatten().or_else(|| BASE64_STANDARD.decode(text).ok())?;
    (bytes.len() == THUMBPRINT).then(|| Fingerprint::of_certificate(&bytes))
}

impl CredentialAnswer {
    fn fact(self) -> AppCredential {
        let time = |text: Option<String>| text?.parse::<Timestamp>().ok();
        AppCredential {
            key_id: self.key_id,
            name: text(self.display_name),
            begins: time(self.start_date_time),
            expires: time(self.end_date_time),
            fingerprint: match (&self.hint, &self.custom_key_identifier) {
                (Some(hint), _) => Fingerprint::of_secret(hint),
                (None, identifier) => identifier.as_deref().and_then(thumbprint),
            },
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServicePrincipalAnswer {
    #[serde(deserialize_with = "guid")]
    id: Uuid,
    #[serde(deserialize_with = "guid")]
    app_id: Uuid,
    #[serde(default)]
    display_name: Option<String>,
    #[serde(default)]
    service_principal_type: Option<String>,
    #[serde(default)]
    account_enabled: Option<bool>,
    #[serde(default)]
    app_owner_organization_id: Option<String>,
    #[serde(default)]
    alternative_names: Vec<String>,
}

impl ServicePrincipalAnswer {
    pub(super) fn fact(self) -> ServicePrincipal {
        ServicePrincipal {
            id: self.id,
            app_id: self.app_id,
            display_name: text(self.display_name).unwrap_or_default(),
            kind: text(self.service_principal_type).unwrap_or_default(),
            enabled: self.account_enabled.unwrap_or(true),
            home_tenant: self
                .app_owner_organization_id
                .and_then(|id| Uuid::try_parse(&id).ok()),
            alternative_names: self.alternative_names.iter().map(|name| cleaned(name)).collect(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OwnerAnswer {
    #[serde(deserialize_with = "guid")]
    id: Uuid,
    #[serde(default, rename = "@odata.type")]
    kind: Option<String>,
    #[serde(default)]
    display_name: Option<String>,
}

impl OwnerAnswer {
    pub(super) fn fact(self) -> Owner {
        let kind = self.kind.unwrap_or_default();
        Owner {
            id: self.id,
            kind: cleaned(kind.strip_prefix("#microsoft.graph.").unwrap_or(&kind)),
            name: text(self.display_name),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AppRoleAnswer {
    #[serde(deserialize_with = "guid")]
    app_role_id: Uuid,
    #[serde(deserialize_with = "guid")]
    resource_id: Uuid,
    #[serde(default)]
    resource_display_name: Option<String>,
}

impl AppRoleAnswer {
    pub(super) fn fact(self) -> AppRole {
        AppRole {
            role: self.app_role_id,
            resource: self.resource_id,
            resource_name: text(self.resource_display_name),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct FederatedAnswer {
    name: String,
    issuer: String,
    subject: String,
    #[serde(default)]
    audiences: Vec<String>,
}

impl FederatedAnswer {
    pub(super) fn fact(self) -> FederatedCredential {
        FederatedCredential {
            name: cleaned(&self.name),
            issuer: cleaned(&self.issuer),
            subject: cleaned(&self.subject),
            audiences: self.audiences.iter().map(|audience| cleaned(audience)).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
