use futures::{StreamExt, TryStreamExt, stream};
use http::Method;
use serde_json::json;
use uuid::Uuid;

use super::filter::with_ids;
use super::refusal::{GraphRefusal, graph_refusal, once_replicated};
use super::wire::{AppRoleAnswer, ServicePrincipalAnswer};
use super::{Error, Graph};
use crate::azure::connection::json;
use crate::azure::transport::exchange::Call;
use crate::model::directory::{AppRole, ServicePrincipal};

/// What is read of a service principal.
const SELECTED: &str =
    "id,appId,displayName,servicePrincipalType,accountEnabled,appOwnerOrganizationId,alternativeNames";

/// How many lists are read at the same time.
const CONCURRENCY: usize = 4;

impl Graph {
    /// The service principal of an application id.
    pub async fn service_principal(&self, app_id: Uuid) -> Result<Option<ServicePrincipal>, Error> {
        let found = self.find(&self.by_app_id(app_id)?).await?;
        Ok(found.map(ServicePrincipalAnswer::fact))
    }

    /// Finds the service principals of these application ids, as far as they
    /// exist, with few requests.
    pub async fn service_principals_of(&self, app_ids: &[Uuid]) -> Result<Vec<ServicePrincipal>, Error> {
        let lists: Vec<Vec<ServicePrincipalAnswer>> = stream::iter(with_ids("appId", app_ids))
            .map(async |filter| {
                let parameters = [("$filter", filter.as_str()), ("$select", SELECTED)];
                let url = self.url("/servicePrincipals", &parameters)?;
                let purpose = "find service principals by their client ids".to_owned();
                self.list(&Call::get(purpose, "the list".into(), url)).await
            })
            .buffer_unordered(CONCURRENCY)
            .try_collect()
            .await?;
        let all = lists.into_iter().flatten();
        Ok(all.map(ServicePrincipalAnswer::fact).collect())
    }

    /// Creates the service principal of an application. Until the deadline this
    /// waits for an application that was made just before. One that exists is a
    /// success: there is never a second one.
    pub async fn create_service_principal(&self, app_id: Uuid) -> Result<ServicePrincipal, Error> {
        let title = format!("the service principal of application {app_id}");
        let purpose = format!("create {title}");
        let call = self.request(Method::POST, "/servicePrincipals", purpose, &title)?;
        let call = call.with(json!({"appId": app_id.to_string()}));
        match self
            .call(&call, once_replicated, json::<ServicePrincipalAnswer>)
            .await
        {
            Ok(made) => Ok(made.fact()),
            Err(error) if graph_refusal(&error) == Some(GraphRefusal::Duplicate) => {
                tracing::debug!("{error}");
                let read = self.by_app_id(app_id)?;
                let found: ServicePrincipalAnswer = self.call(&read, once_replicated, json).await?;
                Ok(found.fact())
            }
            Err(error) => Err(error),
        }
    }

    /// The roles that a service principal, given by its object id, has in other
    /// apps.
    pub async fn app_roles(&self, id: Uuid) -> Result<Vec<AppRole>, Error> {
        let title = format!("service principal {id}");
        let path = format!("/servicePrincipals/{id}/appRoleAssignments");
        let call = self.request(
            Method::GET,
            &path,
            format!("list the app roles of {title}"),
            &title,
        )?;
        let roles: Vec<AppRoleAnswer> = self.list(&call).await?;
        Ok(roles.into_iter().map(AppRoleAnswer::fact).collect())
    }

    fn by_app_id(&self, app_id: Uuid) -> Result<Call, Error> {
        self.read(&format!("/servicePrincipals(appId='{app_id}')"), app_id)
    }

    fn read(&self, path: &str, id: Uuid) -> Result<Call, Error> {
        let title = format!("service principal {id}");
        let url = self.url(path, &[("$select", SELECTED)])?;
        Ok(Call::get(format!("read {title}"), title, url))
    }
}
