//! Whole objects of the kinds that are installed: read, applied and removed.

use http::Request;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy};
use secrecy::SecretString;
use serde_json::Value;

use super::Cluster;
use super::list::{List, MetadataOf};
use crate::model::request::Scope;

/// How an object is applied.
#[derive(Clone, Copy, Debug)]
pub struct Apply<'a> {
    /// Who applies it.
    pub manager: &'a str,
    /// Whether the API server only checks it.
    pub dry_run: bool,
    /// Whether fields of others are taken over.
    pub force: bool,
}

/// Where the objects of a kind are.
struct Resource {
    kind: &'static str,
    api: &'static str,
    plural: &'static str,
}

/// The kinds that are installed, or made of what is.
const RESOURCES: [Resource; 8] = [
    resource("ServiceAccount", "/api/v1", "serviceaccounts"),
    resource("Role", RBAC, "roles"),
    resource("RoleBinding", RBAC, "rolebindings"),
    resource("Secret", "/api/v1", "secrets"),
    resource("NetworkPolicy", "/apis/networking.k8s.io/v1", "networkpolicies"),
    resource("CronJob", BATCH, "cronjobs"),
    resource("Job", BATCH, "jobs"),
    resource("Pod", "/api/v1", "pods"),
];

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const BATCH: &str = "/apis/batch/v1";

const fn resource(kind: &'static str, api: &'static str, plural: &'static str) -> Resource {
    Resource { kind, api, plural }
}

fn resource_of(kind: &str) -> &'static Resource {
    RESOURCES
        .iter()
        .find(|resource| resource.kind == kind)
        .expect("only these kinds are installed")
}

/// An object's kind and name, as kubectl prints them.
pub fn reference(object: &Value) -> String {
    let (kind, name) = kind_and_name(object);
    reference_of(kind, name)
}

/// The same of an object of this kind and name.
pub fn reference_of(kind: &str, name: &str) -> String {
    let group = resource_of(kind).api.strip_prefix("/apis/");
    let group = group.and_then(|api| api.split('/').next());
    let group = group.map(|group| format!(".{group}")).unwrap_or_default();
    format!("{}{group}/{name}", kind.to_lowercase())
}

fn kind_and_name(object: &Value) -> (&str, &str) {
    let kind = object["kind"].as_str().unwrap_or_default();
    (kind, object["metadata"]["name"].as_str().unwrap_or_default())
}

impl Cluster {
    /// Reads an object, if there is one.
    pub async fn object(&self, kind: &str, name: &str) -> Result<Option<Value>, kube::Error> {
        let path = format!("{}/{name}", self.collection(kind));
        let request = || {
            Request::get(&path)
                .body(Vec::new())
                .map_err(kube::Error::HttpError)
        };
        match self.reading(async || self.client.request(request()?).await).await {
            Ok(object) => Ok(Some(object)),
            Err(kube::Error::Api(status)) if status.is_not_found() && status.details.is_some() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The objects of a kind that have these labels, by name and uid.
    pub async fn labelled(&self, kind: &str, labels: &str) -> Result<Vec<(String, String)>, kube::Error> {
        let Resource { api, plural, .. } = resource_of(kind);
        let list = List {
            labels: Some(labels),
            metadata_only: true,
            ..List::of(api, plural)
        };
        let scope = Scope::Namespace(self.namespace.clone());
        let keep = |object: MetadataOf| Some((object.metadata.name, object.metadata.uid));
        self.list(list, &scope, keep).await
    }

    /// Applies an object on the server's side; returns what it is then.
    pub async fn apply(&self, object: &Value, how: Apply<'_>) -> Result<Value, kube::Error> {
        let (kind, name) = kind_and_name(object);
        let params = PatchParams {
            dry_run: how.dry_run,
            force: how.force,
            field_manager: Some(how.manager.to_owned()),
            ..PatchParams::default()
        };
        let request =
            kube::core::Request::new(self.collection(kind)).patch(name, &params, &Patch::Apply(object));
        self.client
            .request(request.map_err(kube::Error::BuildRequest)?)
            .await
    }

    /// Creates an object; returns it as it was stored.
    pub async fn create(&self, object: &Value, manager: &str, dry_run: bool) -> Result<Value, kube::Error> {
        let (kind, _) = kind_and_name(object);
        let params = PostParams {
            dry_run,
            field_manager: Some(manager.to_owned()),
        };
        let body = serde_json::to_vec(object).map_err(kube::Error::SerdeError)?;
        let request = kube::core::Request::new(self.collection(kind)).create(&params, body);
        self.client
            .request(request.map_err(kube::Error::BuildRequest)?)
            .await
    }

    /// Asks for a token of a ServiceAccount that lives ten minutes.
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
        let answer = api
            .create_token_request(name, &PostParams::default(), &request)
            .await?;
        Ok(answer.status.map(|status| status.token.into()))
    }

    /// Removes exactly this object, and in time what belongs to it.
    pub async fn remove(&self, kind: &str, name: &str, uid: &str, dry_run: bool) -> Result<(), kube::Error> {
        let params = DeleteParams {
            dry_run,
            propagation_policy: Some(PropagationPolicy::Background),
            preconditions: Some(Preconditions {
                uid: Some(uid.to_owned()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        let request = kube::core::Request::new(self.collection(kind)).delete(name, &params);
        let request = request.map_err(kube::Error::BuildRequest)?;
        self.client.request::<Value>(request).await.map(drop)
    }

    fn collection(&self, kind: &str) -> String {
        let Resource { api, plural, .. } = resource_of(kind);
        format!("{api}/namespaces/{}/{plural}", self.namespace)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_is_called_as_by_kubectl() {
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a"}});
        assert_eq!(reference(&account), "serviceaccount/a");
        assert_eq!(reference_of("Role", "a"), "role.rbac.authorization.k8s.io/a");
        assert_eq!(reference_of("CronJob", "a"), "cronjob.batch/a");
    }
}
