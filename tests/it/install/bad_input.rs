//! What is refused, and that nothing has changed then.

use apim_sandbox::azure::{Action, Fault, Grant, Operation, Principal};
use apim_sandbox::manifests::apply;
use apim_sandbox::wait;
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::Api;
use serde_json::{Value, json};

use super::NAME;
use crate::case::{Case, LIMIT};
use crate::run::Ended;

const MANAGED: [&str; 2] = ["--auth", "managed-identity"];

pub(super) async fn idle(name: &str) -> Case {
    let case = Case::new(name).await;
    case.deploy(&case.idle_portal()).await;
    case
}

/// Runs what must fail, and sees that nothing was installed.
async fn fails(case: &Case, arguments: &[&str], code: i32) -> Ended {
    let line = [&MANAGED[..], arguments].concat();
    let ended = case.fails_untouched(case.install_cronjob(&line), code).await;
    let mut writes = case.kube_writes().await;
    writes.retain(|write| !write.dry_run && write.status.is_some_and(|status| status < 300));
    assert!(writes.is_empty(), "{writes:?}");
    ended
}

#[tokio::test]
async fn a_schedule_that_lets_a_token_expire_is_refused_with_the_dates() {
    let case = idle("install-schedule").await;
    let ended = fails(&case, &["--schedule", "0 0 */25 * *"], 2).await;
    ended.says(&[
        "could let a token expire",
        "-26 00:00",
        "-01 00:00",
        "hint: to run daily, omit --schedule",
    ]);
    fails(&case, &["--schedule", "0 0 31 2 *"], 2)
        .await
        .says(&["never runs"]);
    // What Kubernetes refuses, in its own words or not.
    for (flags, why) in [
        (["--schedule", "@every 1d"], "as in `@every 24h`"),
        (["--schedule", "TZ=Europe/Berlin 0 3 * * *"], "use --time-zone"),
        (["--schedule", "0 3 L * *"], "Kubernetes does not support `L`"),
        (["--time-zone", "+01:00"], "--time-zone `+01:00` is not valid"),
        (["--time-zone", "UTC+1"], "--time-zone `UTC+1` is not valid"),
        (["--time-zone", "europe/berlin"], "the name is `Europe/Berlin`"),
    ] {
        fails(&case, &flags, 2).await.says(&[why]);
    }
    // What it runs.
    for flags in [
        ["--schedule", "0 */24 * * *"],
        ["--schedule", "*/60 * * * *"],
        ["--schedule", "0 3 */10 * 1"],
        ["--time-zone", "Australia/Lord_Howe"],
    ] {
        let line = [&MANAGED[..], &flags, &["--dry-run=server"]].concat();
        case.install_cronjob(&line).exits(0).await;
    }
    fails(&case, &["--name", &"a".repeat(53)], 2)
        .await
        .says(&["53 characters"]);
}

#[tokio::test]
async fn rights_that_one_lacks_cannot_be_granted() {
    let case = idle("install-escalate").await;
    let kubeconfig = case.installer().await;
    let run = case
        .install_cronjob(&MANAGED)
        .env("KUBECONFIG", kubeconfig.to_str().unwrap());
    let ended = case.fails_untouched(run, 4).await;
    ended.says(&[
        "role.rbac.authorization.k8s.io/apim-shg-rotate",
        "deployments",
        "patch",
        "a user can grant only rights that the user has",
        // This user may not create pods either.
        "unchecked",
    ]);
    assert!(case.cron_jobs().await.is_empty());
}

#[tokio::test]
async fn a_namespace_that_does_not_admit_what_runs() {
    let case = idle("install-quota").await;
    let counted = [
        ("pods", "the pods"),
        ("count/jobs.batch", "the Jobs"),
        ("count/cronjobs.batch", "the CronJob"),
    ];
    for (resource, what) in counted {
        let quota = json!({ "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "none" },
            "spec": { "hard": { resource: "0" } } });
        apply(&case.client, &case.namespace, quota).await.unwrap();
        quota_is_in_force(&case, resource).await;
        let ended = fails(&case, &[], 4).await;
        ended.says(&[&format!("does not admit {what}"), "quota"]);
    }
}

