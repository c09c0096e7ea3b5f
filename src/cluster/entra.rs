//! The writes of a set-up of Entra: the Secret with the credential, the
//! `ServiceAccount`, and the pod template.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{Patch, PostParams};
use secrecy::{ExposeSecret, SecretSlice};
use serde_json::{Map, Value, json};

use super::Cluster;
use super::workload::patching;
use crate::model::annotation::{FIELD_MANAGER, MARKS_MANAGER};
use crate::model::{Annotations, SecretVersion, WorkloadRef, WorkloadVersion};

/// What is written to a Secret: the keys of a credential, and the annotations about it.
/// Everything is in one request, so that they always match.
pub struct CredentialWrite<'a> {
    pub name: &'a str,
    pub data: &'a [(&'static str, SecretSlice<u8>)],
    pub annotations: &'a Annotations,
}

impl CredentialWrite<'_> {
    fn body(&self) -> Value {
        let encoded = |(key, value): &(&'static str, SecretSlice<u8>)| {
            let value = STANDARD.encode(value.expose_secret());
            ((*key).to_owned(), Value::String(value))
        };
        json!({
            "metadata": {"annotations": self.annotations},
            "data": self.data.iter().map(encoded).collect::<Map<_, _>>(),
        })
    }
}

impl Cluster {
    /// Creates the Secret. It is a conflict if there is one.
    pub async fn create_credential(
        &self,
        write: &CredentialWrite<'_>,
        dry_run: bool,
    ) -> Result<Secret, kube::Error> {
        let mut body = write.body();
        body["apiVersion"] = "v1".into();
        body["kind"] = "Secret".into();
        body["type"] = "Opaque".into();
        body["metadata"]["name"] = write.name.into();
        // Those that are to go are not there.
        if let Some(annotations) = body["metadata"]["annotations"].as_object_mut() {
            annotations.retain(|_, value| !value.is_null());
        }
        let path = format!("/api/v1/namespaces/{}/secrets", self.namespace);
        self.post(&path, &body, dry_run).await
    }

    /// Changes only the keys of the credential and the annotations about it. It is a
    /// conflict if the Secret's version is not the given one.
    pub async fn change_credential(
        &self,
        version: &SecretVersion,
        write: &CredentialWrite<'_>,
        dry_run: bool,
    ) -> Result<Secret, kube::Error> {
        let mut body = write.body();
        body["metadata"]["uid"] = version.uid.as_str().into();
        body["metadata"]["resourceVersion"] = version.resource_version.as_str().into();
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let (params, patch) = (patching(FIELD_MANAGER, dry_run), Patch::Merge(body));
        self.writing(dry_run, || api.patch(write.name, &params, &patch))
            .await
    }

    /// Creates a `ServiceAccount` with these annotations. It is a conflict if there is
    /// one.
    pub async fn create_account(
        &self,
        name: &str,
        annotations: &BTreeMap<&'static str, String>,
        dry_run: bool,
    ) -> Result<ServiceAccount, kube::Error> {
        let body = json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": name, "annotations": annotations},
        });
        let path = format!("/api/v1/namespaces/{}/serviceaccounts", self.namespace);
        self.post(&path, &body, dry_run).await
    }

    pub async fn account(&self, name: &str) -> Result<ServiceAccount, kube::Error> {
        let path = format!("/api/v1/namespaces/{}/serviceaccounts/{name}", self.namespace);
        self.get(&path).await
    }

    /// Sets annotations of a `ServiceAccount`. It is a conflict if it is not the one that was
    /// read, or has changed since.
    pub async fn annotate_account(
        &self,
        name: &str,
        read: &ObjectMeta,
        annotations: &BTreeMap<&'static str, String>,
        dry_run: bool,
    ) -> Result<ServiceAccount, kube::Error> {
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &self.namespace);
        let params = patching(FIELD_MANAGER, dry_run);
        let patch = Patch::Merge(json!({"metadata": {
            "uid": read.uid, "resourceVersion": read.resource_version, "annotations": annotations,
        }}));
        self.writing(dry_run, || api.patch(name, &params, &patch)).await
    }

    async fn post<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
        dry_run: bool,
    ) -> Result<T, kube::Error> {
        let params = PostParams {
            dry_run,
            field_manager: Some(FIELD_MANAGER.to_owned()),
        };
        let body = serde_json::to_vec(body).map_err(kube::Error::SerdeError)?;
        let collection = kube::core::Request::new(path);
        let request = || {
            collection
                .create(&params, body.clone())
                .map_err(kube::Error::BuildRequest)
        };
        self.writing(dry_run, async || self.answered(request()?).await)
            .await
    }

    /// A workload with all its fields.
    pub async fn whole_workload(&self, workload: &WorkloadRef) -> Result<Value, kube::Error> {
        let path = format!("{}/{}", self.workloads_path(workload.kind), workload.name);
        self.get(&path).await
    }

    /// Changes a workload by a strategic merge patch. It is a conflict if the object's
    /// version is not the given one.
    pub async fn change_template(
        &self,
        version: &WorkloadVersion,
        patch: &Value,
        dry_run: bool,
    ) -> Result<Value, kube::Error> {
        let mut patch = patch.clone();
        patch["metadata"]["uid"] = version.uid.as_str().into();
        patch["metadata"]["resourceVersion"] = version.resource_version.as_str().into();
        self.patch_workload(
            &version.workload,
            FIELD_MANAGER,
            &Patch::Strategic(patch),
            dry_run,
        )
        .await
    }

    /// Sets annotations of the workload itself, which restarts nothing. It is a conflict if the
    /// object's version is not the given one.
    pub async fn annotate_workload(
        &self,
        version: &WorkloadVersion,
        annotations: &Value,
    ) -> Result<Value, kube::Error> {
        let patch = json!({"metadata": {
            "uid": version.uid, "resourceVersion": version.resource_version, "annotations": annotations,
        }});
        self.patch_workload(&version.workload, MARKS_MANAGER, &Patch::Strategic(patch), false)
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_has_every_key_and_every_annotation_and_values_may_be_binary() {
        let data = [
            ("a", SecretSlice::from(vec![0, 255])),
            ("b", SecretSlice::from(b"x".to_vec())),
        ];
        let write = CredentialWrite {
            name: "gw",
            data: &data,
            annotations: &BTreeMap::from([
                ("set".to_owned(), Some("yes".to_owned())),
                ("removed".to_owned(), None),
            ]),
        };
        assert_eq!(
            write.body(),
            json!({
                "metadata": {"annotations": {"removed": null, "set": "yes"}},
                "data": {"a": "AP8=", "b": "eA=="},
            })
        );
    }
}
