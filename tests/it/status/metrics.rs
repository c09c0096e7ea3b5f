//! `status -o prometheus`, read by Prometheus' own client.

use std::path::Path;
use std::process::Stdio;

use apim_sandbox::azure::Slot;
use apim_sandbox::manifests::apply;
use apim_sandbox::python;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::case::{Case, DAY};
use crate::user::{may, user};

const REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/python/requirements.txt");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/python/metrics.py");

/// The samples as the client of Prometheus for Python reads them. It fails if a
/// series is there twice.
async fn samples(text: &str) -> Vec<Value> {
    let python = python::interpreter_with(Path::new(env!("CARGO_TARGET_TMPDIR")), REQUIREMENTS).await;
    let mut child = tokio::process::Command::new(python)
        .args(["-I", SCRIPT])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors} in:\n{text}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The values of a metric, each with its labels.
fn of_metric<'a>(samples: &'a [Value], name: &str) -> Vec<&'a Value> {
    samples.iter().filter(|sample| sample["name"] == name).collect()
}

#[tokio::test]
async fn metrics_name_every_gateway() {
    let case = Case::new("metrics").await;
    case.deploy(&case.gateway("gw", 9)).await;
    let text = case.apim(&["status", "-o", "prometheus"]).exits(0).await.stdout;
    let labels = format!(
        "namespace=\"{}\",workload=\"deployment.apps/gw\",container=\"gw\",secret=\"gw-token\",key=\"value\",gateway=\"gw\",service=\"{}\"",
        case.namespace, case.gateway.service
    );
    assert!(
        text.contains(&format!(
            "apim_gateway_verdict{{{labels},verdict=\"Unprotected\"}} 1\n"
        )),
        "{text}"
    );
    assert!(
        text.contains(&format!(
            "apim_gateway_verdict{{{labels},verdict=\"Healthy\"}} 0\n"
        )),
        "{text}"
    );
    let expiry = format!("apim_gateway_credential_expiry_timestamp_seconds{{{labels}}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&expiry)).unwrap();
    let left = line.parse::<i64>().unwrap() - case.azure().now().as_second();
    assert!((8 * 86_400..=9 * 86_400).contains(&left), "{line}");
}

#[tokio::test]
async fn no_object_of_a_tenant_makes_a_file_that_is_refused() {
    let case = Case::new("metrics-many").await;
    let token = case.token(Slot::Primary, DAY * 9);
    let marks = json!({"apim-rotate/rotation-id": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"});
    for name in ["one", "two"] {
        let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "annotations": marks},
            "stringData": {"value": token}});
        apply(&case.client, &case.namespace, object).await.unwrap();
    }
    let from = |secret: &str| json!({"valueFrom": {"secretKeyRef": {"name": secret, "key": "value"}}});
    let variable = |name: &str, secret: &str| {
        let mut variable = from(secret);
        variable["name"] = json!(name);
        variable
    };
    let endpoint = json!({"name": "config.service.endpoint", "value": case.endpoint()});
    let container =
        |name: &str, env: Value| json!({"name": name, "image": "mirror.local/edge:1", "env": env});
    let odd = json!({"name": "gateway.name", "value": "a\"b\\c\nd\\"});
    for (name, containers) in [
        // One gateway was restarted because of two Secrets.
        (
            "rotated",
            json!([container(
                "a",
                json!([variable("A", "one"), variable("B", "two")])
            )]),
        ),
        (
            "pair",
            json!([
                container(
                    "a",
                    json!([endpoint, odd, variable("config.service.auth", "three")])
                ),
                container(
                    "b",
                    json!([endpoint, odd, variable("config.service.auth", "three")])
                ),
            ]),
        ),
    ] {
        let labels = json!({"app": name});
        let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": {
                "metadata": {"labels": labels, "annotations": marks}, "spec": {"containers": containers}}}});
        apply(&case.client, &case.namespace, object).await.unwrap();
    }
    let text = case.apim(&["status", "-o", "prometheus"]).exits(0).await.stdout;
    let samples = samples(&text).await;
    let wanted = of_metric(&samples, "apim_gateway_pods_wanted");
    assert_eq!(wanted.len(), 4, "{text}");
    let odd = wanted.iter().filter(|sample| {
        sample["labels"]["gateway"]
            .as_str()
            .unwrap()
            .starts_with("a\"b\\c")
    });
    assert_eq!(odd.count(), 2, "{text}");
}