async fn quota_is_in_force(case: &Case, resource: &str) {
    let quotas: Api<ResourceQuota> = Api::namespaced(case.client.clone(), &case.namespace);
    wait::until("the quota", LIMIT, async || {
        let status = quotas.get("none").await?.status;
        let hard = status.and_then(|status| status.hard).unwrap_or_default();
        Ok(hard.contains_key(resource).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_policy_that_refuses_what_runs_is_quoted() {
    // Without a reason, the answer is that the object is invalid.
    for (group, resource, what, reason) in [
        ("", "pods", "the pods", None),
        ("", "pods", "the pods", Some("Forbidden")),
        ("batch", "jobs", "the Jobs", None),
    ] {
        let case = idle(&format!("install-no-{resource}")).await;
        let name = format!("no-{resource}-{}", case.namespace);
        let rule = json!({ "apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [resource] });
        let policy = json!({ "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
            "metadata": { "name": name }, "spec": { "matchConstraints": { "resourceRules": [rule] },
                "validations": [{ "expression": "false", "message": "nothing runs here: you cannot create any",
                    "reason": reason }] } });
        let mine = json!({ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": case.namespace } } });
        let binding = json!({ "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding", "metadata": { "name": name },
            "spec": { "policyName": name, "validationActions": ["Deny"], "matchResources": mine } });
        for object in [policy, binding] {
            let apply = ["apply", "-f", "-"];
            case.kubectl(&apply).input(&object.to_string()).exits(0).await;
        }
        let line = [&MANAGED[..], &["--dry-run=server"]].concat();
        let refused = wait::until("the policy", LIMIT, async || {
            let ended = case.install_cronjob(&line).start().await.ended().await;
            Ok((ended.code != Some(0)).then_some(ended))
        });
        let refused = refused.await.unwrap();
        assert_eq!(refused.code, Some(4), "{}", refused.stderr);
        refused.says(&[
            &format!("does not admit {what}: "),
            &format!("Policy '{name}'"),
            "nothing runs here",
        ]);
        assert!(!refused.stderr.contains(": :"), "{}", refused.stderr);
        fails(&case, &[], 4).await;
    }
}

#[tokio::test]
async fn objects_of_others_are_left_alone() {
    let case = idle("install-foreign").await;
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": NAME },
        "stringData": { "other": "value-of-others" } });
    apply(&case.client, &case.namespace, secret).await.unwrap();
    let file = case.file("secret", &case.principal.client_secret);
    let line = [
        "--auth",
        "service-principal",
        "--client-id",
        "99999999-8888-7777-6666-555555555555",
        "--client-secret-file",
        file.to_str().unwrap(),
    ];
    let ended = case.fails_untouched(case.install_cronjob(&line), 4).await;
    ended.says(&[
        "secret/apim-shg-rotate",
        "is not part of this installation",
        "--name",
    ]);

    let meta: Value = json!({ "name": NAME });
    let rules = json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": ["get"] }]);
    let role = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta, "rules": rules });
    apply(&case.client, &case.namespace, role).await.unwrap();
    fails(&case, &[], 4).await.says(&[
        "role.rbac.authorization.k8s.io/apim-shg-rotate",
        "written by kubectl",
    ]);
    case.kubectl_in_namespace(&["delete", "role", NAME]).await;

    // An account of somebody else is neither claimed nor granted anything.
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta });
    apply(&case.client, &case.namespace, account).await.unwrap();
    let labels = ["get", "serviceaccount", NAME, "-o", "jsonpath={.metadata.labels}"];
    fails(&case, &[], 4).await.says(&[
        "serviceaccount/apim-shg-rotate",
        "is not part of this installation",
    ]);
    assert_eq!(case.kubectl_in_namespace(&labels).await, "");
    case.kubectl_in_namespace(&["delete", "serviceaccount", NAME])
        .await;

    // A binding to a Role that does not exist would grant its rights to somebody else.
    let binding = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": meta,
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": NAME },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "dev" }] });
    apply(&case.client, &case.namespace, binding).await.unwrap();
    fails(&case, &[], 4).await.says(&[
        "rolebinding.rbac.authorization.k8s.io/apim-shg-rotate",
        "is not part of this installation",
    ]);
}

#[tokio::test]
async fn a_config_map_that_the_pods_would_wait_for() {
    let case = idle("install-roots").await;
    let named = ["--ca-configmap", "roots"];
    fails(&case, &named, 4)
        .await
        .says(&["configmap/roots does not exist", "create configmap roots"]);
    let roots = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "roots" },
        "data": { "ca.pem": "-" } });
    apply(&case.client, &case.namespace, roots).await.unwrap();
    fails(&case, &named, 4)
        .await
        .says(&["has no key `ca.crt`", "NAME:KEY"]);
    let line = [&MANAGED[..], &["--ca-configmap", "roots:ca.pem"]].concat();
    case.install_cronjob(&line).exits(0).await;
}

