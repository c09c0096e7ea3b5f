use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use http::Method;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::filter::with_ids;
use super::refusal::once_replicated;
use super::wire::{ApplicationAnswer, OwnerAnswer};
use super::{Error, Graph};
use crate::azure::connection::{json, json_or_nothing};
use crate::azure::transport::exchange::Call;
use crate::azure::transport::odata::encoded;
use crate::model::cleaned;
use crate::model::directory::{Application, FederatedCredential, Owner};
use crate::model::quote::odata_text;
use crate::retry::Backoff;

/// What is read of the applications in a list.
const SELECTED: &str = "id,appId,displayName,uniqueName,isDisabled,passwordCredentials,keyCredentials";

/// What a list of applications can be expanded by (reference "application resource
/// type" on Microsoft Learn).
const FEDERATED: &str = "federatedIdentityCredentials";

/// Where deleted objects stay for 30 days (reference "List deletedItems" on Microsoft Learn).
const DELETED: &str = "/directory/deletedItems";

/// How many lists are read at the same time.
const CONCURRENCY: usize = 4;

/// An application that exists now under its unique name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upserted {
    pub application: Application,
    /// Whether this request made it.
    pub created: bool,
}

impl Graph {
    /// Finds the applications of a display name, which Graph compares without
    /// regard to case. Any member of a tenant may register one of that name.
    pub async fn applications_named(&self, name: &str) -> Result<Vec<Application>, Error> {
        let filter = format!("displayName eq {}", odata_text(name));
        let purpose = format!("find the applications named `{}`", cleaned(name));
        self.applications(&filter, purpose).await
    }

    /// Finds the applications of these application ids, as far as they exist,
    /// with few requests.
    pub async fn applications_of(&self, app_ids: &[Uuid]) -> Result<Vec<Application>, Error> {
        let lists: Vec<Vec<Application>> = stream::iter(with_ids("appId", app_ids))
            .map(async |filter| {
                let purpose = "find applications by their client ids".to_owned();
                self.applications(&filter, purpose).await
            })
            .buffer_unordered(CONCURRENCY)
            .try_collect()
            .await?;
        Ok(lists.into_iter().flatten().collect())
    }

    /// As [`Self::applications_of`], each with its federated credentials: Graph
    /// shows twenty of an expanded list, and an app has no more.
    pub async fn federated_applications_of(
        &self,
        app_ids: &[Uuid],
    ) -> Result<Vec<(Application, Vec<FederatedCredential>)>, Error> {
        let lists: Vec<Vec<ApplicationAnswer>> = stream::iter(with_ids("appId", app_ids))
            .map(async |filter| {
                let parameters = [
                    ("$filter", filter.as_str()),
                    ("$select", SELECTED),
                    ("$expand", FEDERATED),
                ];
                let url = self.url("/applications", &parameters)?;
                let purpose = "find applications with their federated credentials".to_owned();
                self.list(&Call::get(purpose, "the list".into(), url)).await
            })
            .buffer_unordered(CONCURRENCY)
            .try_collect()
            .await?;
        let all = lists.into_iter().flatten();
        Ok(all.map(ApplicationAnswer::with_federated).collect())
    }

    async fn applications(&self, filter: &str, purpose: String) -> Result<Vec<Application>, Error> {
        let url = self.url("/applications", &[("$filter", filter), ("$select", SELECTED)])?;
        let found: Vec<ApplicationAnswer> = self.list(&Call::get(purpose, "the list".into(), url)).await?;
        Ok(found.into_iter().map(ApplicationAnswer::fact).collect())
    }

    /// The application of an application id.
    pub async fn application(&self, app_id: Uuid) -> Result<Option<Application>, Error> {
        let path = format!("/applications(appId='{app_id}')");
        let title = format!("application {app_id}");
        self.read_application(&path, &title).await
    }

