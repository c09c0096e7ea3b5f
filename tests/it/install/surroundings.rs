//! What is around an installation: who uses its objects, who grants rights to its
//! account, what runs, and what this user may not see.

use apim_sandbox::manifests::apply;
use apim_sandbox::wire::{Action, Fault};
use http::Method;
use serde_json::{Value, json};

use super::legacy::apply_the_article;
use super::{NAME, service_principal};
use crate::case::Case;

const MANAGED: [&str; 2] = ["--auth", "managed-identity"];

const UNINSTALL: [&str; 2] = ["uninstall-cronjob", "--yes"];

const ALL: [&str; 4] = [
    "get",
    "serviceaccounts,roles,rolebindings,secrets,networkpolicies,cronjobs",
    "-o",
    "name",
];

async fn idle(name: &str) -> Case {
    let case = Case::new(name).await;
    case.deploy(&case.idle_portal()).await;
    case
}

/// A workload of somebody, with an account and perhaps a Secret.
fn theirs(kind: &str, account: &str, secret: Option<&str>) -> Value {
    let volumes: Vec<Value> = secret
        .into_iter()
        .map(|secret| json!({ "name": "v", "secret": { "secretName": secret } }))
        .collect();
    let mut pod = json!({ "spec": { "serviceAccountName": account, "volumes": volumes, "restartPolicy": "Never",
        "containers": [{ "name": "c", "image": "busybox" }] } });
    let meta = json!({ "name": "theirs" });
    if kind == "CronJob" {
        return json!({ "apiVersion": "batch/v1", "kind": kind, "metadata": meta,
            "spec": { "schedule": "0 0 1 1 *", "suspend": true, "jobTemplate": { "spec": { "template": pod } } } });
    }
    pod["spec"]["restartPolicy"] = json!("Always");
    pod["metadata"] = json!({ "labels": { "app": "theirs" } });
    json!({ "apiVersion": "apps/v1", "kind": kind, "metadata": meta,
        "spec": { "replicas": 0, "selector": { "matchLabels": { "app": "theirs" } }, "template": pod } })
}

#[tokio::test]
async fn an_account_that_something_else_uses_is_named_and_left_with_its_rights() {
    let case = idle("uninstall-used").await;
    for (kind, reference) in [
        ("CronJob", "cronjob.batch/theirs"),
        ("Deployment", "deployment.apps/theirs"),
    ] {
        case.install_cronjob(&MANAGED).exits(0).await;
        apply(&case.client, &case.namespace, theirs(kind, NAME, None))
            .await
            .unwrap();
        let before = case.can_i(NAME).await;
        let ended = case.apim(&UNINSTALL).exits(0).await;
        assert_eq!(ended.stdout, "cronjob.batch/apim-shg-rotate deleted\n");
        let account = "serviceaccount/apim-shg-rotate";
        ended.says(&[
            &format!("{account} is kept, because it is used by {reference}\n"),
            &format!(
                "role.rbac.authorization.k8s.io/{NAME} is kept, because {account} is used by {reference}\n"
            ),
            &format!("rolebinding.rbac.authorization.k8s.io/{NAME} is kept"),
        ]);
        assert_eq!(case.can_i(NAME).await, before);
        case.kubectl_in_namespace(&["delete", reference]).await;
        let ended = case.apim(&UNINSTALL).exits(0).await;
        assert_eq!(ended.stdout.matches(" deleted\n").count(), 3, "{}", ended.stdout);
    }
}

#[tokio::test]
async fn a_secret_that_something_else_mounts_is_named_and_left() {
    let case = idle("uninstall-mounted").await;
    let file = case.file("secret", &case.principal.client_secret);
    case.install_cronjob(&service_principal(&case, &file))
        .exits(0)
        .await;
    let mounts = theirs("Deployment", "default", Some(NAME));
    apply(&case.client, &case.namespace, mounts).await.unwrap();
    let kept = "secret/apim-shg-rotate is kept, because it is used by deployment.apps/theirs";
    // Whether it is not needed any more or everything is removed.
    case.install_cronjob(&MANAGED).exits(0).await.says(&[kept]);
    case.apim(&UNINSTALL).exits(0).await.says(&[kept]);
    case.secret(NAME).await;
}