/// What binds a name before it exists gets what is created under it.
#[tokio::test]
async fn bindings_that_wait_for_the_installation_are_found_before_it() {
    let case = idle("install-bound").await;
    let namespace = &case.namespace;
    let account = format!("--serviceaccount={namespace}:{NAME}");
    case.kubectl_in_namespace(&["create", "rolebinding", "old", "--clusterrole=view", &account])
        .await;
    case.kubectl_in_namespace(&["create", "rolebinding", "other", "--role", NAME, "--user=dev"])
        .await;
    let refused = fails(&case, &[], 4).await;
    refused.says(&[
        "rolebinding.rbac.authorization.k8s.io/other binds others",
        &format!("kubectl -n {namespace} delete rolebinding.rbac.authorization.k8s.io/other"),
    ]);
    case.kubectl_in_namespace(&["delete", "rolebinding", "other"])
        .await;
    let ended = case.install_cronjob(&MANAGED).exits(0).await;
    ended.says(&[&format!(
        "rolebinding.rbac.authorization.k8s.io/old in namespace {namespace} grants rights"
    )]);
}

#[tokio::test]
async fn an_id_is_taken_without_the_space_around_it() {
    let case = idle("install-space").await;
    let line = ["--auth", "workload-identity", "--client-id"];
    for wrong in ["a b", "a\nb"] {
        let run = case.install_cronjob(&[&line[..], &[wrong]].concat());
        case.fails_untouched(run, 2)
            .await
            .says(&["--client-id contains a space"]);
    }
    let run = case.install_cronjob(&[&line[..], &[" 00000000-0000-0000-0000-00000000c11d\n"]].concat());
    run.exits(0).await;
    let id = [
        "get",
        "serviceaccount",
        NAME,
        "-o",
        "jsonpath={.metadata.annotations}",
    ];
    let id = case.kubectl_in_namespace(&id).await;
    assert!(id.contains("\":\"00000000-0000-0000-0000-00000000c11d\""), "{id}");
}

#[tokio::test]
async fn what_rotate_would_refuse_is_refused_now() {
    let case = Case::new("install-nothing").await;
    fails(&case, &[], 1).await.says(&["has no self-hosted gateway"]);
    case.deploy(&case.idle_portal()).await;
    case.deploy(&case.second_portal().replicas(0)).await;
    fails(&case, &[], 2).await.says(&["several gateways", "--all"]);
    fails(&case, &["deploy/gw", "deploy/gw2", "-t", "gw-token"], 2)
        .await
        .says(&["--token-secret names the Secret, but several gateways"]);
    let labels = json!({ "metadata": { "labels": { "app.kubernetes.io/managed-by": "Helm" },
        "annotations": { "meta.helm.sh/release-name": "gw" } } });
    case.patch_secret("gw-token", &labels).await;
    fails(&case, &["deploy/gw"], 4)
        .await
        .says(&["belongs to Helm", "--adopt"]);
}

