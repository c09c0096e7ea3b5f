//! Whose an object is: nothing of others is taken or removed, and nothing that
//! is still needed.

use apim_sandbox::manifests::apply;
use serde_json::json;

use super::{NAME, cron_job_json, service_principal};
use crate::case::Case;

const MANAGED: [&str; 2] = ["--auth", "managed-identity"];

async fn idle(name: &str) -> Case {
    let case = Case::new(name).await;
    case.deploy(&case.idle_portal()).await;
    case
}

#[tokio::test]
async fn a_secret_that_the_pods_mount_is_not_left_over() {
    let case = idle("install-same-secret").await;
    let file = case.file("secret", &case.principal.client_secret);
    let first = service_principal(&case, &file);
    case.install_cronjob(&first).exits(0).await;
    let client_id = &case.principal.client_id;
    let existing = format!("{NAME}:client-secret");
    let again = [
        "--auth",
        "service-principal",
        "-c",
        client_id,
        "--existing-secret",
        &existing,
    ];
    let ended = case.install_cronjob(&again).exits(0).await;
    assert!(!ended.stdout.contains("deleted"), "{}", ended.stdout);
    ended.says(&["secret/apim-shg-rotate is kept, because cronjob.batch/apim-shg-rotate refers to it"]);
    case.secret(NAME).await;
    // Once nothing refers to it, it goes.
    let ended = case.install_cronjob(&MANAGED).exits(0).await;
    assert!(
        ended.stdout.contains("secret/apim-shg-rotate deleted\n"),
        "{}",
        ended.stdout
    );
}

#[tokio::test]
async fn two_installations_at_once_lose_no_gateway() {
    let case = idle("install-at-once").await;
    case.deploy(&case.second_portal().replicas(0)).await;
    for round in 0..6 {
        // From nothing, and beside an installation that is there.
        let first = if round % 2 == 0 { "deploy/gw" } else { "deploy/gw2" };
        if round >= 3 {
            case.install_cronjob(&[&[first][..], &MANAGED].concat())
                .exits(0)
                .await;
        }
        let one = case.install_cronjob(&["deploy/gw", MANAGED[0], MANAGED[1]]);
        let other = case.install_cronjob(&["deploy/gw2", MANAGED[0], MANAGED[1]]);
        tokio::join!(one.exits(0), other.exits(0));
        let cron_jobs = case.cron_jobs().await;
        let args =
            cron_job_json(&cron_jobs[0])["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
                ["args"]
                .clone();
        for name in ["deployment/gw", "deployment/gw2"] {
            assert!(args.as_array().unwrap().contains(&json!(name)), "{args}");
        }
        assert_eq!(
            case.rules().await,
            [
                "get,patch secrets gw-token,gw2-token",
                "get,patch deployments gw,gw2"
            ]
        );
        case.apim(&["uninstall-cronjob", "--yes"]).exits(0).await;
    }
}

#[tokio::test]
async fn only_what_was_installed_is_removed() {
    let case = idle("uninstall-precious").await;
    case.install_cronjob(&MANAGED).exits(0).await;
    // A copy of an object has its labels too.
    let labels = json!({ "app.kubernetes.io/instance": NAME, "app.kubernetes.io/managed-by": "kubectl-apim",
        "app.kubernetes.io/component": "token-rotation" });
    let precious =
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "precious", "labels": labels } });
    apply(&case.client, &case.namespace, precious).await.unwrap();
    let ended = case.apim(&["uninstall-cronjob", "--yes"]).exits(0).await;
    assert_eq!(ended.stdout.matches(" deleted\n").count(), 4, "{}", ended.stdout);
    ended.says(&[
        "secret/precious has the labels of the installation but was not installed by it, so it is kept",
    ]);
    case.secret("precious").await;
}