#[tokio::test]
async fn bindings_that_outlive_the_account_are_named() {
    let case = idle("uninstall-bound").await;
    case.install_cronjob(&MANAGED).exits(0).await;
    let binding = format!("--serviceaccount={}:{NAME}", case.namespace);
    case.kubectl_in_namespace(&["create", "rolebinding", "extra", "--clusterrole=view", &binding])
        .await;
    let everywhere = format!("extra-{}", case.namespace);
    case.kubectl(&[
        "create",
        "clusterrolebinding",
        &everywhere,
        "--clusterrole=view",
        &binding,
    ])
    .exits(0)
    .await;
    let delete = format!(
        "kubectl -n {} delete rolebinding.rbac.authorization.k8s.io/extra",
        case.namespace
    );
    let ended = case.apim(&UNINSTALL).exits(0).await;
    ended.says(&[
        &delete,
        &format!("kubectl delete clusterrolebinding.rbac.authorization.k8s.io/{everywhere}"),
    ]);
    assert_eq!(ended.stdout.matches(" deleted\n").count(), 4, "{}", ended.stdout);
    // What is printed can be pasted.
    case.shell(&delete).exits(0).await;
}

#[tokio::test]
async fn what_depends_on_a_legacy_account_is_shown_before_it_is_replaced() {
    let (case, manifest) = Case::in_pod("install-legacy-used").await;
    apply_the_article(&case, &manifest).await;
    let binding = format!("--serviceaccount={}:{NAME}", case.namespace);
    case.kubectl_in_namespace(&["create", "rolebinding", "extra", "--clusterrole=view", &binding])
        .await;
    let from = format!("cronjob/{NAME}");
    case.kubectl_in_namespace(&["create", "job", "by-hand", "--from", &from])
        .await;
    apply(&case.client, &case.namespace, theirs("CronJob", NAME, None))
        .await
        .unwrap();
    let replace = [&MANAGED[..], &["--replace-legacy"]].concat();
    let refused = case.fails_untouched(case.install_cronjob(&replace), 4).await;
    refused.says(&[
        "serviceaccount/apim-shg-rotate is also used by cronjob.batch/theirs, which would lose its rights",
        "rolebinding.rbac.authorization.k8s.io/extra",
    ]);
    let shown = case.fails_untouched(case.install_cronjob(&MANAGED), 4).await;
    shown.says(&["rolebinding.rbac.authorization.k8s.io/extra", "--replace-legacy"]);
    case.kubectl_in_namespace(&["delete", "cronjob", "theirs"]).await;
    let ended = case.install_cronjob(&replace).exits(0).await;
    ended.says(&["rolebinding.rbac.authorization.k8s.io/extra in namespace"]);
}

#[tokio::test]
async fn a_legacy_account_loses_the_identity_that_is_not_asked_for() {
    let case = idle("install-legacy-identity").await;
    apply_the_article(&case, &case.idle_portal()).await;
    let annotate = [
        "annotate",
        "serviceaccount",
        NAME,
        "azure.workload.identity/client-id=11111111-2222-3333-4444-555555555555",
    ];
    case.kubectl_in_namespace(
        &[
            &annotate[..],
            &["azure.workload.identity/tenant-id=two", "theirs=three"],
        ]
        .concat(),
    )
    .await;
    let replace = [&MANAGED[..], &["--replace-legacy"]].concat();
    let shown = case
        .install_cronjob(&[&replace[..], &["--dry-run=server", "--diff"]].concat())
        .exits(0)
        .await
        .stdout;
    assert!(
        shown.contains("-    azure.workload.identity/client-id: 11111111-2222-3333-4444-555555555555\n"),
        "{shown}"
    );
    case.install_cronjob(&replace).exits(0).await;
    let annotations = [
        "get",
        "serviceaccount",
        NAME,
        "-o",
        "jsonpath={.metadata.annotations.theirs}",
    ];
    assert_eq!(case.kubectl_in_namespace(&annotations).await, "three");
    let account = case
        .kubectl_in_namespace(&["get", "serviceaccount", NAME, "-o", "yaml"])
        .await;
    assert!(!account.contains("azure.workload.identity"), "{account}");
}

