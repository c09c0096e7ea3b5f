//! The admission policies, in force.

use apim_sandbox::azure::Action;
use apim_sandbox::manifests::apply;
use apim_sandbox::wait;
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::Right;
use crate::case::{Case, LIMIT};
use crate::run::Run;

pub(super) const ACCOUNT: &str = "apim-shg-rotate-rights";

impl Case {
    /// kubectl as the account, in the namespace.
    pub(super) async fn kubectl_as_account(&self, arguments: &[&str]) -> Run<'_> {
        self.kubectl_as(ACCOUNT, arguments).await
    }

    pub(super) async fn kubectl_as(&self, account: &str, arguments: &[&str]) -> Run<'_> {
        let path = self
            .sandbox
            .kubeconfig_for(&self.namespace, account)
            .await
            .unwrap();
        let line = [&["-n", &self.namespace], arguments].concat();
        self.kubectl(&line).env("KUBECONFIG", &path.display().to_string())
    }
}

/// More rights than are ever rendered, so that the policies alone refuse.
async fn may_do_anything(case: &Case, account: &str) {
    let name = json!({"name": "too-much"});
    let rules = json!([{"apiGroups": ["", "apps"], "resources": ["*"], "verbs": ["*"]}]);
    let role_ref = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "too-much"});
    for object in [
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": name, "rules": rules}),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": name, "roleRef": role_ref,
            "subjects": [{"kind": "ServiceAccount", "name": account}],
        }),
    ] {
        apply(&case.client, &case.namespace, object).await.unwrap();
    }
    let right = Right {
        verb: "create",
        group: "",
        resource: "secrets",
        name: "",
    };
    case.lets(account, &right, true).await;
}

/// Puts the policies in force. They are the same whether the key was given or
/// discovered.
async fn guard(case: &Case) {
    let rendered = case.rendered(&["--prove", "logs", "--admission-policy"]).await;
    let arguments = [
        "deployment/gw",
        "--token-secret",
        "gw-token",
        "--secret-key",
        "value",
        "--prove",
        "logs",
        "--admission-policy",
    ];
    assert_eq!(case.rendered(&arguments).await, rendered);
    put_in_force(case, ACCOUNT, &rendered, &["secret/gw-token", "deployment/gw"]).await;
}

/// Puts the policies for all gateways of the namespace in force.
pub(super) async fn guard_all(case: &Case) {
    let rendered = case
        .rendered(&["--all", "--prove", "logs", "--admission-policy"])
        .await;
    let deployments = case.deployments().list(&ListParams::default()).await.unwrap();
    let secrets = case.secrets().list(&ListParams::default()).await.unwrap();
    let deployments = deployments
        .items
        .iter()
        .map(|it| format!("deployment/{}", it.name_any()));
    let secrets = secrets.items.iter().map(|it| format!("secret/{}", it.name_any()));
    let objects: Vec<String> = deployments.chain(secrets).collect();
    let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
    put_in_force(case, ACCOUNT, &rendered, &objects).await;
}

/// Applies the policies and waits until they hold for these objects.
pub(super) async fn put_in_force(case: &Case, account: &str, rendered: &str, objects: &[&str]) {
    case.takes(rendered).await;
    may_do_anything(case, account).await;
    let probe = json!({"metadata": {"labels": {"probe": "x"}}}).to_string();
    for object in objects {
        let line = ["patch", object, "--dry-run=server", "-p", &probe];
        wait::until("the policy", LIMIT, async || {
            let tried = case.kubectl_as(account, &line).await.command().output().await?;
            Ok((!tried.status.success()).then_some(()))
        })
        .await
        .unwrap();
    }
}

