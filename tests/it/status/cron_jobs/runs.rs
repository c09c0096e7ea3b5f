//! What a run would do, where that depends on other objects than the CronJob.

use apim_sandbox::manifests::apply;
use k8s_openapi::api::batch::v1::CronJob;
use kube::Api;
use kube::api::{DeleteParams, PatchParams};
use serde_json::{Value, json};

use super::{gateway, rows};
use crate::case::Case;

/// A workload of a kind, whose token is in a Secret.
async fn workload(case: &Case, kind: &str, name: &str, image: &str, secret: Option<&str>) {
    let labels = json!({"app": format!("{name}-{kind}")});
    let mut env = json!([]);
    if let Some(secret) = secret {
        env = json!([{"name": "config.service.endpoint", "value": case.endpoint()},
            {"name": "config.service.auth", "valueFrom": {"secretKeyRef": {"name": secret, "key": "value"}}}]);
    }
    let mut object = json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": {"containers": [{"name": "gw", "image": image, "env": env}]}}}});
    match kind {
        // No node matches, so that there is no pod.
        "DaemonSet" => object["spec"]["template"]["spec"]["nodeSelector"] = json!({"none": "none"}),
        _ => object["spec"]["replicas"] = json!(0),
    }
    if kind == "StatefulSet" {
        object["spec"]["serviceName"] = json!(name);
    }
    apply(&case.client, &case.namespace, object).await.unwrap();
}

const IMAGE: &str = "mcr.microsoft.com/azure-api-management/gateway:2.9.0";

/// The verdict and the reason for each workload.
async fn verdicts(case: &Case, arguments: &[&str]) -> Vec<(String, String, String)> {
    let line = [&["status", "-o", "json"], arguments].concat();
    let ended = case.apim(&line).exits(0).await.json();
    let text = |field: &Value| field.as_str().unwrap_or_default().to_owned();
    let items = ended["items"].as_array().unwrap().iter();
    items
        .map(|item| {
            let workload = &item["workload"];
            let kind = text(&workload["kind"]);
            let workload = format!("{kind}/{}", text(&workload["name"]));
            (workload, text(&item["verdict"]), text(&item["unprotected"]))
        })
        .collect()
}

async fn rotates(case: &Case, words: &[&str]) {
    let words = [&["rotate"], words].concat();
    case.cron_job(&json!({"image": "kubectl-apim", "command": ["/kubectl-apim"], "args": words}))
        .await;
}

/// The kinds of those that are protected.
fn healthy(verdicts: &[(String, String, String)]) -> Vec<&str> {
    let healthy = verdicts.iter().filter(|(_, verdict, _)| verdict == "Healthy");
    healthy.map(|(workload, ..)| workload.as_str()).collect()
}

#[tokio::test]
async fn a_name_means_the_workload_that_the_run_takes() {
    let case = Case::new("same").await;
    // Their tokens are in Secrets of their own.
    for name in ["one", "two", "three"] {
        gateway(&case, name, 30)
            .apply(&case.client, &case.namespace)
            .await
            .unwrap();
        case.deployments()
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
    }
    workload(&case, "StatefulSet", "same", IMAGE, Some("two-token")).await;
    workload(&case, "DaemonSet", "same", IMAGE, Some("three-token")).await;
    rotates(&case, &["same"]).await;
    let shown = verdicts(&case, &[]).await;
    assert_eq!(healthy(&shown), ["StatefulSet/same"], "{shown:#?}");
    let (.., reason) = shown
        .iter()
        .find(|(workload, ..)| workload == "DaemonSet/same")
        .unwrap();
    assert!(
        reason.contains("cronjob/apim-rotate does not count: it rotates statefulset.apps/same, the first of the workloads of that name"),
        "{reason}"
    );
    // The same for one by name.
    assert_eq!(healthy(&verdicts(&case, &["ds/same"]).await), Vec::<&str>::new());
    // A fleet takes the same one.
    rotates(&case, &["same", "sts/same"]).await;
    assert_eq!(healthy(&verdicts(&case, &[]).await), ["StatefulSet/same"]);
    rotates(&case, &["ds/same", "same"]).await;
    assert_eq!(
        healthy(&verdicts(&case, &[]).await),
        ["StatefulSet/same", "DaemonSet/same"]
    );
    // One that is no gateway is found first.
    workload(&case, "Deployment", "same", "busybox", None).await;
    rotates(&case, &["same"]).await;
    let shown = verdicts(&case, &[]).await;
    assert_eq!(healthy(&shown), Vec::<&str>::new(), "{shown:#?}");
    let wanted = "it rotates deployment.apps/same, the first of the workloads of that name";
    assert!(
        shown.iter().all(|(.., reason)| reason.contains(wanted)),
        "{shown:#?}"
    );
    let run = case.apim(&["rotate", "same"]).exits(4).await;
    assert!(!run.stderr.contains("statefulset"), "{}", run.stderr);
}