#[tokio::test]
async fn a_user_who_may_not_look_prints_an_incomplete_world() {
    let case = Case::new("metrics-viewer").await;
    case.deploy(&case.gateway("gw", 20)).await;
    let complete = async |kubeconfig: Option<&str>| {
        let run = case.apim(&["status", "-o", "prometheus"]);
        let run = match kubeconfig {
            Some(kubeconfig) => run.env("KUBECONFIG", kubeconfig),
            None => run,
        };
        let samples = samples(&run.exits(0).await.stdout).await;
        let complete = of_metric(&samples, "apim_status_complete");
        assert_eq!(complete.len(), 1);
        let unread: Vec<(String, f64)> = of_metric(&samples, "apim_status_unread")
            .iter()
            .map(|sample| {
                assert_eq!(sample["labels"]["namespace"], case.namespace.as_str());
                let kind = sample["labels"]["kind"].as_str().unwrap().to_owned();
                (kind, sample["value"].as_f64().unwrap())
            })
            .collect();
        (complete[0]["value"].as_f64().unwrap(), unread)
    };
    assert_eq!(complete(None).await, (1.0, Vec::new()));
    let rules = json!([
        may("apps", &["deployments"], &["list"]),
        may("", &["secrets", "configmaps"], &["get"]),
    ]);
    let viewer = user(&case, &rules).await;
    let unread = ["cronjobs", "daemonsets", "pods", "statefulsets"].map(|kind| (kind.to_owned(), 1.0));
    assert_eq!(complete(Some(&viewer)).await, (0.0, unread.to_vec()));
    // Without any gateway that it can see.
    user(&case, &json!([may("apps", &["daemonsets"], &["list"])])).await;
    let unread = ["deployments", "statefulsets"].map(|kind| (kind.to_owned(), 1.0));
    assert_eq!(complete(Some(&viewer)).await, (0.0, unread.to_vec()));
}

#[tokio::test]
async fn an_alert_sees_that_all_gateways_are_gone() {
    let case = Case::new("metrics-none").await;
    let counted = async |arguments: &[&str]| {
        let line = [&["status", "-o", "prometheus"], arguments].concat();
        let samples = samples(&case.apim(&line).exits(0).await.stdout).await;
        let gateways = of_metric(&samples, "apim_gateways");
        assert_eq!(gateways.len(), 1, "{samples:#?}");
        gateways[0]["value"].to_string()
    };
    assert_eq!(counted(&["-n", "nowhere"]).await, "0");
    case.deploy(&case.gateway("gw", 20).replicas(0)).await;
    assert_eq!(counted(&[]).await, "1");
}

#[tokio::test]
async fn the_rules_use_metrics_that_are_printed() {
    let case = Case::new("metrics-rules").await;
    case.deploy(&case.gateway("gw", 20).replicas(0)).await;
    let text = case.apim(&["status", "-o", "prometheus"]).exits(0).await.stdout;
    let page = include_str!("../../../docs/status.md");
    let rules = page.split("```yaml").nth(1).unwrap().split("```").next().unwrap();
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut used: Vec<&str> = rules.split(|letter| !is_name(letter)).collect();
    used.retain(|word| word.starts_with("apim_"));
    assert!(used.contains(&"apim_gateways"), "{rules}");
    for name in used {
        assert!(text.contains(&format!("# TYPE {name} gauge\n")), "{name}");
    }
}
