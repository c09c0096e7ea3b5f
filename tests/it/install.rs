//! `install-cronjob` and `uninstall-cronjob` on the real API server: what is
//! installed, that it runs, and what is refused.

use std::path::{Path, PathBuf};

use apim_sandbox::azure::{FederatedCredential, Principal};
use apim_sandbox::manifests::{GatewayManifest, apply};
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::rbac::v1::Role;
use kube::Api;
use serde_json::{Value, json};

use crate::case::Case;
use crate::run::Run;

mod accounts;
mod again;
mod bad_input;
mod clouds;
mod hidden;
mod leftover;
mod legacy;
mod network;
mod owners;
mod ownership;
mod policy;
mod proves;
mod question;
mod races;
mod rights;
mod run_as;
mod runs;
mod subjects;
mod surroundings;
mod tries;
mod undisturbed;

const NAME: &str = "apim-shg-rotate";

impl Case {
    /// `install-cronjob` with these arguments.
    fn install_cronjob(&self, arguments: &[&str]) -> Run<'_> {
        self.apim(&[&["install-cronjob"], arguments].concat())
    }

    /// The same for pods that can reach the sandbox's Azure: it is behind a
    /// proxy, and has an authority of its own.
    pub(crate) async fn install_cronjob_that_runs(&self, arguments: &[&str]) -> Run<'_> {
        self.install_cronjob_that_can_run(&[arguments, &["--run-now"]].concat())
            .await
    }

    /// The same, left to its schedule.
    async fn install_cronjob_that_can_run(&self, arguments: &[&str]) -> Run<'_> {
        let roots = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "roots" },
            "data": { "ca.crt": self.azure().ca_pem() } });
        apply(&self.client, &self.namespace, roots).await.unwrap();
        let proxy = self.azure().proxy_url();
        let way = ["--proxy", &proxy, "--ca-configmap", "roots"];
        self.install_cronjob(&[arguments, &way].concat())
    }

    /// An identity that trusts the ServiceAccount that is to be installed.
    pub(crate) async fn federated(&self) -> Principal {
        let control_plane = self.sandbox.control_plane();
        let issuer = control_plane.service_account_issuer();
        self.azure()
            .trust_issuer(issuer, control_plane.service_account_keys().await.unwrap());
        self.another(|principal| {
            principal.federated_credentials = vec![FederatedCredential {
                issuer: issuer.to_owned(),
                subject: format!("system:serviceaccount:{}:{NAME}", self.namespace),
                audience: "api://AzureADTokenExchange".to_owned(),
            }];
        })
    }

    /// The kubeconfig of somebody who may write all that is installed, and has
    /// none of the rights that it grants.
    async fn installer(&self) -> PathBuf {
        let rules = json!([
            { "apiGroups": [""], "resources": ["secrets", "configmaps", "serviceaccounts"], "verbs": ["get", "list", "create", "patch"] },
            { "apiGroups": ["apps"], "resources": ["deployments", "statefulsets", "daemonsets"], "verbs": ["get", "list"] },
            { "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"], "verbs": ["get", "create", "patch", "delete"] },
            { "apiGroups": ["batch"], "resources": ["cronjobs"], "verbs": ["get", "list", "create", "patch", "delete"] },
        ]);
        self.user_with("installer", &rules).await
    }

    /// The kubeconfig of a service account with these rights in the namespace.
    async fn user_with(&self, name: &str, rules: &Value) -> PathBuf {
        let meta = json!({ "name": name });
        for object in [
            json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta }),
            json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta, "rules": rules }),
            json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": meta,
                "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name },
                "subjects": [{ "kind": "ServiceAccount", "name": name }] }),
        ] {
            apply(&self.client, &self.namespace, object).await.unwrap();
        }
        self.sandbox.kubeconfig_for(&self.namespace, name).await.unwrap()
    }

    async fn cron_jobs(&self) -> Vec<CronJob> {
        let api: Api<CronJob> = Api::namespaced(self.client.clone(), &self.namespace);
        api.list(&kube::api::ListParams::default()).await.unwrap().items
    }

    /// The rules of the Role, each as its verbs, resource and names.
    async fn rules(&self) -> Vec<String> {
        let api: Api<Role> = Api::namespaced(self.client.clone(), &self.namespace);
        let rules = api.get(NAME).await.unwrap().rules.unwrap_or_default();
        let words = |words: Option<Vec<String>>| words.unwrap_or_default().join(",");
        rules
            .into_iter()
            .map(|rule| {
                format!(
                    "{} {} {}",
                    words(Some(rule.verbs)),
                    words(rule.resources),
                    words(rule.resource_names)
                )
            })
            .collect()
    }

    /// Another gateway of the same instance.
    fn second_portal(&self) -> GatewayManifest {
        self.second_portal_for(crate::case::DAY * 2)
    }

    /// The same with a token that lives this long.
    fn second_portal_for(&self, life: jiff::SignedDuration) -> GatewayManifest {
        let gateway = apim_sandbox::azure::Gateway {
            name: "gw2".to_owned(),
            ..self.gateway.clone()
        };
        self.azure().add_gateway(&gateway);
        let expires = self.azure().now() + life;
        let token = self
            .azure()
            .mint(&gateway, apim_sandbox::azure::Slot::Primary, expires);
        self.hides(&token);
        GatewayManifest::portal("gw2", &self.endpoint(), &format!("GatewayKey {token}"))
    }

    async fn label_namespace(&self, name: &str, value: &str) {
        let api: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(self.client.clone());
        let patch = json!({ "metadata": { "labels": { name: value } } });
        api.patch(
            &self.namespace,
            &kube::api::PatchParams::default(),
            &kube::api::Patch::Merge(&patch),
        )
        .await
        .unwrap();
    }
}

/// The flags by which the pods sign in by a federated credential of the principal.
pub(crate) fn workload_identity(principal: &Principal) -> [&str; 6] {
    [
        "--auth",
        "workload-identity",
        "--client-id",
        &principal.client_id,
        "--tenant",
        &principal.tenant,
    ]
}

/// The flags by which the pods sign in as the case's service principal.
fn service_principal<'a>(case: &'a Case, secret: &'a Path) -> [&'a str; 6] {
    [
        "--auth",
        "service-principal",
        "--client-id",
        &case.principal.client_id,
        "--client-secret-file",
        secret.to_str().unwrap(),
    ]
}

/// All objects of the namespace that could hold a secret in clear.
async fn everything(case: &Case) -> String {
    let kinds = "cronjobs,jobs,pods,serviceaccounts,roles,rolebindings,configmaps";
    case.kubectl_in_namespace(&["get", kinds, "-o", "json", "--show-managed-fields"])
        .await
}

fn cron_job_json(cron_job: &CronJob) -> Value {
    serde_json::to_value(cron_job).unwrap()
}