/// Changes, and the message that each is denied with.
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn refused() -> Vec<(&'static str, Value, &'static str)> {
    let (secret, deployment) = ("secret/gw-token", "deployment/gw");
    let annotated = || json!({"metadata": {"annotations": {"theirs": "x"}}});
    let labelled = || json!({"metadata": {"labels": {"theirs": "x"}}});
    let template = |template: &Value| json!({"spec": {"template": template}});
    let pods = |spec: &Value| template(&json!({"spec": spec}));
    vec![
        (
            secret,
            json!({"data": {"other": "eA=="}}),
            "only the key of the credential",
        ),
        (
            secret,
            json!({"data": {"value": null}}),
            "only the key of the credential",
        ),
        (secret, labelled(), "only the annotations in the metadata"),
        (
            secret,
            json!({"metadata": {"finalizers": ["a.b/c"]}}),
            "only the annotations in the metadata",
        ),
        (secret, annotated(), "only the annotations of a rotation"),
        (
            secret,
            json!({"immutable": true}),
            "only the data and the annotations",
        ),
        (
            deployment,
            pods(&json!({"containers": [{"name": "gw", "image": "evil"}]})),
            "not change the pods",
        ),
        (
            deployment,
            pods(&json!({"containers": [{"name": "gw", "command": ["evil"]}]})),
            "not change the pods",
        ),
        (
            deployment,
            pods(&json!({"serviceAccountName": "admin"})),
            "not change the pods",
        ),
        (
            deployment,
            json!({"spec": {"replicas": 7}}),
            "only the template's annotations in the spec",
        ),
        (
            deployment,
            json!({"spec": {"paused": true}}),
            "only the template's annotations in the spec",
        ),
        (deployment, annotated(), "only the annotations of a rotation"),
        (deployment, labelled(), "only the annotations in the metadata"),
        (
            deployment,
            template(&annotated()),
            "only the annotations of a restart",
        ),
        (
            deployment,
            template(&labelled()),
            "only the annotations in the template's metadata",
        ),
    ]
}

#[tokio::test]
async fn a_rotation_works_and_other_changes_are_denied() {
    let case = Case::new("rbac-policy").await;
    let manifest = case.portal();
    case.deploy(&manifest).await;
    guard(&case).await;
    let before = case.versions().await;
    for (object, change, why) in refused() {
        let line = ["patch", object, "-p", &change.to_string()];
        let denied = case.kubectl_as_account(&line).await.exits(1).await;
        denied.says(&[why]);
    }
    for line in [
        &["scale", "deployment/gw", "--replicas=3"][..],
        &["delete", "deployment/gw"],
        &["delete", "secret/gw-token"],
        &["create", "secret", "generic", "other"],
    ] {
        let denied = case.kubectl_as_account(line).await.exits(1).await;
        denied.says(&["ValidatingAdmissionPolicy", " of its gateways"]);
    }
    assert_eq!(case.versions().await, before);
    // Others are not restricted.
    let other = json!({"stringData": {"other": "x"}});
    case.patch_secret("gw-token", &other).await;

    case.rotates_as(ACCOUNT, &["--prove", "logs"], 0).await;
    assert!(case.azure().accepts(&case.credential(&manifest).await));
    case.disturb_mint(Action::RefusedToken, 1);
    let put_back = ["--prove", "logs", "-k", "rotate"];
    case.rotates_as(ACCOUNT, &put_back, 5).await;
    assert!(case.azure().accepts(&case.credential(&manifest).await));
}

/// The API server checks the expressions against the types of the objects, and
/// reports warnings in the status.
#[tokio::test]
async fn the_policies_pass_the_type_check() {
    let case = Case::new("rbac-policy-types").await;
    let line = [
        "deployment/gw",
        "--token-secret",
        "gw-token",
        "--secret-key",
        "value",
        "--admission-policy",
    ];
    case.takes(&case.rendered(&line).await).await;
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(case.client.clone());
    for what in ["secrets", "workloads"] {
        let name = format!("{ACCOUNT}.{}.{what}", case.namespace);
        let status = wait::until("the type check", LIMIT, async || {
            let policy = policies.get(&name).await?;
            let generation = policy.metadata.generation;
            let status = policy.status;
            Ok(status.filter(|status| status.observed_generation == generation))
        });
        let checked = status.await.unwrap().type_checking.unwrap_or_default();
        assert_eq!(checked.expression_warnings.unwrap_or_default(), []);
    }
}