#[tokio::test]
async fn a_second_workload_of_a_secret_is_not_restarted() {
    let case = Case::new("second").await;
    gateway(&case, "gw", 30)
        .apply(&case.client, &case.namespace)
        .await
        .unwrap();
    workload(&case, "StatefulSet", "second", IMAGE, Some("gw-token")).await;
    rotates(&case, &["deploy/gw"]).await;
    let shown = verdicts(&case, &[]).await;
    assert_eq!(healthy(&shown), ["Deployment/gw"], "{shown:#?}");
    let (.., reason) = shown
        .iter()
        .find(|(workload, ..)| workload == "StatefulSet/second")
        .unwrap();
    assert!(
        reason.contains("it rotates the token in secret/gw-token, but restarts deployment.apps/gw only"),
        "{reason}"
    );
    // Without a name it restarts both.
    rotates(&case, &[]).await;
    let shown = verdicts(&case, &[]).await;
    assert_eq!(healthy(&shown).len(), 2, "{shown:#?}");
}

#[tokio::test]
async fn a_location_other_than_the_recorded_one_does_not_count() {
    let case = Case::new("elsewhere").await;
    case.deploy(&case.idle_portal()).await;
    case.apim(&["rotate", "--expiry", "30d"]).exits(0).await;
    let subscription = case.gateway.subscription.to_uppercase();
    for (words, reason) in [
        (&["gw", "-r", "RG-APIM", "-s", subscription.as_str()][..], ""),
        (
            &["gw", "-r", "rg-other"],
            "it names the resource group rg-other, and the last rotation found the instance in rg-apim",
        ),
        (
            &["gw", "-s", "sub-other"],
            "it names the subscription sub-other, and the last rotation found the instance in",
        ),
    ] {
        rotates(&case, words).await;
        let shown = verdicts(&case, &[]).await;
        assert_eq!(
            healthy(&shown).len(),
            usize::from(reason.is_empty()),
            "{words:?}: {shown:#?}"
        );
        assert!(shown[0].2.contains(reason), "{shown:#?}");
    }
}

#[tokio::test]
async fn one_that_is_being_deleted_starts_no_more_runs() {
    let case = Case::new("finalizer").await;
    gateway(&case, "gw", 30)
        .apply(&case.client, &case.namespace)
        .await
        .unwrap();
    let mut object = rows::cron_job(
        "apim-rotate",
        "0 3 * * *",
        &json!({"image": "kubectl-apim",
        "command": ["/kubectl-apim"], "args": ["rotate", "gw"]}),
    );
    object["metadata"]["finalizers"] = json!(["example.com/hold"]);
    apply(&case.client, &case.namespace, object).await.unwrap();
    case.has_succeeded("apim-rotate").await;
    assert_eq!(healthy(&verdicts(&case, &[]).await), ["Deployment/gw"]);
    let cron_jobs: Api<CronJob> = Api::namespaced(case.client.clone(), &case.namespace);
    cron_jobs
        .delete("apim-rotate", &DeleteParams::default())
        .await
        .unwrap();
    let shown = verdicts(&case, &[]).await;
    assert!(shown[0].2.contains("it is being deleted"), "{shown:#?}");
    let release = kube::api::Patch::Merge(json!({"metadata": {"finalizers": null}}));
    cron_jobs
        .patch("apim-rotate", &PatchParams::default(), &release)
        .await
        .unwrap();
}
