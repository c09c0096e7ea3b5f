//! What the user may do, as the API server's authorizers answer it.

use http::Request;
use serde::Deserialize;
use serde_json::json;

use super::Cluster;

/// An action on a resource of the namespace.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    pub verb: &'a str,
    /// Empty for the core group.
    pub group: &'a str,
    /// In plural.
    pub resource: &'a str,
    /// `None` for any object, as for one that is created.
    pub name: Option<&'a str>,
}

impl Cluster {
    /// Whether the user may do this.
    pub async fn may(&self, act: Act<'_>) -> Result<bool, kube::Error> {
        let body = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "namespace": self.namespace,
                "verb": act.verb,
                "group": act.group,
                "resource": act.resource,
                "name": act.name.unwrap_or_default(),
            }},
        });
        let body = serde_json::to_vec(&body).map_err(kube::Error::SerdeError)?;
        let request = || {
            Request::post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")
                .header("content-type", "application/json")
                .body(body.clone())
                .map_err(kube::Error::HttpError)
        };
        let review: Review = self.reading(async || self.answered(request()?).await).await?;
        Ok(review.status.allowed)
    }
}

#[derive(Deserialize)]
struct Review {
    #[serde(default)]
    status: Allowed,
}

#[derive(Default, Deserialize)]
struct Allowed {
    #[serde(default)]
    allowed: bool,
}
