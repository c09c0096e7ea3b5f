//! Requests in the name of a ServiceAccount.

use http::{HeaderValue, Request};
use kube::Client;
use kube::client::Body;
use tower::service_fn;

use super::Cluster;

impl Cluster {
    /// The same cluster, in which a ServiceAccount of the namespace sends the requests.
    /// `None` if the connection impersonates already.
    pub fn as_account(&self, name: &str) -> Option<Self> {
        if self.impersonates {
            return None;
        }
        let user = format!("system:serviceaccount:{}:{name}", self.namespace);
        let user = HeaderValue::try_from(user).ok()?;
        let client = self.client.clone();
        let service = service_fn(move |mut request: Request<Body>| {
            request.headers_mut().insert("Impersonate-User", user.clone());
            let client = client.clone();
            async move { client.send(request).await }
        });
        Some(Self {
            client: Client::new(service, self.namespace.clone()),
            ..self.clone()
        })
    }
}
