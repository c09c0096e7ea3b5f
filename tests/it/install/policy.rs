//! `install-cronjob --admission-policy`: the policies are kept in step with the Role,
//! and a policy that denies the rotation is found.

use apim_sandbox::azure::Slot;
use apim_sandbox::manifests::{GatewayManifest, apply};
use apim_sandbox::wait;
use apim_sandbox::wire::{Action, Answer, Fault};
use http::Method;
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

    /// The kubeconfig of somebody who administers the namespace, and may not read policies.
    async fn namespace_admin(&self) -> String {
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "admin"}});
        apply(&self.client, &self.namespace, account).await.unwrap();
        let account = format!("--serviceaccount={}:admin", self.namespace);
        self.kubectl_in_namespace(&["create", "rolebinding", "admin", "--clusterrole=admin", &account])
            .await;
        let path = self.sandbox.kubeconfig_for(&self.namespace, "admin").await;
        path.unwrap().display().to_string()
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
    pub(super) async fn is_limited(&self, workload: &str) {
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

/// What a policy admits before it is in force proves nothing.
#[tokio::test]
async fn the_policies_are_in_force_before_the_writes_are_rehearsed() {
    let case = Case::new("install-in-force").await;
    case.deploy(&case.idle_portal()).await;
    let with_policy = [&WORKLOAD_IDENTITY[..], &["--admission-policy"]].concat();
    case.install_cronjob(&with_policy).exits(0).await;
    let mut rehearsed = case.kube_requests().await;
    rehearsed.retain(|request| request.impersonated && request.verb == "patch");
    let status = |resource: &str| -> Vec<Option<u16>> {
        let of_it = rehearsed
            .iter()
            .filter(|it| it.resource.as_deref() == Some(resource));
        of_it.map(|it| it.status).collect()
    };
    for resource in ["secrets", "deployments"] {
        // A probe that must be denied is repeated until it is.
        let status = status(resource);
        let [.., probe, rehearsal] = status.as_slice() else {
            panic!("{resource}: {status:?}")
        };
        assert_eq!(
            (*probe, *rehearsal),
            (Some(403), Some(200)),
            "{resource}: {status:?}"
        );
    }
    assert!(rehearsed.iter().all(|request| request.dry_run), "{rehearsed:#?}");
}

/// A binding that the API server has taken and does not go by yet.
#[tokio::test]
async fn policies_that_are_not_in_force_in_time_are_unchecked() {
    let case = Case::new("install-not-in-force").await;
    case.deploy(&case.idle_portal()).await;
    let with_policy = [&WORKLOAD_IDENTITY[..], &["--admission-policy"]].concat();
    let wire = case.sandbox.wire(&case.kubeconfig_path()).await.unwrap();
    let taken = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "taken", "uid": "1", "resourceVersion": "1"}});
    let answer = Action::Answer(Answer::json(201, &taken));
    for method in [Method::POST, Method::PATCH] {
        let fault = Fault::on("/validatingadmissionpolicybindings", answer.clone());
        wire.fault(fault.method(method));
    }
    let ended = case.install_cronjob(&with_policy).through(&wire).exits(0).await;
    ended.says(&[
        "whether a policy denies the rotation is unchecked",
        "not in force after 10 seconds",
    ]);
}

/// A namespace's admin may not read policies, so the Role records them.
#[tokio::test]
async fn policies_that_a_user_may_not_read_are_not_forgotten() {
    let case = Case::new("install-unread-policy").await;
    case.deploy(&case.idle_portal()).await;
    let with_policy = [&WORKLOAD_IDENTITY[..], &["--admission-policy"]].concat();
    case.install_cronjob(&with_policy).exits(0).await;
    assert_eq!(case.policies().await, 4);
    let admin = case.namespace_admin().await;
    let names = ["secrets", "workloads"].map(|what| {
        format!(
            "kubectl delete validatingadmissionpolicy.admissionregistration.k8s.io/{NAME}.{}.{what}",
            case.namespace
        )
    });
    let names = [names[0].as_str(), &names[1]];
    for _ in 0..2 {
        let install = case.install_cronjob(&WORKLOAD_IDENTITY).env("KUBECONFIG", &admin);
        install.exits(0).await.says(&names);
    }
    let uninstall = ["uninstall-cronjob", "--yes"];
    let ended = case.apim(&uninstall).env("KUBECONFIG", &admin).exits(0).await;
    ended.says(&names);
    assert_eq!(case.policies().await, 4);
    // Who may read them removes them, though the Role is gone.
    let ended = case.apim(&uninstall).exits(0).await;
    assert_eq!(ended.stdout.matches(" deleted").count(), 4, "{}", ended.stdout);
    assert_eq!(case.policies().await, 0);

    // So does a first installation.
    case.install_cronjob(&with_policy).exits(0).await;
    case.apim(&uninstall).env("KUBECONFIG", &admin).exits(0).await;
    case.install_cronjob(&WORKLOAD_IDENTITY).exits(0).await;
    assert_eq!(case.policies().await, 0);
}