#[tokio::test]
async fn a_job_that_runs_is_named_although_it_has_no_labels() {
    let case = idle("install-legacy-runs").await;
    apply_the_article(&case, &case.idle_portal()).await;
    // No node is like this, so the Job does not end.
    let pod = json!({ "nodeSelector": { "no": "node" } });
    let patch = json!({ "spec": { "jobTemplate": { "spec": { "template": { "spec": pod } } } } }).to_string();
    case.kubectl_in_namespace(&["patch", "cronjob", NAME, "-p", &patch])
        .await;
    let from = format!("cronjob/{NAME}");
    case.kubectl_in_namespace(&["create", "job", "by-hand", "--from", &from])
        .await;
    let run = case.install_cronjob(&[&MANAGED[..], &["--replace-legacy", "--dry-run=server"]].concat());
    run.exits(0)
        .await
        .says(&["job.batch/by-hand is running, and ends with its CronJob"]);
}

/// What few users may do is not needed, and what was not seen is said.
#[tokio::test]
async fn what_this_user_may_not_see_is_said() {
    let case = idle("uninstall-blind").await;
    let file = case.file("secret", &case.principal.client_secret);
    let kinds = json!([
        { "apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get", "list", "delete"] },
        { "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"], "verbs": ["get", "list", "delete"] },
        { "apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": ["get", "list", "delete"] },
        { "apiGroups": ["batch"], "resources": ["cronjobs"], "verbs": ["get", "list", "delete"] },
    ]);
    let mut with_secret = kinds.clone();
    with_secret.as_array_mut().unwrap().push(
        json!({ "apiGroups": [""], "resources": ["secrets"], "resourceNames": [NAME], "verbs": ["get", "delete"] }),
    );
    let blind = case.user_with("blind", &kinds).await.display().to_string();
    let sees = case
        .user_with("sees-one", &with_secret)
        .await
        .display()
        .to_string();
    case.install_cronjob(&service_principal(&case, &file))
        .exits(0)
        .await;
    let run = case.apim(&UNINSTALL).env("KUBECONFIG", &blind);
    let ended = run.exits(0).await;
    let delete = format!("kubectl -n {} delete secret/{NAME}", case.namespace);
    ended.says(&[
        "this user may not read secrets",
        &delete,
        "this user may not list jobs, deployments, statefulsets, daemonsets, pods, clusterrolebindings",
        "looking for running Jobs",
    ]);
    assert_eq!(ended.stdout.matches(" deleted\n").count(), 4, "{}", ended.stdout);
    case.secret(NAME).await;
    let ended = case.apim(&UNINSTALL).env("KUBECONFIG", &sees).exits(0).await;
    assert_eq!(ended.stdout, "secret/apim-shg-rotate deleted\n");
}

#[tokio::test]
async fn a_server_that_fails_is_no_reason_to_leave_the_secret() {
    let case = idle("uninstall-fails").await;
    let file = case.file("secret", &case.principal.client_secret);
    case.install_cronjob(&service_principal(&case, &file))
        .exits(0)
        .await;
    let before = case.kubectl_in_namespace(&ALL).await;
    for resource in ["secrets", "jobs", "pods", "clusterrolebindings"] {
        let wire = case.sandbox.wire(&case.kubeconfig_path()).await.unwrap();
        let path = format!("/{resource}?");
        wire.fault(Fault::on(&path, Action::status(500)).method(Method::GET));
        let line = [&UNINSTALL[..], &["--request-timeout", "2s"]].concat();
        let ended = case.apim(&line).through(&wire).exits(1).await;
        ended.says(&[&format!("listing {resource}")]);
        assert_eq!(case.kubectl_in_namespace(&ALL).await, before);
    }
}
