//! `install-cronjob --admission-policy`: the policies are kept in step with the Role,
//! and a policy that denies the rotation is found.

use apim_sandbox::azure::Slot;
use apim_sandbox::manifests::GatewayManifest;
use apim_sandbox::wait;
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use kube::Api;
use serde_json::json;

use super::NAME;
use super::again::WORKLOAD_IDENTITY;
use crate::case::{Case, DAY, LIMIT};

impl Case {
    fn account(&self) -> String {
        format!("system:serviceaccount:{}:{NAME}", self.namespace)
    }

    async fn with_second_gateway(&self) {
        let token = self.token(Slot::Primary, DAY * 2);
        let other = GatewayManifest::custom("gw2", &self.endpoint(), &token, "own", "token");
        self.deploy(&other.replicas(0)).await;
    }

    /// How many policies and bindings of the installation there are.
    async fn policies(&self) -> usize {
        let policies: Api<ValidatingAdmissionPolicy> = Api::all(self.client.clone());
        let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(self.client.clone());
        let mut count = 0;
        for what in ["secrets", "workloads"] {
            let name = format!("{NAME}.{}.{what}", self.namespace);
            count += usize::from(policies.get_opt(&name).await.unwrap().is_some());
            count += usize::from(bindings.get_opt(&name).await.unwrap().is_some());
        }
        count
    }

    /// Waits until a policy denies the account another image.
    async fn is_limited(&self, workload: &str) {
        let pods = json!({"containers": [{"name": workload, "image": "evil"}]});
        let change = json!({"spec": {"template": {"spec": pods}}}).to_string();
        let object = format!("deployment/{workload}");
        let account = self.account();
        let line = ["-n", &self.namespace, "--as", &account, "patch", &object];
        let line = [&line[..], &["--dry-run=server", "-p", &change]].concat();
        wait::until("the policy", LIMIT, async || {
            let tried = self.kubectl(&line).command().output().await?;
            let answer = String::from_utf8_lossy(&tried.stderr).into_owned();
            Ok(answer.contains("may not change the pods").then_some(()))
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn the_policies_follow_the_role_and_are_removed_with_it() {
    let case = Case::new("install-policy").await;
    case.deploy(&case.idle_portal()).await;
    let with_policy = [&WORKLOAD_IDENTITY[..], &["--admission-policy"]].concat();
    let ended = case.install_cronjob(&with_policy).exits(0).await;
    assert_eq!(ended.stdout.matches(" created").count(), 8, "{}", ended.stdout);
    assert_eq!(case.policies().await, 4);
    case.is_limited("gw").await;
    let ended = case.install_cronjob(&with_policy).exits(0).await;
    assert_eq!(ended.stdout.matches(" unchanged").count(), 8, "{}", ended.stdout);

    case.with_second_gateway().await;
    let second = [&["deployment/gw2"], &with_policy[..]].concat();
    let ended = case.install_cronjob(&second).exits(0).await;
    assert_eq!(
        ended.stdout.matches("/apim-shg-rotate").count(),
        8,
        "{}",
        ended.stdout
    );
    case.is_limited("gw2").await;
    let account = case.account();
    for (workload, secret) in [("deployment/gw", "gw-token"), ("deployment/gw2", "own")] {
        let line = ["rotate", workload, "--token-secret", secret, "--as", &account];
        let line = [
            &line[..],
            &["--prove", "rollout", "--apim-instance", &case.gateway.service],
        ]
        .concat();
        case.apim(&line).exits(0).await;
    }

    let ended = case.install_cronjob(&WORKLOAD_IDENTITY).exits(0).await;
    assert_eq!(ended.stdout.matches(" deleted").count(), 4, "{}", ended.stdout);
    assert_eq!(case.policies().await, 0);
    case.install_cronjob(&with_policy).exits(0).await;
    assert_eq!(case.policies().await, 4);
    case.apim(&["uninstall-cronjob", "--yes"]).exits(0).await;
    assert_eq!(case.policies().await, 0);
}

#[tokio::test]
async fn a_policy_for_fewer_gateways_that_stays_is_found() {
    let case = Case::new("install-denied").await;
    case.deploy(&case.idle_portal()).await;
    let with_policy = [&WORKLOAD_IDENTITY[..], &["--admission-policy"]].concat();
    case.install_cronjob(&with_policy).exits(0).await;
    // Now it belongs to somebody else.
    let (secrets, workloads) = (
        format!("{NAME}.{}.secrets", case.namespace),
        format!("{NAME}.{}.workloads", case.namespace),
    );
    for kind in ["validatingadmissionpolicy", "validatingadmissionpolicybinding"] {
        let label = "app.kubernetes.io/managed-by=somebody";
        case.kubectl(&["label", "--overwrite", kind, &secrets, &workloads, label])
            .exits(0)
            .await;
    }
    let ended = case.install_cronjob(&WORKLOAD_IDENTITY).exits(0).await;
    assert!(!ended.stdout.contains(" deleted"), "{}", ended.stdout);
    case.with_second_gateway().await;
    let second = [&["deployment/gw2"], &WORKLOAD_IDENTITY[..]].concat();
    let ended = case.install_cronjob(&second).exits(4).await;
    ended.says(&[
        "rehearsing the write of secret/own",
        &format!("as serviceaccount/{NAME}"),
        &secrets,
        "of its gateways",
        "the CronJob is installed, but its runs would be denied",
        &format!("validatingadmissionpolicybinding {secrets}"),
    ]);
    let as_admin = ["--as", "admin", "--as-group", "system:masters"];
    let ended = case
        .install_cronjob(&[&WORKLOAD_IDENTITY[..], &as_admin].concat())
        .exits(0)
        .await;
    ended.says(&["whether a policy denies the rotation is unchecked"]);
    for kind in ["validatingadmissionpolicy", "validatingadmissionpolicybinding"] {
        case.kubectl(&["delete", kind, &secrets, &workloads])
            .exits(0)
            .await;
    }
    case.install_cronjob(&second).exits(0).await;
}
