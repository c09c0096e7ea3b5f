//! Paged lists of one namespace or of all, reduced to the fields that are used.
//! A page is read item by item, so that its size does not matter.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use futures::AsyncBufReadExt;
use http::Request;
use http::header::ACCEPT;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::Cluster;
use super::answer::{Gathered, foreign, next_bytes};
use super::items::{Part, Splitter};
use super::lean::{Element, few, marks, text};
use super::name::query;
use crate::model::request::Scope;

/// The page size of kubectl.
const PAGE: usize = 500;

/// After a larger page the next ones have fewer items: the API server holds a
/// page as a whole.
const LARGE_PAGE: usize = 16 * 1024 * 1024;

/// A page that failed after this time is asked for again with fewer items: all
/// of them may be more than the API server sends within an attempt.
const SLOW_PAGE: Duration = Duration::from_secs(10);

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
    #[serde(deserialize_with = "marks")]
    pub labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "marks")]
    pub annotations: BTreeMap<String, String>,
    #[serde(deserialize_with = "few")]
    pub owner_references: Vec<Owner>,
}

/// An object that owns another one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Owner {
    #[serde(rename = "apiVersion", deserialize_with = "text")]
    pub api_version: String,
    #[serde(deserialize_with = "text")]
    pub kind: String,
    #[serde(deserialize_with = "text")]
    pub name: String,
    pub controller: bool,
}

impl Element for Owner {}

impl Meta {
    /// The object that controls this one, as `Kind name`. Not every operator says that its
    /// object does.
    pub fn controller(&self) -> Option<String> {
        let owners = &self.owner_references;
        let controller = owners
            .iter()
            .find(|owner| owner.controller)
            .or_else(|| owners.iter().find(|owner| !is_built_in(&owner.api_version)))?;
        Some(format!("{} {}", controller.kind, controller.name))
    }

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

/// Whether an API is one of Kubernetes itself. An object of it that owns another one writes
/// nothing into it, unless it is its controller.
pub fn is_built_in(api_version: &str) -> bool {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let others = [
        "app.k8s.io",
        "networking.k8s.io",
        "rbac.authorization.k8s.io",
        "storage.k8s.io",
    ];
    !group.contains('.') || others.contains(&group)
}

/// A list without its items.
#[derive(Deserialize)]
struct Frame {
    metadata: PageMeta,
}

/// What was kept of a page.
struct Page<T> {
    kept: Vec<T>,
    /// The size of the answer, as far as it was read.
    size: usize,
    /// The position of the next page; empty for the last one.
    next: String,
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

    pub(super) fn path(&self, scope: &Scope, limit: usize) -> String {
        let Self { api, resource, .. } = self;
        let mut path = match scope {
            Scope::Namespace(name) => format!("{api}/namespaces/{name}/{resource}"),
            Scope::Everywhere => format!("{api}/{resource}"),
        };
        // Writing to a String cannot fail.
        let _ = write!(path, "?limit={limit}");
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
    /// no more than one whole object is in memory.
    pub async fn list<T, U>(
        &self,
        list: List<'_>,
        scope: &Scope,
        keep: impl Fn(T) -> Option<U>,
    ) -> Result<Vec<U>, kube::Error>
    where
        T: DeserializeOwned,
    {
        let all = self.list_within(usize::MAX, list, scope, keep).await?;
        Ok(all.unwrap_or_default())
    }

    /// Reads a list, and gives up if its pages are larger than this in all: then
    /// what was sought is read object by object.
    pub async fn list_within<T, U>(
        &self,
        most: usize,
        list: List<'_>,
        scope: &Scope,
        keep: impl Fn(T) -> Option<U>,
    ) -> Result<Option<Vec<U>>, kube::Error>
    where
        T: DeserializeOwned,
    {
        let mut restarted = false;
        let mut kept = Vec::new();
        let mut next = String::new();
        let (limit, mut left) = (Cell::new(PAGE), most);
        loop {
            let asked = Cell::new(Instant::now());
            let page = self
                .reading(|| {
                    if asked.replace(Instant::now()).elapsed() > SLOW_PAGE {
                        limit.set((limit.get() / 8).max(1));
                    }
                    self.page(&list, list.path(scope, limit.get()), &next, left, &keep)
                })
                .await;
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
            if page.size > left {
                return Ok(None);
            }
            left -= page.size;
            kept.extend(page.kept);
            if page.next.is_empty() {
                return Ok(Some(kept));
            }
            next = page.next;
            if page.size > LARGE_PAGE {
                limit.set((limit.get() / (page.size / LARGE_PAGE + 1)).max(1));
            }
        }
    }

    /// Reads a page, and breaks it off if it is larger than this.
    async fn page<T: DeserializeOwned, U>(
        &self,
        list: &List<'_>,
        mut path: String,
        next: &str,
        most: usize,
        keep: &impl Fn(T) -> Option<U>,
    ) -> Result<Page<U>, kube::Error> {
        if !next.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(path, "&continue={}", query(next));
        }
        let mut request = Request::get(path);
        if list.metadata_only {
            request = request.header(ACCEPT, METADATA_ONLY);
        }
        let request = request.body(Vec::new()).map_err(kube::Error::HttpError)?;
        let mut body = Box::pin(self.client.request_stream(request).await?);
        let mut splitter = Splitter::default();
        let mut item = Gathered::default();
        let (mut kept, mut size) = (Vec::new(), 0_usize);
        loop {
            let bytes = next_bytes(&mut body).await?;
            if bytes.is_empty() {
                break;
            }
            let length = bytes.len();
            let mut rest = bytes;
            while !rest.is_empty() {
                let part = splitter.first(rest).ok_or_else(|| foreign("it is not a list"))?;
                if let Part::Item(part, ends) = part {
                    item.add(part).await?;
                    if ends {
                        kept.extend(keep(item.parsed()?));
                    }
                }
                rest = rest.get(part.len()..).unwrap_or_default();
            }
            body.consume_unpin(length);
            size = size.saturating_add(length);
            if size > most {
                let next = String::new();
                return Ok(Page { kept, size, next });
            }
        }
        let frame: Frame = serde_json::from_slice(&splitter.frame()).map_err(kube::Error::SerdeError)?;
        let next = frame.metadata.next;
        Ok(Page { kept, size, next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_list_has_the_scope_and_the_selectors() {
        let pods = List::of("/api/v1", "pods");
        assert_eq!(
            pods.path(&Scope::Namespace("shop".to_owned()), PAGE),
            "/api/v1/namespaces/shop/pods?limit=500"
        );
        let narrowed = List {
            labels: Some("app in (a,b)"),
            fields: Some("type!=helm.sh/release.v1"),
            ..List::of("/api/v1", "secrets")
        };
        assert_eq!(
            narrowed.path(&Scope::Everywhere, PAGE),
            "/api/v1/secrets?limit=500&labelSelector=app%20in%20%28a%2Cb%29&fieldSelector=type%21%3Dhelm.sh%2Frelease.v1"
        );
    }

    #[test]
    fn the_last_page_has_no_continue_token() {
        for (text, next) in [
            (r#"{"metadata": {"resourceVersion": "1"}, "items": []}"#, ""),
            (r#"{"metadata": {"continue": "abc"}, "items": null}"#, "abc"),
        ] {
            let frame: Frame = serde_json::from_str(text).unwrap();
            assert_eq!(frame.metadata.next, next);
        }
    }
}
