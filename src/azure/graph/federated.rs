use std::time::Duration;

use http::Method;
use serde_json::json;
use uuid::Uuid;

use super::refusal::{GraphRefusal, graph_refusal, once_replicated};
use super::wire::FederatedAnswer;
use super::{Error, Graph};
use crate::azure::connection::nothing;
use crate::azure::transport::exchange::Call;
use crate::azure::transport::odata::encoded;
use crate::model::directory::FederatedCredential;
use crate::retry::Backoff;

impl Graph {
    /// Lists the federated credentials of an application, which is given by its
    /// object id.
    pub async fn federated_credentials(&self, application: Uuid) -> Result<Vec<FederatedCredential>, Error> {
        let call = self.federated(Method::GET, application, "", "list the federated credentials of")?;
        let listed: Vec<FederatedAnswer> = self.list(&call).await?;
        Ok(listed.into_iter().map(FederatedAnswer::fact).collect())
    }

    /// Creates a federated credential. One that is the same already is a
    /// success: there is never a second one. Until the deadline this waits for
    /// an application that was made just before.
    pub async fn create_federated_credential(
        &self,
        application: Uuid,
        credential: &FederatedCredential,
    ) -> Result<(), Error> {
        let verb = format!("create the federated credential `{}` of", credential.name);
        let call = self.federated(Method::POST, application, "", &verb)?;
        let call = call.with(json!({
            "name": credential.name,
            "issuer": credential.issuer,
            "subject": credential.subject,
            "audiences": credential.audiences,
        }));
        let error = match self.call(&call, once_replicated, nothing).await {
            Err(error) if graph_refusal(&error) == Some(GraphRefusal::Duplicate) => error,
            outcome => return outcome,
        };
        let mut backoff = Backoff::until(self.deadline);
        loop {
            let all = self.federated_credentials(application).await?;
            match all.into_iter().find(|it| it.name == credential.name) {
                Some(found) if found == *credential => return Ok(()),
                // What is listed may be older than the refusal.
                None if backoff.wait(Duration::ZERO).await => {}
                _ => return Err(error),
            }
        }
    }

    /// Changes the claims of the federated credential of this name.
    pub async fn change_federated_credential(
        &self,
        application: Uuid,
        credential: &FederatedCredential,
    ) -> Result<(), Error> {
        let verb = format!("change the federated credential `{}` of", credential.name);
        let below = format!("/{}", encoded(&credential.name));
        let call = self.federated(Method::PATCH, application, &below, &verb)?;
        let call = call.with(json!({
            "issuer": credential.issuer,
            "subject": credential.subject,
            "audiences": credential.audiences,
        }));
        self.call(&call, Error::retry_decision, nothing).await
    }

    fn federated(&self, method: Method, application: Uuid, below: &str, verb: &str) -> Result<Call, Error> {
        let title = format!("application {application}");
        let path = format!("/applications/{application}/federatedIdentityCredentials{below}");
        self.request(method, &path, format!("{verb} {title}"), &title)
    }
}