#[tokio::test]
async fn an_identity_that_may_not_mint() {
    let case = idle("install-powerless").await;
    let subscription = format!("/subscriptions/{}", case.gateway.subscription);
    let reader = Principal::random().with(Grant::reader(&subscription));
    case.azure().add_principal(reader.clone());
    case.hides(&reader.client_secret);
    let principal = |principal: &Principal, secret: &str| {
        let file = case.file("secret", secret);
        let line = [
            "--auth",
            "service-principal",
            "--client-id",
            &principal.client_id,
            "--tenant",
            &principal.tenant,
            "--client-secret-file",
            file.to_str().unwrap(),
        ];
        case.install_cronjob(&line)
    };
    let run = principal(&reader, &reader.client_secret);
    case.fails_untouched(run, 4).await.says(&[
        "Microsoft.ApiManagement/service/gateways/generateToken/action",
        &case.gateway.id(),
        "kubectl apim render-rbac --azure az -s ",
    ]);
    let run = principal(&reader, "another-secret-than-that");
    case.fails_untouched(run, 1).await.says(&["AADSTS7000215"]);
    let ended = principal(&case.principal, &case.principal.client_secret)
        .exits(0)
        .await;
    ended.says(&["checked", "may mint tokens of each gateway"]);
}

/// An identity without `Microsoft.Authorization/permissions/read` may mint all the same.
#[tokio::test]
async fn an_identity_whose_permissions_are_not_shown() {
    let case = idle("install-unshown").await;
    let fault = Fault::on(Operation::Permissions, Action::status(403));
    case.azure().fault(fault.matching(&case.principal.client_id));
    let file = case.file("secret", &case.principal.client_secret);
    let line = [
        "--auth",
        "service-principal",
        "--client-id",
        &case.principal.client_id,
        "--tenant",
        &case.principal.tenant,
        "--client-secret-file",
        file.to_str().unwrap(),
        "--api-version",
        "2022-08-01",
    ];
    let ended = case.install_cronjob(&line).exits(0).await;
    ended.says(&[
        "whether the pods can mint is unchecked, because Azure does not show the permissions of the pods' identity",
    ]);
    let cron_job = serde_json::to_string(&case.cron_jobs().await[0]).unwrap();
    assert!(cron_job.contains(r#""--api-version=2022-08-01""#), "{cron_job}");
    let bad = [&line[..line.len() - 1], &["2022"]].concat();
    case.install_cronjob(&bad)
        .exits(2)
        .await
        .says(&["a version is a date"]);
}

/// Entra is told of a ServiceAccount after it was installed, so what it lacks
/// is a warning.
#[tokio::test]
async fn a_workload_identity_that_is_not_trusted_yet() {
    let case = idle("install-untrusted").await;
    let untrusted = case.another(|_| ());
    let line = |principal: &Principal| {
        let (client_id, tenant) = (&principal.client_id, &principal.tenant);
        ["--auth", "workload-identity", "-c", client_id, "--tenant", tenant].map(str::to_owned)
    };
    let words = line(&untrusted);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    case.install_cronjob(&words)
        .exits(0)
        .await
        .says(&["federated", "the pods cannot mint yet"]);
    let trusted = case.federated().await;
    let words = line(&trusted);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    case.install_cronjob(&words)
        .exits(0)
        .await
        .says(&["checked", "the workload identity may mint"]);
}

#[tokio::test]
async fn a_secret_of_ones_own_must_have_the_key() {
    let case = idle("install-key").await;
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "mine" },
        "stringData": { "password": case.principal.client_secret } });
    apply(&case.client, &case.namespace, secret).await.unwrap();
    let own = |place: &str| {
        let client_id = &case.principal.client_id;
        case.install_cronjob(&[
            "--auth",
            "service-principal",
            "-c",
            client_id,
            "--existing-secret",
            place,
        ])
    };
    case.fails_untouched(own("mine"), 1).await.says(&[
        "secret/mine",
        "has no key `client-secret`",
        "NAME:KEY",
    ]);
    case.fails_untouched(own("other"), 1)
        .await
        .says(&["reading secret/other"]);
    own("mine:password").exits(0).await.says(&["checked"]);
}
