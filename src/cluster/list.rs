//! Lists in pages, of one namespace or of all, cut to what is used.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use http::Request;
use http::header::ACCEPT;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Cluster;
use super::name::query;

/// As many as kubectl asks for at once.
const PAGE: usize = 500;

/// The form of an answer that leaves out spec and status.
const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// Where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In one namespace.
    Namespace(String),
    /// In all of them.
    Everywhere,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace(name) => write!(f, "namespace {name}"),
            Self::Everywhere => f.write_str("all namespaces"),
        }
    }
}

/// A list to be read.
#[derive(Clone, Copy, Debug)]
pub struct List<'a> {
    /// The API's path up to its version, `/apis/apps/v1`.
    pub api: &'a str,
    /// The resource in plural.
    pub resource: &'a str,
    /// Only what has these labels.
    pub labels: Option<&'a str>,
    /// Only what has these fields.
    pub fields: Option<&'a str>,
    /// Whether the metadata is enough.
    pub metadata_only: bool,
}

/// What is used of an object's metadata. The managed fields, which are most of
/// it, are passed over.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    /// The name.
    pub name: String,
    /// The namespace.
    pub namespace: String,
    /// The object's uid.
    pub uid: String,
    /// The version.
    pub resource_version: String,
    /// How often its spec was changed.
    pub generation: Option<i64>,
    /// When it was created, by the API server's clock.
    pub creation_timestamp: Option<Time>,
    /// When it was told to go, if it was.
    pub deletion_timestamp: Option<Time>,
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// The annotations.
    pub annotations: BTreeMap<String, String>,
}

impl Meta {
    /// When the object was created.
    pub fn created(&self) -> Option<Timestamp> {
        self.creation_timestamp.as_ref().map(|time| time.0)
    }
}

/// An object of which only the metadata is known.
#[derive(Clone, Debug, Deserialize)]
pub struct MetadataOf {
    /// The metadata.
    pub metadata: Meta,
}

#[derive(Deserialize)]
struct Page<T> {
    metadata: PageMeta,
    /// Null in an empty list of metadata.
    items: Option<Vec<T>>,
}

#[derive(Default, Deserialize)]
struct PageMeta {
    #[serde(rename = "continue", default)]
    next: String,
}

impl<'a> List<'a> {
    /// All of a resource.
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
    /// Reads a list page by page and keeps what `keep` makes of each object,
    /// so that never more than a page of whole objects is in memory.
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
        let mut begun_anew = false;
        let mut kept = Vec::new();
        let mut next = String::new();
        loop {
            let page: Result<Page<T>, kube::Error> = self.page(&list, &path, &next).await;
            let page = match page {
                // The server forgets where a list stood after some minutes.
                Err(kube::Error::Api(status)) if status.code == 410 && !next.is_empty() && !begun_anew => {
                    begun_anew = true;
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
    fn a_list_is_asked_for_by_scope_and_selectors() {
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
    fn the_last_page_has_no_successor() {
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
