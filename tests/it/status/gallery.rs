//! Gateways in every state, side by side in one namespace.

use apim_sandbox::azure::Slot;
use apim_sandbox::gallery::{GATEWAYS, Gallery};
use apim_sandbox::manifests::apply;
use apim_sandbox::wait;
use serde_json::{Value, json};

use crate::case::{Case, DAY, LIMIT};

/// The gateways of the gallery in a namespace, with a CronJob that rotates them.
pub(crate) async fn gallery(name: &str) -> Case {
    let case = Case::new(name).await;
    let gallery = Gallery {
        azure: case.azure(),
        client: &case.client,
        namespace: &case.namespace,
        instance: &case.gateway,
    };
    let secrets = gallery.deploy(async |arguments| {
        case.apim(arguments).exits(0).await;
        Ok(())
    });
    for secret in secrets.await.unwrap() {
        case.hides(&secret);
    }
    case.hides("an-app-s-secret");
    case
}

/// A gateway that signs in by Entra, its settings in a ConfigMap.
pub(crate) async fn deploy_entra(case: &Case, name: &str, settings: &Value) {
    let mut data = settings.clone();
    data["config.service.endpoint"] = json!(case.endpoint());
    data["gateway.name"] = json!(name);
    let labels = json!({"app": name});
    let of_pods = json!({"app": name, "azure.workload.identity/use": "true"});
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("{name}-env")},
        "data": data});
    let client = json!({"azure.workload.identity/client-id": "22222222-3333-4444-5555-666666666666"});
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "annotations": client}});
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": labels},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": of_pods},
            "spec": {"serviceAccountName": name, "containers": [{"name": name, "image": "mcr.microsoft.com/azure-api-management/gateway:2.11.1",
                "envFrom": [{"configMapRef": {"name": format!("{name}-env")}}]}]},
        }},
    });
    for object in [config, account, deployment] {
        apply(&case.client, &case.namespace, object).await.unwrap();
    }
}

#[tokio::test]
async fn every_gateway_of_a_namespace_has_its_verdict() {
    let case = gallery("gallery").await;
    let ended = case.apim(&["status", "-o", "json"]).exits(0).await;
    let verdicts = ended.verdicts();
    let verdicts: Vec<(&str, &str)> = verdicts
        .iter()
        .map(|(name, verdict)| (name.as_str(), verdict.as_str()))
        .collect();
    let expected: Vec<(&str, &str)> = GATEWAYS.map(|(name, verdict, _)| (name, verdict)).to_vec();
    assert_eq!(verdicts, expected);

    let orders = ended.gateway("orders");
    assert_eq!(orders["auth"], "token");
    assert_eq!(orders["gateway"], "orders");
    assert_eq!(orders["service"], case.gateway.service);
    assert_eq!(orders["secret"], json!({"name": "orders-token", "key": "value"}));
    assert_eq!(orders["cronJob"]["name"], "apim-rotate");
    assert!(orders["cronJob"]["nextRun"].is_string() && orders["cronJob"]["lastRun"].is_null());
    assert!((29 * 86_400..=30 * 86_400).contains(&orders["expiresInSeconds"].as_i64().unwrap()));
    assert_eq!(ended.gateway("payments")["owner"], "Helm release payments");
    assert_eq!(ended.gateway("search")["auth"], "workload-identity");
    assert_eq!(ended.gateway("invoices")["auth"], "app-secret");
    let returns = ended.gateway("returns");
    assert_eq!(returns["pods"]["stale"].as_array().unwrap().len(), 1);
    assert_eq!(returns["rotatedBy"], "apim-rotate");
    assert_eq!(returns["keySlot"], "primary");
    // Only what a person would look at is an alarm.
    let alarm = case.apim(&["status", "--fail-within", "10d"]).exits(9).await;
    for name in [
        "basket", "billing", "catalog", "checkout", "invoices", "loyalty", "pricing", "returns",
    ] {
        alarm.says(&[&format!("deployment.apps/{name} in namespace {}", case.namespace)]);
    }
    alarm.says(&["8 gateways expire within 10 days, or need attention now"]);
    case.apim(&["status", "orders", "shipping", "--fail-within", "10d"])
        .exits(0)
        .await;
    case.apim(&["status", "orders", "shipping", "--fail-within", "13d"])
        .exits(9)
        .await;
    assert!(
        case.kube_writes()
            .await
            .iter()
            .all(|write| !write.uri.contains("status"))
    );
}

