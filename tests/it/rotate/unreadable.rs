//! What cannot be read, for a moment or at all, and does not end a run.

use apim_sandbox::manifests::apply;
use apim_sandbox::wire::{Action, Fault, Wire};
use serde_json::{Value, json};

use crate::case::Case;
use crate::user::{may, user};

/// More ConfigMaps than are read one by one.
const MANY: usize = 9;

async fn idle(name: &str) -> Case {
    let case = Case::new(name).await;
    case.deploy(&case.idle_portal()).await;
    case
}

async fn wire(case: &Case) -> Wire {
    case.sandbox.wire(&case.kubeconfig_path()).await.unwrap()
}

fn kubeconfig(wire: &Wire) -> String {
    wire.kubeconfig_path().display().to_string()
}

/// Workloads beside the gateway that take their environment from ConfigMaps.
async fn neighbours(case: &Case, count: usize) {
    for number in 0..count {
        let name = format!("other-{number}");
        let labels = json!({"app": name});
        for object in [
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"COLOUR": "blue"}}),
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
                "replicas": 0, "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [
                    {"name": "c", "image": "busybox:1", "envFrom": [{"configMapRef": {"name": name}}]}]}}}}),
        ] {
            apply(&case.client, &case.namespace, object).await.unwrap();
        }
    }
}

/// What a bare `rotate` needs, without the right to list ConfigMaps.
fn rights(kinds: &[&str]) -> Value {
    json!([
        may("apps", kinds, &["list"]),
        may("apps", &["deployments"], &["get", "patch"]),
        may("", &["secrets"], &["get", "patch"]),
        may("", &["configmaps"], &["get"]),
    ])
}

#[tokio::test]
async fn a_config_map_that_fails_once_is_read_again() {
    let case = idle("config-map-busy").await;
    let wire = wire(&case).await;
    for action in [Action::status(503), Action::retry_after(429, 1)] {
        for target in [&[][..], &["deploy/gw"]] {
            let before = wire.seen().len();
            wire.fault(Fault::on("/configmaps/gw-env", action.clone()).once());
            let line = [&["rotate", "--no-wait"], target].concat();
            case.apim(&line).through(&wire).exits(0).await;
            let seen = wire.seen().split_off(before);
            let reads = seen.iter().filter(|seen| seen.uri.contains("/configmaps/gw-env"));
            assert_eq!(reads.count(), 2, "{line:?}, {action:?}: {seen:?}");
            case.rolled_out("gw").await;
        }
    }
    assert_eq!(case.mints(), 4);
}

#[tokio::test]
async fn config_maps_that_cannot_be_listed_are_read_one_by_one() {
    let case = idle("config-maps-get").await;
    let kinds = ["deployments", "statefulsets", "daemonsets"];
    let kubeconfig = user(&case, &rights(&kinds)).await;
    for count in [3, MANY] {
        neighbours(&case, count).await;
        let run = case.apim(&["rotate", "--no-wait"]);
        run.env("KUBECONFIG", &kubeconfig).exits(0).await;
        case.rolled_out("gw").await;
    }
    assert_eq!(case.mints(), 2);
}

#[tokio::test]
async fn a_kind_of_workload_that_cannot_be_listed_is_a_warning() {
    let case = idle("kind-hidden").await;
    let kubeconfig = user(&case, &rights(&["deployments", "statefulsets"])).await;
    let run = case.apim(&["rotate", "--no-wait", "-o", "json"]);
    let ended = run.env("KUBECONFIG", &kubeconfig).exits(0).await;
    ended.says(&["warning: listing the daemonsets of namespace", "not allowed"]);
    let warnings = ended.json()["warnings"].to_string();
    assert!(warnings.contains("listing the daemonsets"), "{warnings}");

    let kubeconfig = user(&case, &rights(&["replicasets"])).await;
    let run = case.apim(&["rotate"]).env("KUBECONFIG", &kubeconfig);
    let says = ["listing the deployments of namespace", "deployment/NAME"];
    case.fails_untouched(run, 1).await.says(&says);

    // The gateway may be among what is hidden.
    let kubeconfig = user(&case, &rights(&["statefulsets", "daemonsets"])).await;
    for command in [&["rotate"][..], &["rotate", "--all"], &["render-rbac"]] {
        let run = case.apim(command).env("KUBECONFIG", &kubeconfig);
        let ended = case.fails_untouched(run, 1).await;
        ended.says(&["listing the deployments of namespace", "not allowed"]);
        assert!(
            !ended.stderr.contains("has no self-hosted gateway"),
            "{}",
            ended.stderr
        );
    }
}

#[tokio::test]
async fn a_config_map_that_cannot_be_read_is_named_and_not_missed_where_all_is_given() {
    let case = idle("config-map-hidden").await;
    let rules = json!([
        may("apps", &["deployments"], &["get", "patch"]),
        may("", &["secrets"], &["get", "patch"]),
    ]);
    let denied = user(&case, &rules).await;
    let wire = wire(&case).await;
    // Not a failure that is worth a second attempt.
    wire.fault(Fault::on("/configmaps/gw-env", Action::status(505)));
    let through_wire = kubeconfig(&wire);
    let users = [(&denied, "not allowed"), (&through_wire, "the wire fails")];
    for (kubeconfig, why) in users {
        let run = case.apim(&["rotate", "deploy/gw"]).env("KUBECONFIG", kubeconfig);
        let ended = case.fails_untouched(run, 1).await;
        ended.says(&["--apim-instance", "configmap/gw-env may hold the settings", why]);
    }
    for (kubeconfig, _) in users {
        let line = ["rotate", "deploy/gw", "--no-wait", "-a", &case.gateway.service];
        let run = case.apim(&line).env("KUBECONFIG", kubeconfig);
        run.exits(0).await;
    }
}
