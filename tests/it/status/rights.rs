//! What a user without all rights is shown.

use serde_json::json;

use crate::case::Case;
use crate::user::{may, user};

#[tokio::test]
async fn a_value_that_cannot_be_read_is_marked_and_the_row_stays() {
    let case = Case::new("viewer").await;
    case.deploy(&case.gateway("gw", 20)).await;
    let workloads = may("apps", &["deployments"], &["list"]);
    let kubeconfig = user(&case, &json!([workloads])).await;
    let ended = case
        .apim(&["status", "-o", "json"])
        .env("KUBECONFIG", &kubeconfig)
        .exits(0)
        .await;
    let row = ended.gateway("gw");
    assert_eq!(row["verdict"], "Unknown");
    let unread: Vec<&str> = row["unread"]
        .as_array()
        .unwrap()
        .iter()
        .map(|gap| gap["part"].as_str().unwrap())
        .collect();
    assert_eq!(unread, ["credential", "gateway", "service", "pods", "cronJob"]);
    assert!(
        row["unread"][0]["reason"]
            .as_str()
            .unwrap()
            .contains("secrets \"gw-token\" is forbidden"),
        "{row:#}"
    );
    ended.says(&["listing the statefulsets", "listing the daemonsets"]);
    let table = case
        .apim(&["status"])
        .env("KUBECONFIG", &kubeconfig)
        .exits(0)
        .await;
    assert!(table.stdout.contains("<forbidden>"), "{}", table.stdout);
    let wide = case
        .apim(&["status", "-o", "wide"])
        .env("KUBECONFIG", &kubeconfig)
        .exits(0)
        .await;
    assert!(wide.stdout.matches("<forbidden>").count() >= 4, "{}", wide.stdout);
    case.apim(&["status", "--fail-within", "1d"])
        .env("KUBECONFIG", &kubeconfig)
        .exits(9)
        .await;
    let everywhere = case
        .apim(&["status", "-A"])
        .env("KUBECONFIG", &kubeconfig)
        .exits(1)
        .await;
    everywhere.says(&[
        "listing the deployments of all namespaces: not allowed",
        "with -n",
    ]);
}

#[tokio::test]
async fn a_named_gateway_needs_no_right_to_list() {
    let case = Case::new("viewer-named").await;
    case.deploy(&case.gateway("gw", 20)).await;
    let get = |group: &str, resource: &str, name: &str| json!({"apiGroups": [group], "resources": [resource], "resourceNames": [name], "verbs": ["get"]});
    let rules = json!([
        get("apps", "deployments", "gw"),
        get("", "secrets", "gw-token"),
        get("", "configmaps", "gw-env"),
    ]);
    let kubeconfig = user(&case, &rules).await;
    let ended = case
        .apim(&["status", "deploy/gw", "-o", "json"])
        .env("KUBECONFIG", &kubeconfig)
        .exits(0)
        .await;
    let row = ended.gateway("gw");
    // A CronJob that cannot be seen may exist, so the gateway is not called unprotected.
    assert_eq!(row["verdict"], "Healthy", "{row:#}");
    assert_eq!(row["service"], case.gateway.service);
}

#[tokio::test]
async fn an_alarm_that_cannot_look_everywhere_does_not_pass() {
    let case = Case::new("viewer-alarm").await;
    case.deploy(&case.gateway("gw", 20)).await;
    let all = may("apps", &["deployments", "statefulsets", "daemonsets"], &["list"]);
    let rest = may("", &["secrets", "configmaps"], &["get"]);
    let pods = may("", &["pods"], &["list"]);
    let kubeconfig = user(&case, &json!([all, rest, pods])).await;
    let alarm = async || {
        case.apim(&["status", "--fail-within", "10d"])
            .env("KUBECONFIG", &kubeconfig)
    };
    alarm().await.exits(0).await;
    user(&case, &json!([all, rest])).await;
    alarm().await.exits(9).await.says(&["listing the pods"]);
    user(
        &case,
        &json!([may("apps", &["deployments"], &["list"]), rest, pods]),
    )
    .await;
    alarm()
        .await
        .exits(9)
        .await
        .says(&["listing the statefulsets", "some objects could not be read"]);
    // A gateway that only its settings would show, and those may not be read.
    let mirror = json!({"spec": {"template": {"spec": {"containers": [{"name": "gw", "image": "mirror/edge:1",
        "env": null, "envFrom": [{"configMapRef": {"name": "gw-env"}}, {"secretRef": {"name": "gw-token"}}]}]}}}});
    case.patch_deployment("gw", &mirror).await;
    user(&case, &json!([all, may("", &["secrets"], &["get"]), pods])).await;
    alarm()
        .await
        .exits(9)
        .await
        .says(&["settings that would show a gateway could not be read", "gw-env"]);
}

#[tokio::test]
async fn an_alarm_without_any_right_to_look_has_the_code_of_one() {
    let case = Case::new("viewer-nothing").await;
    case.deploy(&case.gateway("gw", 20)).await;
    let kubeconfig = user(&case, &json!([])).await;
    for target in [&[][..], &["deploy/gw"], &["-A"], &["-n", "no-such-namespace"]] {
        let alarm = [&["status", "--fail-within", "10d"], target].concat();
        let run = case.apim(&alarm).env("KUBECONFIG", &kubeconfig);
        run.exits(9).await;
    }
    // Nor if nobody answers.
    let run = case.apim(&[
        "status",
        "--fail-within",
        "10d",
        "--server",
        "https://127.0.0.1:1",
    ]);
    run.exits(9).await;
    // Without the alarm it is an error like any other.
    let run = case.apim(&["status", "deploy/gw"]).env("KUBECONFIG", &kubeconfig);
    run.exits(1).await;
}
