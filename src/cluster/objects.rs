//! Whole objects: read, applied to the version that was read, and removed.

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy};
use secrecy::SecretString;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::Cluster;

use crate::model::{Object, ObjectKind};

/// No object has this version: etcd's first revision holds none. An apply that
/// names it creates an object that is not there, and conflicts with any that is.
const NO_VERSION: &str = "1";

/// What a write may find.
#[derive(Clone, Copy, Debug)]
pub enum Expected<'a> {
    /// No object of the name.
    Absent,
    /// Exactly this object in this version.
    Version(&'a Object),
}
use super::list::List;
use crate::model::request::Scope;

/// How an object is applied.
#[derive(Clone, Copy, Debug)]
pub struct Apply<'a> {
    /// Who applies it.
    pub manager: &'a str,
    /// Whether the API server only checks it.
    pub dry_run: bool,
    pub expected: Expected<'a>,
}

impl Cluster {
    /// Reads an object, if there is one.
    pub async fn object(&self, kind: ObjectKind, name: &str) -> Result<Option<Object>, kube::Error> {
        let path = format!("{}/{name}", kind.collection(&self.namespace));
        match self.get(&path).await {
            Ok(object) => Ok(Some(Object::new(kind, object))),
            Err(kube::Error::Api(status)) if status.is_not_found() && status.details.is_some() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The objects of a kind that have these labels, without spec and status.
    pub async fn labelled(&self, kind: ObjectKind, labels: &str) -> Result<Vec<Object>, kube::Error> {
        let api = kind.api();
        let list = List {
            labels: Some(labels),
            metadata_only: true,
            ..List::of(&api, kind.plural())
        };
        let scope = Scope::Namespace(self.namespace.clone());
        let keep = |object: Value| Some(Object::new(kind, object));
        self.list(list, &scope, keep).await
    }

    /// Applies an object on the server's side; returns what it is then. A write
    /// that finds something else than expected is a conflict, so it is repeated
    /// like a read: one that has taken effect conflicts with itself.
    pub async fn apply(&self, object: &Object, how: Apply<'_>) -> Result<Object, kube::Error> {
        let mut document = object.document().clone();
        match how.expected {
            Expected::Absent => document["metadata"]["resourceVersion"] = NO_VERSION.into(),
            Expected::Version(live) => {
                document["metadata"]["uid"] = live.uid().into();
                document["metadata"]["resourceVersion"] = live.resource_version().into();
            }
        }
        let params = PatchParams {
            dry_run: how.dry_run,
            // The version says that nobody else's change is overwritten unseen.
            force: true,
            field_manager: Some(how.manager.to_owned()),
            ..PatchParams::default()
        };
        let collection = kube::core::Request::new(object.kind().collection(&self.namespace));
        let patch = Patch::Apply(&document);
        let request = || {
            collection
                .patch(object.name(), &params, &patch)
                .map_err(kube::Error::BuildRequest)
        };
        let applied = self.reading(async || self.answered(request()?).await).await?;
        Ok(Object::new(object.kind(), applied))
    }

    /// Removes annotations of exactly this object in this version, whoever owns them;
    /// returns what it is then.
    pub async fn remove_annotations(&self, live: &Object, names: &[String]) -> Result<Object, kube::Error> {
        let names = names.iter().map(|name| (name.clone(), Value::Null));
        let annotations: Value = names.collect::<Map<_, _>>().into();
        let patch = json!({"metadata": {
            "uid": live.uid(),
            "resourceVersion": live.resource_version(),
            "annotations": annotations,
        }});
        let patch = Patch::Merge(&patch);
        let collection = kube::core::Request::new(live.kind().collection(&self.namespace));
        let request = || {
            collection
                .patch(live.name(), &PatchParams::default(), &patch)
                .map_err(kube::Error::BuildRequest)
        };
        let patched = self.reading(async || self.answered(request()?).await).await?;
        Ok(Object::new(live.kind(), patched))
    }

    /// Dry-runs an annotation on an object of a collection, whatever its version.
    pub async fn rehearse_annotation(
        &self,
        collection: &str,
        name: &str,
        annotation: &str,
    ) -> Result<(), kube::Error> {
        let params = PatchParams {
            dry_run: true,
            ..PatchParams::default()
        };
        let patch = Patch::Merge(json!({"metadata": {"annotations": {annotation: "rehearsed"}}}));
        let collection = kube::core::Request::new(collection);
        let request = || {
            collection
                .patch(name, &params, &patch)
                .map_err(kube::Error::BuildRequest)
        };
        self.reading(async || self.answered::<IgnoredAny>(request()?).await)
            .await
            .map(|_| ())
    }

    /// Creates an object; returns it as it was stored.
    pub async fn create(&self, object: &Object, manager: &str, dry_run: bool) -> Result<Object, kube::Error> {
        let params = PostParams {
            dry_run,
            field_manager: Some(manager.to_owned()),
        };
        let body = serde_json::to_vec(object).map_err(kube::Error::SerdeError)?;
        let collection = kube::core::Request::new(object.kind().collection(&self.namespace));
        let request = || {
            collection
                .create(&params, body.clone())
                .map_err(kube::Error::BuildRequest)
        };
        let created = self
            .writing(dry_run, async || self.answered(request()?).await)
            .await?;
        Ok(Object::new(object.kind(), created))
    }

    /// Requests a token of a ServiceAccount that is valid for ten minutes.
    pub async fn account_token(
        &self,
        name: &str,
        audience: &str,
    ) -> Result<Option<SecretString>, kube::Error> {
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &self.namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: vec![audience.to_owned()],
                expiration_seconds: Some(600),
                bound_object_ref: None,
            },
            ..TokenRequest::default()
        };
        let params = PostParams::default();
        let answer = self
            .reading(|| api.create_token_request(name, &params, &request))
            .await?;
        Ok(answer.status.map(|status| status.token.into()))
    }

    /// Removes exactly this object in this version, and in time its dependents. Of
    /// several attempts, an earlier one may have removed it.
    pub async fn remove(&self, live: &Object, dry_run: bool) -> Result<(), kube::Error> {
        let params = DeleteParams {
            dry_run,
            propagation_policy: Some(PropagationPolicy::Background),
            preconditions: Some(Preconditions {
                uid: Some(live.uid().to_owned()),
                resource_version: Some(live.resource_version().to_owned()),
            }),
            ..DeleteParams::default()
        };
        let collection = kube::core::Request::new(live.kind().collection(&self.namespace));
        let request = || {
            collection
                .delete(live.name(), &params)
                .map_err(kube::Error::BuildRequest)
        };
        let mut attempts = 0;
        let removed = self.reading(|| {
            attempts += 1;
            async { self.answered::<Value>(request()?).await }
        });
        match removed.await {
            Err(kube::Error::Api(status)) if status.is_not_found() && attempts > 1 => Ok(()),
            removed => removed.map(drop),
        }
    }
}