/// A user who may not delete the policies changes nothing, so that the Role still
/// records them.
#[tokio::test]
async fn policies_that_a_user_may_only_read_are_kept_with_their_record() {
    let case = Case::new("install-kept-policy").await;
    case.deploy(&case.idle_portal()).await;
    let with_policy = [&WORKLOAD_IDENTITY[..], &["--admission-policy"]].concat();
    case.install_cronjob(&with_policy).exits(0).await;
    let admin = case.namespace_admin().await;
    let (name, account) = (
        format!("policy-reader-{}", case.namespace),
        format!("--serviceaccount={}:admin", case.namespace),
    );
    let policies = "--resource=validatingadmissionpolicies,validatingadmissionpolicybindings";
    let role = ["create", "clusterrole", &name, "--verb=get", policies];
    case.kubectl(&role).exits(0).await;
    let role = format!("--clusterrole={name}");
    case.kubectl(&["create", "clusterrolebinding", &name, &role, &account])
        .exits(0)
        .await;
    let install = case.install_cronjob(&WORKLOAD_IDENTITY).env("KUBECONFIG", &admin);
    install.exits(1).await.says(&["validatingadmissionpolicybinding"]);
    case.kubectl(&["delete", "clusterrolebinding,clusterrole", &name])
        .exits(0)
        .await;
    let uninstall = case
        .apim(&["uninstall-cronjob", "--yes"])
        .env("KUBECONFIG", &admin);
    uninstall.exits(0).await.says(&[
        "may be left",
        "kubectl delete validatingadmissionpolicy.admissionregistration.k8s.io/",
    ]);
}

/// Applies a policy that lets no ServiceAccount write a Secret; returns its name.
async fn deny_accounts(case: &Case) -> String {
    let name = format!("no-secrets-{}", case.namespace);
    let group = "admissionregistration.k8s.io";
    let mine = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": case.namespace}}});
    let rule =
        json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["secrets"]});
    for (kind, spec) in [
        (
            "ValidatingAdmissionPolicy",
            json!({
                "matchConstraints": {"resourceRules": [rule]},
                "validations": [{
                    "expression": "!request.userInfo.username.startsWith('system:serviceaccount:')",
                    "message": "people only", "reason": "Forbidden",
                }],
            }),
        ),
        (
            "ValidatingAdmissionPolicyBinding",
            json!({
                "policyName": name, "validationActions": ["Deny"], "matchResources": mine,
            }),
        ),
    ] {
        let object = json!({"apiVersion": format!("{group}/v1"), "kind": kind, "metadata": {"name": name}, "spec": spec});
        case.kubectl(&["apply", "-f", "-"])
            .input(&object.to_string())
            .exits(0)
            .await;
    }
    name
}

/// The policy of somebody else is not proposed to be deleted.
#[tokio::test]
async fn a_policy_of_somebody_else_that_denies_the_rotation_is_named() {
    let case = Case::new("install-foreign-policy").await;
    case.deploy(&case.idle_portal()).await;
    let name = deny_accounts(&case).await;
    for more in [&[][..], &["--admission-policy"]] {
        let line = [&WORKLOAD_IDENTITY[..], more].concat();
        // The first policy is in force when it denies.
        let ended = wait::until("the policy", LIMIT, async || {
            let ended = case.install_cronjob(&line).start().await.ended().await;
            Ok((ended.code == Some(4)).then_some(ended))
        });
        let ended = ended.await.unwrap();
        ended.says(&[
            "rehearsing the write of secret/gw-token",
            "people only",
            "the CronJob is installed, but its runs would be denied",
            &format!("validatingadmissionpolicy.admissionregistration.k8s.io/{name} is not part of this installation"),
            &format!("system:serviceaccount:{}:{NAME}", case.namespace),
            "run the same command again",
            &format!(
                "kubectl apim uninstall-cronjob {NAME} -n {}",
                case.namespace
            ),
        ]);
        assert!(!ended.stderr.contains("kubectl delete"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("--admission-policy"), "{}", ended.stderr);
        assert!(
            ended.stdout.contains(&format!("cronjob.batch/{NAME} ")),
            "{}",
            ended.stdout
        );
    }
    case.kubectl(&[
        "delete",
        "validatingadmissionpolicy,validatingadmissionpolicybinding",
        &name,
    ])
    .exits(0)
    .await;
}
