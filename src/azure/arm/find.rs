use futures::{StreamExt, stream};
use http::Method;
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::client::Arm;
use crate::azure::transport::error::Error;
use crate::azure::transport::error::Flaw;
use crate::azure::transport::exchange::Call;
use crate::azure::transport::wire::{Page, Resource, Rows, Subscription, kql_literal};
use crate::model::{GatewayId, ServiceId};

const RESOURCE_GRAPH: &str = "/providers/Microsoft.ResourceGraph/resources";
const RESOURCE_GRAPH_VERSION: &str = "2022-10-01";
const SUBSCRIPTIONS_VERSION: &str = "2022-12-01";

/// The most rows that the Resource Graph returns at once. The gateways of one
/// cluster never belong to that many instances.
const LARGEST_PAGE: usize = 1000;

/// How many subscriptions are listed at the same time.
const CONCURRENCY: usize = 8;

impl Arm {
    /// Finds the API Management instances with these names in all subscriptions
    /// that the identity can read: with one query of the Resource Graph or, if
    /// that is not available, by listing each subscription.
    pub async fn find_services(&self, names: &[&str]) -> Result<Vec<ServiceId>, Error> {
        let what = match names {
            [name] => format!("the service `{name}`"),
            _ => format!("{} services", names.len()),
        };
        let found = match self.query_services(names, &what).await {
            Err(error) if matches!(error.status(), Some(400 | 403 | 404)) => {
                tracing::debug!(
                    "listing the subscriptions, because the Resource Graph is not available: {error}"
                );
                self.list_services(&what).await?
            }
            outcome => outcome?,
        };
        let matching = found
            .iter()
            .filter(|service| names.iter().any(|name| service.name.eq_ignore_ascii_case(name)));
        Ok(matching.filter_map(|service| service_id(&service.id)).collect())
    }

    async fn query_services(&self, names: &[&str], what: &str) -> Result<Vec<Resource>, Error> {
        let literals: Vec<String> = names.iter().map(|name| kql_literal(name)).collect();
        let query = format!(
            "resources | where type =~ 'microsoft.apimanagement/service' and name in~ ({}) | project id, name",
            literals.join(", ")
        );
        let call = Call {
            purpose: format!("find {what}"),
            what: "the Resource Graph".into(),
            method: Method::POST,
            url: self.url(RESOURCE_GRAPH, RESOURCE_GRAPH_VERSION)?,
            body: Some(json!({
                "query": query,
                "options": { "resultFormat": "objectArray", "$top": LARGEST_PAGE },
            })),
        };
        let rows: Rows<Resource> = self.call(&call).await?;
        Ok(rows.data)
    }

    /// Skips subscriptions that cannot be listed, since the service may be in
    /// another. It is an error only if none can be listed.
    async fn list_services(&self, what: &str) -> Result<Vec<Resource>, Error> {
        let url = self.url("/subscriptions", SUBSCRIPTIONS_VERSION)?;
        let call = Call::get("list the subscriptions".into(), "the list".into(), url);
        let subscriptions: Vec<Subscription> = self.list(&call).await?;
        let mut lists = stream::iter(subscriptions)
            .map(async |subscription| {
                let id = subscription.subscription_id;
                let path = format!("/subscriptions/{id}/providers/Microsoft.ApiManagement/service");
                let url = self.url(&path, self.api_version())?;
                let purpose = format!("find {what} in subscription {id}");
                self.list::<Resource>(&Call::get(purpose, "the list".into(), url))
                    .await
            })
            .buffer_unordered(CONCURRENCY);
        let (mut services, mut first_failure, mut listed) = (Vec::new(), None, false);
        while let Some(list) = lists.next().await {
            match list {
                Ok(list) => {
                    listed = true;
                    services.extend(list);
                }
                Err(error) if matches!(error.status(), Some(403 | 404 | 409)) => {
                    tracing::debug!("{error}");
                    first_failure.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        match first_failure {
            Some(error) if !listed => Err(error),
            _ => Ok(services),
        }
    }

    /// Reads a list from its first page to its last.
    pub(crate) async fn list<T: DeserializeOwned>(&self, first: &Call) -> Result<Vec<T>, Error> {
        let mut call = first.clone();
        let mut all = Vec::new();
        loop {
            let page: Page<T> = self.call(&call).await?;
            all.extend(page.value);
            let next = page.next_link.unwrap_or_default();
            if next.is_empty() {
                return Ok(all);
            }
            call.url = next_page(&call.url, &next).map_err(|problem| call.malformed(problem, Flaw::Form))?;
        }
    }
}

/// The address of the next page, if the access token may be sent there.
fn next_page(current: &Url, link: &str) -> Result<Url, String> {
    let next = Url::parse(link).map_err(|_| "the link to the next page is not a URL".to_owned())?;
    if next.origin() == current.origin() {
        return Ok(next);
    }
    Err(format!(
        "the next page is on {}, where the access token must not be sent",
        next.host_str().unwrap_or("no host")
    ))
}

/// Parses the ARM id of an instance.
pub(crate) fn service_id(id: &str) -> Option<ServiceId> {
    GatewayId::parse(&format!("{id}/gateways/any"))
        .ok()
        .map(|gateway| gateway.service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_must_have_the_origin_of_this_one() {
        let current: Url = "https://management.azure.com/subscriptions?api-version=1"
            .parse()
            .unwrap();
        let next = |link| next_page(&current, link).map(String::from);
        let own = "https://management.azure.com:443/subscriptions?$skiptoken=a%20b";
        assert_eq!(
            next(own).unwrap(),
            "https://management.azure.com/subscriptions?$skiptoken=a%20b"
        );
        for link in [
            "http://management.azure.com/subscriptions",
            "https://management.azure.com:8443/subscriptions",
            "https://management.azure.com.evil.example/subscriptions",
            "https://management.azure.com@evil.example/",
            "/subscriptions?$skiptoken=a",
        ] {
            assert!(next(link).is_err(), "{link}");
        }
    }

    #[test]
    fn a_service_id_is_parsed() {
        let id = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ApiManagement/service/svc";
        assert_eq!(service_id(id).unwrap().path(), id);
        assert_eq!(service_id("/subscriptions/s"), None);
    }
}