    /// The application of a unique name.
    pub async fn application_of_unique_name(&self, name: &str) -> Result<Option<Application>, Error> {
        let title = format!("application `{}`", cleaned(name));
        self.read_application(&by_unique_name(name), &title).await
    }

    async fn read_application(&self, path: &str, title: &str) -> Result<Option<Application>, Error> {
        let call = self.request(Method::GET, path, format!("read {title}"), title)?;
        let found = self.find::<ApplicationAnswer>(&call).await?;
        Ok(found.map(ApplicationAnswer::fact))
    }

    /// The object id of an application that was deleted and can be restored.
    pub async fn deleted_application(&self, app_id: Uuid) -> Result<Option<Uuid>, Error> {
        let filter = format!("appId eq '{app_id}'");
        let url = self.url(
            &format!("{DELETED}/microsoft.graph.application"),
            &[("$filter", &filter), ("$select", "id")],
        )?;
        let purpose = format!("find the deleted application {app_id}");
        let found: Vec<DeletedAnswer> = self.list(&Call::get(purpose, "the list".into(), url)).await?;
        Ok(found.first().map(|it| it.id))
    }

    /// The address by which a deleted object is restored.
    pub fn restore_url(&self, object: Uuid) -> String {
        format!("{}/v1.0{DELETED}/{object}/restore", self.origin())
    }

    /// Creates the application of a unique name, or gives the one that exists
    /// this display name. A repetition makes no second one. Until the deadline
    /// this waits until the application can be read.
    pub async fn upsert_application(&self, unique_name: &str, display_name: &str) -> Result<Upserted, Error> {
        let title = format!("application `{}`", cleaned(display_name));
        let path = by_unique_name(unique_name);
        let call = self.request(Method::PATCH, &path, format!("create {title}"), &title)?;
        // The default audience includes personal accounts, for which addPassword
        // may fail with Error_MsaAppDoesNotExist.
        let body = json!({"displayName": display_name, "signInAudience": "AzureADMyOrg"});
        let call = Call {
            prefer: Some("create-if-missing"),
            ..call.with(body)
        };
        let answer = self
            .call(&call, Error::retry_decision, json_or_nothing::<ApplicationAnswer>)
            .await?;
        if let Some(created) = answer {
            return Ok(Upserted {
                application: created.fact(),
                created: true,
            });
        }
        let read = self.request(Method::GET, &path, format!("read {title}"), &title)?;
        let found = self.call(&read, once_replicated, json::<ApplicationAnswer>).await;
        let found = found.map_err(Error::of_check)?;
        Ok(Upserted {
            application: found.fact(),
            created: false,
        })
    }

    /// Lists the owners of an application, which is given by its object id.
    pub async fn owners(&self, application: Uuid) -> Result<Vec<Owner>, Error> {
        let title = format!("application {application}");
        let purpose = format!("list the owners of {title}");
        let path = format!("/applications/{application}/owners");
        let call = self.request(Method::GET, &path, purpose, &title)?;
        let owners: Vec<OwnerAnswer> = self.list(&call).await?;
        Ok(owners.into_iter().map(OwnerAnswer::fact).collect())
    }

    /// Waits within the deadline for the next attempt; the error is the last one.
    pub(super) async fn pause(backoff: &mut Backoff, error: Error) -> Result<(), Error> {
        if backoff.wait(Duration::ZERO).await {
            tracing::debug!("{error}");
            return Ok(());
        }
        Err(error)
    }
}

#[derive(Deserialize)]
struct DeletedAnswer {
    id: Uuid,
}

/// The path of the application of a unique name.
fn by_unique_name(name: &str) -> String {
    format!(
        "/applications(uniqueName='{}')",
        encoded(&name.replace('\'', "''"))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unique_name_cannot_leave_its_key() {
        assert_eq!(
            by_unique_name("a') or ('/x?"),
            "/applications(uniqueName='a%27%27%29%20or%20%28%27%27%2Fx%3F')"
        );
    }
}