#[tokio::test]
async fn a_job_that_runs_is_named_before_it_ends() {
    let case = idle("uninstall-running").await;
    case.install_cronjob(&[&MANAGED[..], &["--suspend"]].concat())
        .exits(0)
        .await;
    let from = format!("cronjob/{NAME}");
    case.kubectl_in_namespace(&["create", "job", "by-hand", "--from", &from])
        .await;
    case.kubectl_in_namespace(&[
        "wait",
        "job/by-hand",
        "--for=jsonpath={.status.active}=1",
        "--timeout=60s",
    ])
    .await;
    case.apim(&["uninstall-cronjob", "--dry-run"])
        .exits(0)
        .await
        .says(&["job.batch/by-hand is running, and ends with its CronJob"]);
}

#[tokio::test]
async fn an_annotation_that_is_no_longer_asked_for_goes() {
    let case = idle("install-annotation").await;
    let identity = [
        "--auth",
        "workload-identity",
        "--client-id",
        "99999999-8888-7777-6666-555555555555",
        "--tenant",
        "t",
    ];
    case.install_cronjob(&identity).exits(0).await;
    let annotations = [
        "get",
        "serviceaccount",
        NAME,
        "-o",
        "jsonpath={.metadata.annotations}",
    ];
    assert!(
        case.kubectl_in_namespace(&annotations)
            .await
            .contains("client-id")
    );
    let ended = case.install_cronjob(&MANAGED).exits(0).await;
    assert!(
        ended
            .stdout
            .contains("serviceaccount/apim-shg-rotate configured\n"),
        "{}",
        ended.stdout
    );
    assert_eq!(case.kubectl_in_namespace(&annotations).await, "");
}

#[tokio::test]
async fn a_role_of_others_is_not_taken_however_alike() {
    let case = idle("install-alike").await;
    case.install_cronjob(&MANAGED).exits(0).await;
    let role = case
        .kubectl_in_namespace(&["get", "role", NAME, "-o", "json"])
        .await;
    let mut role: serde_json::Value = serde_json::from_str(&role).unwrap();
    case.apim(&["uninstall-cronjob", "--yes"]).exits(0).await;
    // The very rules, installed by somebody else.
    role["metadata"] = json!({ "name": NAME });
    apply(&case.client, &case.namespace, role).await.unwrap();
    let run = case.install_cronjob(&MANAGED);
    case.fails_untouched(run, 4).await.says(&[
        "role.rbac.authorization.k8s.io/apim-shg-rotate",
        "is not part of this installation",
    ]);
    case.apim(&["uninstall-cronjob", "--yes"])
        .exits(0)
        .await
        .says(&["nothing is installed under the name apim-shg-rotate"]);
    case.kubectl_in_namespace(&["get", "role", NAME]).await;
}

#[tokio::test]
async fn rendered_rights_are_no_installation() {
    let case = idle("install-rendered").await;
    let rendered = case
        .apim(&["render-rbac", "deployment/gw", "--token-secret", "gw-token"])
        .exits(0)
        .await
        .stdout;
    let apply = ["apply", "-n", &case.namespace, "-f", "-"];
    case.kubectl(&apply).input(&rendered).exits(0).await;
    // Under their own name they are neither taken nor removed.
    for name in [NAME, "apim-shg-rotate-rights"] {
        case.apim(&["uninstall-cronjob", name, "--yes"])
            .exits(0)
            .await
            .says(&["nothing is installed under the name"]);
    }
    let rights = ["get", "serviceaccounts,roles,rolebindings", "-o", "name"];
    assert_eq!(case.kubectl_in_namespace(&rights).await.matches(NAME).count(), 3);
    case.install_cronjob(&MANAGED).exits(0).await;
    let removed = case.apim(&["uninstall-cronjob", "--yes"]).exits(0).await.stdout;
    assert_eq!(removed.matches(" deleted\n").count(), 4, "{removed}");
    assert_eq!(case.kubectl_in_namespace(&rights).await.matches(NAME).count(), 3);
}
