//! Each verb of the rendered Role is needed for what it is there for.

use k8s_openapi::api::rbac::v1::Role;
use kube::Api;
use kube::api::PostParams;

use super::Right;
use crate::case::Case;

const ACCOUNT: &str = "apim-shg-rotate-rights";

/// Takes a verb out of the Role and waits until it has gone.
async fn take(case: &Case, right: &Right<'_>) {
    let api: Api<Role> = Api::namespaced(case.client.clone(), &case.namespace);
    let mut role = api.get(ACCOUNT).await.unwrap();
    let rules = role.rules.as_mut().unwrap();
    let resource = right.resource.to_owned();
    for rule in rules.iter_mut() {
        if rule.resources.as_ref().unwrap().contains(&resource) {
            rule.verbs.retain(|verb| verb != right.verb);
        }
    }
    rules.retain(|rule| !rule.verbs.is_empty());
    // It must have been in force before it can be seen to be gone.
    case.lets(ACCOUNT, right, true).await;
    api.replace(ACCOUNT, &PostParams::default(), &role).await.unwrap();
    case.lets(ACCOUNT, right, false).await;
}

/// Rotates by a Role that lacks one verb.
async fn without(verb: &str, resource: &str, code: i32, says: &[&str]) {
    let case = Case::new("rbac-verb").await;
    let manifest = case.portal();
    case.deploy(&manifest).await;
    let line = ["deployment/gw", "--token-secret", "gw-token", "--prove", "logs"];
    case.takes(&case.rendered(&line).await).await;
    let (group, name) = match resource {
        "deployments" => ("apps", "gw"),
        "secrets" => ("", "gw-token"),
        _ => ("", ""),
    };
    let right = Right {
        verb,
        group,
        resource,
        name,
    };
    take(&case, &right).await;
    let before = case.credential(&manifest).await;
    let ended = case.rotates_as(ACCOUNT, &["--prove", "logs"], code).await;
    ended.says(says);
    assert_eq!(case.credential(&manifest).await != before, code == 0);
    assert_eq!(case.mints(), usize::from(code == 0));
}

#[tokio::test]
async fn without_get_of_the_secret_nothing_is_written() {
    let says = ["reading secret/gw-token", "kubectl auth can-i get secrets"];
    without("get", "secrets", 1, &says).await;
}

#[tokio::test]
async fn without_patch_of_the_secret_nothing_is_minted() {
    let says = [
        "rehearsing the write of secret/gw-token",
        "kubectl auth can-i patch secrets",
    ];
    without("patch", "secrets", 4, &says).await;
}

#[tokio::test]
async fn without_get_of_the_workload_nothing_is_written() {
    let says = [
        "reading deployment.apps/gw",
        "kubectl auth can-i get deployments.apps",
    ];
    without("get", "deployments", 1, &says).await;
}

#[tokio::test]
async fn without_patch_of_the_workload_nothing_is_minted() {
    let says = [
        "rehearsing the restart of deployment.apps/gw",
        "kubectl auth can-i patch deployments.apps",
    ];
    without("patch", "deployments", 4, &says).await;
}

#[tokio::test]
async fn without_list_of_pods_the_rollout_is_the_proof() {
    let says = ["1 new pod is ready; this user has no right to read the logs"];
    without("list", "pods", 0, &says).await;
}

#[tokio::test]
async fn without_get_of_logs_the_rollout_is_the_proof() {
    let says = ["1 new pod is ready; this user has no right to read the logs"];
    without("get", "pods/log", 0, &says).await;
}
