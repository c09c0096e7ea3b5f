use std::cell::Cell;

use futures::{StreamExt, stream};
use http::Method;
use serde_json::{Map, json};

use super::client::Arm;
use crate::azure::transport::error::Error;
use crate::azure::transport::exchange::Call;
use crate::azure::transport::wire::{Resource, Rows, Subscription, kql_literal};
use crate::model::{GatewayId, ServiceId};
use crate::retry::Decision;

const RESOURCE_GRAPH: &str = "/providers/Microsoft.ResourceGraph/resources";
const RESOURCE_GRAPH_VERSION: &str = "2022-10-01";
const SUBSCRIPTIONS_VERSION: &str = "2022-12-01";

/// The most rows that the Resource Graph returns at once.
const LARGEST_PAGE: usize = 1000;

/// How often a query that is throttled or fails is sent again before the
/// subscriptions are listed: all queries of a user share a small quota.
const QUERY_RETRIES: u32 = 2;

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
            Err(error) if matches!(error.status(), Some(400 | 403 | 404 | 429 | 500..)) => {
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
        let mut rows = Vec::new();
        let mut skip_token: Option<String> = None;
        loop {
            let mut options = Map::from_iter([
                ("resultFormat".to_owned(), json!("objectArray")),
                ("$top".to_owned(), json!(LARGEST_PAGE)),
            ]);
            options.extend(
                skip_token
                    .iter()
                    .map(|token| ("$skipToken".to_owned(), json!(token))),
            );
            let url = self.url(RESOURCE_GRAPH, RESOURCE_GRAPH_VERSION)?;
            let call = Call::new(
                Method::POST,
                format!("find {what}"),
                "the Resource Graph".into(),
                url,
            );
            let call = call.with(json!({"query": query, "options": options}));
            let failures = Cell::new(0);
            let briefly = |error: &Error| {
                failures.set(failures.get() + 1);
                match error.retry_decision() {
                    _ if error.refusal().is_some() && failures.get() > QUERY_RETRIES => Decision::Stop,
                    decision => decision,
                }
            };
            let page: Rows<Resource> = self.call_while(&call, briefly).await?;
            rows.extend(page.data);
            // A token that does not move on would lead in a circle.
            if page.skip_token.is_none() || page.skip_token == skip_token {
                return Ok(rows);
            }
            skip_token = page.skip_token;
        }
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
    fn a_service_id_is_parsed() {
        let id = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ApiManagement/service/svc";
        assert_eq!(service_id(id).unwrap().path(), id);
        assert_eq!(service_id("/subscriptions/s"), None);
    }
}
