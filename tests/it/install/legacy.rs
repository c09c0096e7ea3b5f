//! The objects of the article about the script, and how they are taken over.

use apim_sandbox::manifests::GatewayManifest;
use serde_json::json;

use super::{NAME, cron_job_json, everything, service_principal};
use crate::case::Case;
use crate::script::grant_the_scripts_role;

/// The article's cronjob.yaml, as `kubectl apply` leaves it.
pub(super) async fn apply_the_article(case: &Case, manifest: &GatewayManifest) {
    grant_the_scripts_role(case).await;
    let variable = |name: &str, value: &str| json!({ "name": name, "value": value });
    let env = json!([
        variable("SUBSCRIPTION_ID", &case.gateway.subscription),
        variable("RESOURCE_GROUP", &case.gateway.resource_group),
        variable("APIM_INSTANCE", &case.gateway.service),
        variable("APIM_GATEWAY", &case.gateway.name),
        variable("NAMESPACE", &case.namespace),
        variable("TOKEN_SECRET", &manifest.secret_name()),
        variable("TOKEN_KEY", "rotate"),
        variable("K8S_OBJECT", "deployment/gw"),
        variable("SP_ID", &case.principal.client_id),
        variable("SP_SECRET", &case.principal.client_secret),
        variable("TENANT", &case.principal.tenant),
    ]);
    let pod = json!({
        "metadata": { "labels": { "aadpodidbinding": NAME } },
        "spec": {
            "containers": [{ "name": "update-token", "image": "qbqalex/rotate4shg:latest",
                "imagePullPolicy": "Always", "env": env }],
            "restartPolicy": "Never", "serviceAccountName": NAME, "automountServiceAccountToken": true,
        },
    });
    let object = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": NAME },
        "spec": { "concurrencyPolicy": "Forbid", "schedule": "0 9 1,15 * *", "jobTemplate": { "spec": {
            "activeDeadlineSeconds": 600, "completions": 1, "parallelism": 1, "template": pod } } },
    });
    let apply = ["apply", "-n", &case.namespace, "-f", "-"];
    case.kubectl(&apply).input(&object.to_string()).exits(0).await;
}

#[tokio::test]
async fn they_are_shown_first_and_then_replaced_without_a_clear_secret() {
    let (case, manifest) = Case::in_pod("install-legacy").await;
    apply_the_article(&case, &manifest).await;
    let before = case.credential(&manifest).await;
    let file = case.file("secret", &case.principal.client_secret);
    let line = service_principal(&case, &file);
    let shown = case.fails_untouched(case.install_cronjob(&line), 4).await;
    shown.says(&["run the script apim-shg-rotate", "--replace-legacy"]);
    assert!(shown.stdout.contains("value: (hidden)\n"), "{}", shown.stdout);
    assert!(shown.stdout.contains("+  - gw-token\n"), "{}", shown.stdout);

    let replace = [&line[..], &["--replace-legacy"]].concat();
    let ended = case.install_cronjob_that_runs(&replace).await.exits(0).await;
    assert!(
        ended.stdout.contains("cronjob.batch/apim-shg-rotate replaced"),
        "{}",
        ended.stdout
    );
    let cron_jobs = case.cron_jobs().await;
    let [cron_job] = cron_jobs.as_slice() else {
        panic!("{cron_jobs:?}")
    };
    let containers =
        &cron_job_json(cron_job)["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"];
    assert_eq!(containers.as_array().unwrap().len(), 1);
    let args = containers[0]["args"].to_string();
    assert!(
        args.contains(&format!("--subscription-id={}", case.gateway.subscription)),
        "{args}"
    );
    assert_eq!(
        case.rules().await,
        ["get,patch secrets gw-token", "get,patch deployments gw"]
    );
    assert!(!everything(&case).await.contains(&case.principal.client_secret));
    let after = case.credential(&manifest).await;
    assert!(after != before && case.azure().accepts(&after));
}

#[tokio::test]
async fn a_role_alone_is_recognised_too() {
    let case = Case::new("install-role").await;
    case.deploy(&case.idle_portal()).await;
    grant_the_scripts_role(&case).await;
    let run = case.install_cronjob(&["--auth", "managed-identity"]);
    case.fails_untouched(run, 4).await.says(&["--replace-legacy"]);
    case.install_cronjob(&["--auth", "managed-identity", "--replace-legacy"])
        .exits(0)
        .await;
    let rules = case.rules().await;
    assert_eq!(rules, ["get,patch secrets gw-token", "get,patch deployments gw"]);
}

#[tokio::test]
async fn what_would_be_refused_a_successor_is_not_removed() {
    let case = Case::new("install-legacy-refused").await;
    let manifest = case.idle_portal();
    case.deploy(&manifest).await;
    apply_the_article(&case, &manifest).await;
    let kubeconfig = case.installer().await;
    let versions = [
        "get",
        "cronjobs,roles,rolebindings,serviceaccounts",
        "-o",
        "jsonpath={range .items[*]}{.kind} {.metadata.uid} {.metadata.resourceVersion}{'\\n'}{end}",
    ];
    let before = case.kubectl_in_namespace(&versions).await;
    let run = case
        .install_cronjob(&["--auth", "managed-identity", "--replace-legacy"])
        .env("KUBECONFIG", kubeconfig.to_str().unwrap());
    case.fails_untouched(run, 4)
        .await
        .says(&["a user can grant only rights that the user has"]);
    assert_eq!(case.kubectl_in_namespace(&versions).await, before);
}
