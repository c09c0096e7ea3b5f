use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::Arm;
use crate::azure::connection::nothing;
use crate::azure::transport::error::Error;
use crate::azure::transport::exchange::Call;
use crate::azure::transport::odata::encoded;
use crate::model::directory::FederatedCredential;
use crate::model::{ManagedIdentityId, cleaned};
use crate::retry::Decision;

/// The stable version of Microsoft.ManagedIdentity.
const VERSION: &str = "2023-01-31";

/// The code for a write while another one of the same identity is under way.
const BUSY: &str = "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity";

impl Arm {
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