#[tokio::test]
async fn each_fix_works() {
    let case = Case::new("fixes").await;
    case.cron_job(
        &json!({"image": "kubectl-apim", "command": ["/kubectl-apim"], "args": ["rotate", "deployment/gw"]}),
    )
    .await;
    case.deploy(&case.portal()).await;
    let mended = async |verdict: &str| {
        let status = case.apim(&["status", "-o", "json"]).exits(0).await.gateway("gw");
        assert_eq!(status["verdict"], verdict, "{status:#}");
        let fix = status["fix"].as_str().unwrap().to_owned();
        // The API server gives times to the second: a pod of the same second
        // as the write would count as older.
        let rotated_at = status["rotatedAt"].as_str().and_then(|time| time.parse().ok());
        wait::until("the second after the write", LIMIT, async || {
            let written: Option<jiff::Timestamp> = rotated_at;
            let elapsed = written.map(|written| case.azure().now().duration_since(written));
            Ok(elapsed.is_none_or(|elapsed| elapsed.as_secs() >= 1).then_some(()))
        })
        .await
        .unwrap();
        let words: Vec<&str> = fix.split(' ').skip(1).collect();
        case.kubectl(&words).exits(0).await;
        case.rolled_out("gw").await;
        case.apim(&["status", "-o", "json"]).exits(0).await.gateway("gw")
    };
    assert_eq!(mended("Expiring").await["verdict"], "Healthy");
    case.apim(&["rotate", "--no-restart"]).exits(0).await;
    assert_eq!(mended("StalePods").await["verdict"], "Healthy");
    let by_hand = json!({"stringData": {"value": case.token(Slot::Primary, DAY * 20)}});
    case.apim(&["rotate"]).exits(0).await;
    case.patch_secret("gw-token", &by_hand).await;
    case.patch_deployment("gw", &json!({"spec": {"replicas": 0}}))
        .await;
    assert_eq!(mended("ChangedByOther").await["verdict"], "Healthy");
}

#[tokio::test]
async fn the_table_sorts_and_leaves_out_its_heads() {
    let case = Case::new("sorts").await;
    for (name, days) in [("a", 9), ("b", 3), ("c", 20)] {
        case.deploy(&case.gateway(name, days)).await;
    }
    let sorted = async |by: &str| {
        let run = case.apim(&["status", "-o", "name", "--sort-by", by]);
        run.exits(0)
            .await
            .stdout
            .replace("deployment.apps/", "")
            .replace('\n', "")
    };
    assert_eq!(sorted("name").await, "abc");
    assert_eq!(sorted("expires-in").await, "bac");
    let table = case.apim(&["status", "--no-headers", "c", "a"]).exits(0).await;
    let rows: Vec<Vec<&str>> = table
        .stdout
        .lines()
        .map(|line| line.split("   ").map(str::trim).collect())
        .collect();
    assert_eq!((rows[0][0], rows[1][0]), ("a", "c"), "{}", table.stdout);
    assert!(table.stdout.contains("Unprotected"));
    let wide = case.apim(&["status", "-o", "wide"]).exits(0).await.stdout;
    assert!(
        wide.starts_with("NAME ")
            && wide.contains("REASON")
            && wide.contains("no CronJob was found that rotates the token"),
        "{wide}"
    );
    assert!(!wide.contains('\u{1b}'));
    let colour = case.apim(&["status", "--color", "always"]).exits(0).await.stdout;
    assert!(colour.contains('\u{1b}'));
}

#[tokio::test]
async fn selecting_by_labels_names_and_namespaces() {
    let case = Case::new("select").await;
    case.deploy(&case.gateway("a", 9)).await;
    case.deploy(&case.gateway("b", 9)).await;
    case.patch_deployment("b", &json!({"metadata": {"labels": {"team": "blue"}}}))
        .await;
    let names = async |arguments: &[&str]| {
        let line = [&["status", "-o", "name"], arguments].concat();
        case.apim(&line).exits(0).await.stdout
    };
    assert_eq!(names(&["-l", "team in (blue,red)"]).await, "deployment.apps/b\n");
    assert_eq!(names(&["deploy", "a"]).await, "deployment.apps/a\n");
    let everywhere = case.apim(&["status", "-A", "-o", "json"]).exits(0).await.json();
    let own = everywhere["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item["namespace"] == case.namespace.as_str());
    assert_eq!(own.count(), 2);
    let none = case.apim(&["status", "-l", "team=none"]).exits(0).await;
    none.says(&["no self-hosted gateway with the labels `team=none` was found in namespace"]);
    case.apim(&["status", "-l", "team=none", "--fail-within", "1d"])
        .exits(9)
        .await;
    let typo = format!("{}-typo", case.namespace);
    for (line, code) in [
        (&["status", "-n", &typo][..], 1),
        (&["status", "-n", &typo, "--fail-within", "1d"], 9),
    ] {
        case.apim(line).exits(code).await.says(&[
            &format!("namespace {typo} does not exist"),
            "kubectl get namespaces",
        ]);
    }
    case.apim(&["status", "-n", "default"]).exits(0).await.says(&[
        "was found in namespace default",
        "there is a gateway in ",
        "look in all with -A",
    ]);
    case.apim(&["status", "absent"])
        .exits(1)
        .await
        .says(&["absent", "does not exist"]);
    case.apim(&["status", "-A", "a"])
        .exits(2)
        .await
        .says(&["by name or by --all-namespaces"]);
}
