//! Applications.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::super::identity::Principal;
use super::key::KeyCredential;
use super::new_id;
use super::password::PasswordCredential;

/// An app registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// The id of its tenant.
    pub tenant: String,
    /// The object id.
    pub id: String,
    /// The application id, which is the client id of those who sign in as it.
    pub app_id: String,
    /// The name, which others may have too.
    pub display_name: String,
    /// The name that no other application of the tenant has.
    pub unique_name: Option<String>,
    /// Whose accounts it is for.
    pub sign_in_audience: String,
    /// When it was created.
    pub created: Timestamp,
    /// Whether it gets no tokens any more.
    pub disabled: bool,
    /// Its client secrets.
    pub passwords: Vec<PasswordCredential>,
    /// Its certificates.
    pub keys: Vec<KeyCredential>,
    /// The tokens of other issuers that sign it in.
    pub federated_credentials: Vec<FederatedIdentityCredential>,
    /// The object ids of its owners.
    pub owners: Vec<String>,
    /// Further properties of Graph, which the emulator keeps and does not look at.
    pub other: Map<String, Value>,
}

/// The claims that a token of another issuer must have, as Graph and ARM keep them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FederatedIdentityCredential {
    /// The id in Graph.
    pub id: String,
    /// The name, which cannot be changed.
    pub name: String,
    /// The issuer.
    pub issuer: String,
    /// The subject.
    pub subject: String,
    /// The description.
    pub description: Option<String>,
    /// The audience; a list of one.
    pub audiences: Vec<String>,
}

impl FederatedIdentityCredential {
    /// A credential with a new id.
    pub fn new(name: &str, issuer: &str, subject: &str, audience: &str) -> FederatedIdentityCredential {
        FederatedIdentityCredential {
            id: new_id(),
            name: name.to_owned(),
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            description: None,
            audiences: vec![audience.to_owned()],
        }
    }
}

impl Application {
    /// An application with new ids, without credentials and owners.
    pub fn new(tenant: &str, display_name: &str) -> Application {
        Application {
            tenant: tenant.to_owned(),
            id: new_id(),
            app_id: new_id(),
            display_name: display_name.to_owned(),
            unique_name: None,
            sign_in_audience: "AzureADandPersonalMicrosoftAccount".to_owned(),
            created: Timestamp::UNIX_EPOCH,
            disabled: false,
            passwords: Vec::new(),
            keys: Vec::new(),
            federated_credentials: Vec::new(),
            owners: Vec::new(),
            other: Map::new(),
        }
    }

    /// The application of a seeded principal, which is named after its client id.
    pub(super) fn of(principal: &Principal) -> Application {
        let federated = principal.federated_credentials.iter().enumerate();
        let federated = federated.map(|(index, credential)| {
            let name = format!("seeded-{index}");
            FederatedIdentityCredential::new(
                &name,
                &credential.issuer,
                &credential.subject,
                &credential.audience,
            )
        });
        let mut password = PasswordCredential::new(&principal.client_secret);
        if principal.secret_expired {
            password.end = Timestamp::UNIX_EPOCH;
        }
        Application {
            id: principal.application_id(),
            app_id: principal.client_id.clone(),
            sign_in_audience: "AzureADMyOrg".to_owned(),
            passwords: vec![password],
            keys: principal
                .certificates
                .iter()
                .filter_map(|pem| KeyCredential::from_pem(pem))
                .collect(),
            federated_credentials: federated.collect(),
            ..Application::new(&principal.tenant, &principal.client_id)
        }
    }
}
