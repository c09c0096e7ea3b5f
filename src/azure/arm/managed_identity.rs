use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::client::Arm;
use crate::azure::connection::nothing;
use crate::azure::transport::error::{Error, Flaw};
use crate::azure::transport::exchange::Call;
use crate::azure::transport::odata::encoded;
use crate::model::directory::FederatedCredential;
use crate::model::{ManagedIdentityId, cleaned};
use crate::retry::Decision;

/// The stable version of Microsoft.ManagedIdentity.
const VERSION: &str = "2023-01-31";

/// The code for a write while another one of the same identity is under way.
const BUSY: &str = "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity";

/// A user-assigned managed identity. Which one has a client id is known from
/// the service principal of that id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedIdentity {
    pub id: ManagedIdentityId,
    pub client_id: Uuid,
    /// The object id of its service principal.
    pub principal: Uuid,
    pub tenant: Option<Uuid>,
}

impl Arm {
    /// Reads a user-assigned managed identity.
    pub async fn managed_identity(&self, id: &ManagedIdentityId) -> Result<ManagedIdentity, Error> {
        let call = self.identity_call(Method::GET, id, "", "read")?;
        let answer: IdentityAnswer = self.call(&call).await?;
        answer
            .fact()
            .filter(|found| found.id.same_as(id))
            .ok_or_else(|| call.malformed("Azure answered with another object", Flaw::Form))
    }

    /// Lists the federated credentials of a managed identity.
    pub async fn identity_credentials(
        &self,
        id: &ManagedIdentityId,
    ) -> Result<Vec<FederatedCredential>, Error> {
        let call = self.identity_call(
            Method::GET,
            id,
            "/federatedIdentityCredentials",
            "list the federated credentials of",
        )?;
        let listed: Vec<CredentialAnswer> = self.list(&call).await?;
        Ok(listed.into_iter().map(CredentialAnswer::fact).collect())
    }

    /// Creates the federated credential of this name, or replaces it. Azure
    /// makes one such write at a time, for which this waits.
    pub async fn put_identity_credential(
        &self,
        id: &ManagedIdentityId,
        credential: &FederatedCredential,
    ) -> Result<(), Error> {
        let purpose = format!("write the federated credential `{}` of", credential.name);
        let call = self.identity_call(Method::PUT, id, &path(&credential.name), &purpose)?;
        self.write(&call.with(body(credential))).await
    }

    /// Deletes the federated credential of this name, if it is there.
    pub async fn delete_identity_credential(&self, id: &ManagedIdentityId, name: &str) -> Result<(), Error> {
        let purpose = format!("delete the federated credential `{}` of", cleaned(name));
        let call = self.identity_call(Method::DELETE, id, &path(name), &purpose)?;
        self.write(&call).await
    }

    async fn write(&self, call: &Call) -> Result<(), Error> {
        let (connection, deadline) = (self.connection(), self.deadline());
        connection.call(call, deadline, one_at_a_time, nothing).await
    }

    fn identity_call(
        &self,
        method: Method,
        id: &ManagedIdentityId,
        below: &str,
        verb: &str,
    ) -> Result<Call, Error> {
        let url = self.url(&format!("{}{below}", id.path()), VERSION)?;
        let title = format!("managed identity `{}`", cleaned(&id.name));
        let what = format!(
            "{title} in resource group `{}` of subscription {}",
            id.resource_group, id.subscription
        );
        Ok(Call::new(method, format!("{verb} {title}"), what, url))
    }
}

fn path(credential: &str) -> String {
    format!("/federatedIdentityCredentials/{}", encoded(credential))
}

/// Another write of the same identity ends soon; other conflicts stay.
fn one_at_a_time(error: &Error) -> Decision {
    if error.has_code(BUSY) {
        Decision::Retry
    } else {
        error.retry_decision()
    }
}

fn body(credential: &FederatedCredential) -> Value {
    json!({"properties": {
        "issuer": credential.issuer,
        "subject": credential.subject,
        "audiences": credential.audiences,
    }})
}

#[derive(Deserialize)]
struct IdentityAnswer {
    id: String,
    properties: Ids,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ids {
    client_id: String,
    principal_id: String,
    #[serde(default)]
    tenant_id: Option<String>,
}

impl IdentityAnswer {
    fn fact(self) -> Option<ManagedIdentity> {
        Some(ManagedIdentity {
            id: ManagedIdentityId::parse(&self.id)?,
            client_id: Uuid::try_parse(&self.properties.client_id).ok()?,
            principal: Uuid::try_parse(&self.properties.principal_id).ok()?,
            tenant: self
                .properties
                .tenant_id
                .and_then(|tenant| Uuid::try_parse(&tenant).ok()),
        })
    }
}

#[derive(Deserialize)]
struct CredentialAnswer {
    name: String,
    properties: Claims,
}

#[derive(Deserialize)]
struct Claims {
    issuer: String,
    subject: String,
    #[serde(default)]
    audiences: Vec<String>,
}

impl CredentialAnswer {
    fn fact(self) -> FederatedCredential {
        FederatedCredential {
            name: cleaned(&self.name),
            issuer: cleaned(&self.properties.issuer),
            subject: cleaned(&self.properties.subject),
            audiences: self
                .properties
                .audiences
                .iter()
                .map(|audience| cleaned(audience))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_read_in_the_spelling_of_the_provider() {
        let (client, principal) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let id =
            "/subscriptions/s/resourcegroups/Rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i";
        let answer: IdentityAnswer = serde_json::from_value(json!({
            "id": id, "location": "westeurope", "tags": {},
            "properties": {"tenantId": Uuid::nil().to_string(), "principalId": principal.to_string(),
                "clientId": client.to_string()},
        }))
        .unwrap();
        let expected = ManagedIdentity {
            id: ManagedIdentityId::parse(id).unwrap(),
            client_id: client,
            principal,
            tenant: Some(Uuid::nil()),
        };
        assert_eq!(answer.fact(), Some(expected));
    }

    #[test]
    fn a_credential_is_sent_and_read_to_the_letter() {
        let credential = FederatedCredential {
            name: "gw".into(),
            issuer: "https://issuer.example/".into(),
            subject: "system:serviceaccount:n:s".into(),
            audiences: vec!["api://AzureADTokenExchange".into()],
        };
        let mut answer = body(&credential);
        answer["name"] = "gw".into();
        let read: CredentialAnswer = serde_json::from_value(answer).unwrap();
        assert_eq!(read.fact(), credential);
    }
}
