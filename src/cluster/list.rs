//! Paged lists of one namespace or of all, reduced to the fields that are used.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use http::Request;
use http::header::ACCEPT;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Cluster;
use super::name::query;
use crate::model::request::Scope;

/// The page size of kubectl.
const PAGE: usize = 500;

/// The media type of a list without spec and status.
const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// A list to be read.
#[derive(Clone, Copy, Debug)]
pub struct List<'a> {
    /// The API's path up to its version, `/apis/apps/v1`.
    pub api: &'a str,
    /// The resource in plural, `deployments`.
    pub resource: &'a str,
    /// A label selector.
    pub labels: Option<&'a str>,
    /// A field selector.
    pub fields: Option<&'a str>,
    /// Whether to request only the metadata.
    pub metadata_only: bool,
}

/// The fields of an object's metadata that are used. The managed fields, which
/// are most of it, are skipped.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    pub name: String,
    pub namespace: String,
    pub uid: String,
    pub resource_version: String,
    /// Counts the changes of the spec.
    pub generation: Option<i64>,
    /// By the API server's clock.
    pub creation_timestamp: Option<Time>,
    /// Set once its deletion was requested.
    pub deletion_timestamp: Option<Time>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

impl Meta {
    /// By the API server's clock.
    pub fn created(&self) -> Option<Timestamp> {
        self.creation_timestamp.as_ref().map(|time| time.0)
    }
}

/// An object of which only the metadata was read.
#[derive(Clone, Debug, Deserialize)]
pub struct MetadataOf {
    pub metadata: Meta,
}

#[derive(Deserialize)]
struct Page<T> {
    metadata: PageMeta,
    /// Null in an empty metadata-only list.
    items: Option<Vec<T>>,
}

#[derive(Default, Deserialize)]
struct PageMeta {
    #[serde(rename = "continue", default)]
    next: String,
}

impl<'a> List<'a> {
    /// All objects of a resource.
    pub fn of(api: &'a str, resource: &'a str) -> Self {
        Self {
            api,
            resource,
            labels: None,
            fields: None,
            metadata_only: false,
        }
    }

    fn path(&self, scope: &Scope) -> String {
        let Self { api, resource, .. } = self;
        let mut path = match scope {
            Scope::Namespace(name) => format!("{api}/namespaces/{name}/{resource}"),
            Scope::Everywhere => format!("{api}/{resource}"),
        };
        // Writing to a String cannot fail.
        let _ = write!(path, "?limit={PAGE}");
        for (name, value) in [("labelSelector", self.labels), ("fieldSelector", self.fields)] {
            if let Some(value) = value {
                let _ = write!(path, "&{name}={}", query(value));
            }
        }
        path
    }
}

impl Cluster {
    /// Reads a list page by page and collects the results of `keep`, so that
    /// no more than one page of whole objects is in memory.
    pub async fn list<T, U>(
        &self,
        list: List<'_>,
        scope: &Scope,
        mut keep: impl FnMut(T) -> Option<U>,
    ) -> Result<Vec<U>, kube::Error>
    where
        T: DeserializeOwned,
    {
        let path = list.path(scope);
        let mut restarted = false;
        let mut kept = Vec::new();
        let mut next = String::new();
        loop {
            let page: Result<Page<T>, kube::Error> = self.page(&list, &path, &next).await;
            let page = match page {
                // The server drops the position of a list after some minutes.
                Err(kube::Error::Api(status)) if status.code == 410 && !next.is_empty() && !restarted => {
                    restarted = true;
                    kept.clear();
                    next.clear();
                    continue;
                }
                page => page?,
            };
            kept.extend(page.items.into_iter().flatten().filter_map(&mut keep));
            if page.metadata.next.is_empty() {
                return Ok(kept);
            }
            next = page.metadata.next;
        }
    }

    async fn page<T: DeserializeOwned>(
        &self,
        list: &List<'_>,
        path: &str,
        next: &str,
    ) -> Result<Page<T>, kube::Error> {
        let request = || {
            let path = if next.is_empty() {
                path.to_owned()
            } else {
                format!("{path}&continue={}", query(next))
            };
            let request = Request::get(path);
            let request = if list.metadata_only {
                request.header(ACCEPT, METADATA_ONLY)
            } else {
                request
            };
            request.body(Vec::new()).map_err(kube::Error::HttpError)
        };
        self.reading(async || self.client.request(request()?).await).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_list_has_the_scope_and_the_selectors() {
        let pods = List::of("/api/v1", "pods");
        assert_eq!(
            pods.path(&Scope::Namespace("shop".to_owned())),
            "/api/v1/namespaces/shop/pods?limit=500"
        );
        let narrowed = List {
            labels: Some("app in (a,b)"),
            fields: Some("type!=helm.sh/release.v1"),
            ..List::of("/api/v1", "secrets")
        };
        assert_eq!(
            narrowed.path(&Scope::Everywhere),
            "/api/v1/secrets?limit=500&labelSelector=app%20in%20%28a%2Cb%29&fieldSelector=type%21%3Dhelm.sh%2Frelease.v1"
        );
    }

    #[test]
    fn the_last_page_has_no_continue_token() {
        let page: Page<MetadataOf> = serde_json::from_str(
            r#"{"metadata": {"resourceVersion": "1"}, "items": [{"metadata": {"name": "a"}}]}"#,
        )
        .unwrap();
        assert_eq!(
            (
                page.items.unwrap()[0].metadata.name.as_str(),
                page.metadata.next.as_str()
            ),
            ("a", "")
        );
        let empty: Page<MetadataOf> = serde_json::from_str(r#"{"metadata": {}, "items": null}"#).unwrap();
        assert!(empty.items.is_none());
    }
}
