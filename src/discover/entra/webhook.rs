//! The webhook of Azure Workload Identity, rehearsed with a pod that is never made.

use serde_json::{Value, json};

use super::unavailable::of_cluster;
use crate::cluster::Cluster;
use crate::model::annotation::FIELD_MANAGER;
use crate::model::entra::USE_LABEL;
use crate::model::entra::facts::Injected;
use crate::model::{Fact, Object, ObjectKind, Unavailable, cleaned};

/// For a pod of a gateway that is not deployed yet.
const IMAGE: &str = "mcr.microsoft.com/azure-api-management/gateway:2.11.1";

const DEFAULT_ACCOUNT: &str = "default";

/// What the webhook would inject into a pod of this `ServiceAccount`, or of `default`
/// if that one does not exist. Policies of the cluster may look at the image, so it is
/// the gateway's.
pub(super) async fn webhook(
    cluster: &Cluster,
    account: Option<&str>,
    image: Option<&str>,
) -> Fact<Option<Injected>> {
    let account = account.unwrap_or(DEFAULT_ACCOUNT);
    let cluster = &cluster.for_optional_reads();
    let rehearse = async |account: &str| {
        let pod = pod(account, image.unwrap_or(IMAGE));
        cluster.create(&pod, FIELD_MANAGER, true).await
    };
    let mut made = rehearse(account).await;
    if account != DEFAULT_ACCOUNT && made.as_ref().is_err_and(|error| lacks_account(error, account)) {
        made = rehearse(DEFAULT_ACCOUNT).await;
    }
    let is_denied = made.as_ref().is_err_and(lacks_right);
    match of_cluster(made, "rehearsing a pod") {
        Ok(pod) => Ok(injected(pod.document())),
        Err(why) if is_denied => Err(why),
        // A quota or a policy answers with the same code as for a right.
        Err(why) => Err(Unavailable::Unknown(why.why().to_owned())),
    }
}

/// A pod that asks for the webhook, and that the restricted Pod Security Standard and
/// quotas let through.
fn pod(account: &str, image: &str) -> Object {
    let document = json!({
        "metadata": {"generateName": "kubectl-apim-", "labels": {USE_LABEL: "true"}},
        "spec": {
            "serviceAccountName": account,
            "automountServiceAccountToken": false,
            "restartPolicy": "Never",
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 1001, "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": "gateway",
                "image": image,
                "resources": {
                    "requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "100m", "memory": "64Mi"},
                },
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            }],
        },
    });
    Object::new(ObjectKind::Pod, document)
}

/// Whether the answer is about the user's right to create pods.
fn lacks_right(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status)
        if status.is_forbidden() && status.message.contains("cannot create resource \"pods\""))
}

fn lacks_account(error: &kube::Error, account: &str) -> bool {
    matches!(error, kube::Error::Api(status)
        if status.message.contains("not found") && status.message.contains(&format!("\"{account}\"")))
}

/// What was set in the pod; `None` without the path of the token.
fn injected(pod: &Value) -> Option<Injected> {
    let env = pod.pointer("/spec/containers/0/env")?.as_array()?;
    let value = |name: &str| {
        let variable = env.iter().find(|it| it["name"] == name)?;
        variable["value"]
            .as_str()
            .filter(|value| !value.is_empty())
            .map(cleaned)
    };
    Some(Injected {
        token_file: value("AZURE_FEDERATED_TOKEN_FILE")?,
        tenant: value("AZURE_TENANT_ID"),
        authority: value("AZURE_AUTHORITY_HOST"),
    })
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn forbidden(message: &str) -> kube::Error {
        kube::Error::Api(Status::failure(message, "Forbidden").with_code(403).boxed())
    }

    #[test]
    fn what_the_webhook_sets_is_found() {
        let env = json!([
            {"name": "AZURE_FEDERATED_TOKEN_FILE", "value": "/var/run/token"},
            {"name": "AZURE_TENANT_ID", "value": ""},
            {"name": "AZURE_AUTHORITY_HOST", "value": "https://login.example/\u{1b}[2J"},
        ]);
        let found = injected(&json!({"spec": {"containers": [{"env": env}]}})).unwrap();
        assert_eq!(
            (found.token_file.as_str(), &found.tenant),
            ("/var/run/token", &None)
        );
        assert!(!found.authority.unwrap().contains('\u{1b}'));
        assert_eq!(injected(&json!({"spec": {"containers": [{"name": "c"}]}})), None);
    }

    #[test]
    fn a_quota_is_not_a_right() {
        let right = forbidden(
            "pods is forbidden: User \"u\" cannot create resource \"pods\" in API group \"\" in the namespace \"n\"",
        );
        let quota = forbidden("pods \"kubectl-apim-x\" is forbidden: exceeded quota: q, requested: pods=1");
        assert!(lacks_right(&right) && !lacks_right(&quota));
        let account = forbidden(
            "pods \"x\" is forbidden: error looking up service account n/gw: serviceaccount \"gw\" not found",
        );
        assert!(lacks_account(&account, "gw") && !lacks_account(&account, "g") && !lacks_right(&account));
    }
}
