//! Gateways whose settings are gone, and workloads that run no gateway.

use apim_sandbox::azure::Slot;
use apim_sandbox::manifests::apply;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::case::{Case, DAY};
use crate::user::{may, user};

/// A Deployment without pods whose containers run images that are not known.
async fn deploy(case: &Case, name: &str, containers: Value, annotations: Value) {
    let labels = json!({"app": name});
    let object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels, "annotations": annotations}, "spec": {"containers": containers}}},
    });
    apply(&case.client, &case.namespace, object).await.unwrap();
}

async fn config_map(case: &Case, name: &str, data: Value) {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data});
    apply(&case.client, &case.namespace, object).await.unwrap();
}

async fn secret(case: &Case, name: &str, data: Value) {
    let object =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
    apply(&case.client, &case.namespace, object).await.unwrap();
}

/// A container of a mirrored image that takes its whole environment from a
/// ConfigMap and a Secret.
fn mirrored(config_map: &str, secret: &str) -> Value {
    json!([{"name": "gw", "image": "mirror.local/edge:1",
        "envFrom": [{"configMapRef": {"name": config_map}}, {"secretRef": {"name": secret}}]}])
}

/// A gateway of a mirrored image, with all its objects.
async fn mirrored_gateway(case: &Case, name: &str) {
    let (map, token) = (format!("{name}-env"), format!("{name}-token"));
    config_map(case, &map, json!({"config.service.endpoint": case.endpoint()})).await;
    secret(
        case,
        &token,
        json!({"config.service.auth": case.token(Slot::Primary, DAY * 20)}),
    )
    .await;
    deploy(case, name, mirrored(&map, &token), json!({})).await;
}

async fn delete_config_map(case: &Case, name: &str) {
    let maps: Api<ConfigMap> = Api::namespaced(case.client.clone(), &case.namespace);
    maps.delete(name, &DeleteParams::default()).await.unwrap();
}

#[tokio::test]
async fn a_gateway_stays_a_row_when_its_config_map_is_deleted() {
    let case = Case::new("vanished").await;
    mirrored_gateway(&case, "gw").await;
    let before = case.apim(&["status", "-o", "json"]).exits(0).await;
    assert_eq!(before.gateway("gw")["verdict"], "Unprotected");
    delete_config_map(&case, "gw-env").await;
    let why = "configmap/gw-env, which the pod spec refers to, does not exist";
    for scope in [
        &["status", "-o", "json"][..],
        &["status", "-A", "-o", "json"],
        &["status", "gw", "-o", "json"],
    ] {
        let ended = case.apim(scope).exits(0).await.json();
        let items = ended["items"].as_array().unwrap();
        let own: Vec<&Value> = items
            .iter()
            .filter(|item| item["namespace"] == case.namespace.as_str())
            .collect();
        assert_eq!(own.len(), 1, "{scope:?}: {own:#?}");
        assert_eq!(
            (&own[0]["verdict"], &own[0]["reason"]),
            (&json!("Unknown"), &json!(why))
        );
        assert_eq!(own[0]["gateway"], "gw");
        assert_eq!(own[0]["secret"]["name"], "gw-token");
    }
    case.apim(&["status", "--fail-within", "1d"])
        .exits(9)
        .await
        .says(&[why]);
    for line in [&["rotate"][..], &["rotate", "deploy/gw"]] {
        let ended = case.fails_untouched(case.apim(line), 4).await;
        ended.says(&[
            "deployment.apps/gw",
            "may run a gateway",
            why,
            "--token-secret gw-token",
        ]);
    }
    let fleet = case
        .fails_untouched(case.apim(&["rotate", "--all", "--yes"]), 6)
        .await;
    fleet.says(&["deployment.apps/gw", why]);
    // Beside a gateway that can be rotated, it is a warning.
    let other = case.idle_portal();
    other.apply(&case.client, &case.namespace).await.unwrap();
    let token = json!({"config.service.auth": case.token(Slot::Primary, DAY * 20)});
    secret(&case, "lost-token", token).await;
    deploy(&case, "lost", mirrored("no-env", "lost-token"), json!({})).await;
    let ended = case.apim(&["rotate", "--dry-run"]).exits(0).await;
    ended.says(&["deployment.apps/lost may run a gateway too"]);
}

/// A workload and the row that it must be: the verdict and words of the reason.
struct Neighbour {
    name: &'static str,
    containers: Value,
    /// Whether a rotation has marked it.
    is_marked: bool,
    row: Option<(&'static str, &'static str)>,
}

fn row(name: &'static str, containers: Value, verdict: &'static str, words: &'static str) -> Neighbour {
    Neighbour {
        name,
        containers,
        is_marked: false,
        row: Some((verdict, words)),
    }
}

fn no_row(name: &'static str, containers: Value) -> Neighbour {
    Neighbour {
        row: None,
        ..row(name, containers, "", "")
    }
}

fn marked(neighbour: Neighbour) -> Neighbour {
    Neighbour {
        is_marked: true,
        ..neighbour
    }
}

const IMAGE: &str = "mcr.microsoft.com/azure-api-management/gateway:2.11.1";

fn from_secret(variable: &str, name: &str, key: &str) -> Value {
    json!({"name": variable, "valueFrom": {"secretKeyRef": {"name": name, "key": key}}})
}

/// What is there: neither `gone` nor `no-such`.
async fn objects(case: &Case) {
    let token = case.token(Slot::Primary, DAY * 20);
    for (name, data) in [
        ("holds", json!({"config.service.auth": token, "value": token})),
        ("free", json!({"value": token})),
        (
            "all",
            json!({"config.service.auth": token, "config.service.endpoint": "in.secret.invalid"}),
        ),
        ("app", json!({"config.service.auth.azureAd.clientSecret": "x"})),
        ("db", json!({"PASSWORD": "x", "value": "x"})),
    ] {
        secret(case, name, data).await;
    }
    config_map(case, "where", json!({"elsewhere": "x"})).await;
    config_map(case, "env", json!({"config.service.endpoint": case.endpoint()})).await;
}

/// Gateways that lack an object or a key.
fn gateways() -> Vec<Neighbour> {
    let auth = from_secret("config.service.auth", "holds", "value");
    let mut optional = mirrored("gone", "holds");
    optional[0]["envFrom"][0]["configMapRef"]["optional"] = json!(true);
    let pair = json!([
        {"name": "sidecar", "image": "shop/sidecar:1", "envFrom": [{"configMapRef": {"name": "gone"}}]},
        {"name": "gw", "image": IMAGE, "env": [auth]},
    ]);
    let mut twice = mirrored("env", "holds");
    let imports = twice[0]["envFrom"].as_array_mut().unwrap();
    imports.push(json!({"secretRef": {"name": "no-such"}}));
    let by_key = json!([{"name": "gw", "image": IMAGE, "env": [auth,
        {"name": "config.service.endpoint", "valueFrom": {"configMapKeyRef": {"name": "where", "key": "endpoint"}}}]}]);
    let app_secret = json!([{"name": "gw", "image": "mirror.local/edge:1",
        "envFrom": [{"configMapRef": {"name": "gone"}}],
        "env": [from_secret("config.service.auth.azureAd.clientSecret", "app", "config.service.auth.azureAd.clientSecret")]}]);
    let secret_alone =
        json!([{"name": "gw", "image": "mirror.local/edge:1", "envFrom": [{"secretRef": {"name": "all"}}]}]);
    let no_map = "configmap/gone, which the pod spec refers to, does not exist";
    let no_cron_job = "no CronJob";
    vec![
        row("map-gone", mirrored("gone", "holds"), "Unknown", no_map),
        row("map-optional", optional, "Unprotected", no_cron_job),
        row(
            "key-gone",
            by_key,
            "Unknown",
            "configmap/where has no key `endpoint`",
        ),
        row("sidecar-lacks-map", pair, "Unknown", no_map),
        row(
            "secret-gone",
            mirrored("env", "gone"),
            "Unknown",
            "secret/gone, which the pod spec",
        ),
        row("second-secret-gone", twice, "Unknown", "secret/no-such"),
        row("secret-alone", secret_alone, "Unprotected", no_cron_job),
        row("app-secret", app_secret, "Unknown", no_map),
        row("app-secret-imported", mirrored("gone", "app"), "Unknown", no_map),
        marked(row(
            "rotated-both-gone",
            mirrored("gone", "gone-too"),
            "Unknown",
            no_map,
        )),
    ]
}

/// Workloads of other images, of which one has a token that nothing else uses.
fn others() -> Vec<Neighbour> {
    let app = |name: &str| json!([{"name": "app", "image": "shop/app:1", "env": [from_secret("TOKEN", name, "value")]}]);
    let unsure = "no setting shows that deployment.apps/foreign-token runs a gateway";
    vec![
        row("foreign-token", app("free"), "Unknown", unsure),
        no_row("app-map-gone", mirrored("gone", "db")),
        no_row("app-secret-gone", app("gone")),
        no_row("app-other-secret", app("db")),
        marked(no_row("rotated-reader", app("holds"))),
    ]
}

#[tokio::test]
async fn whatever_is_gone_the_gateway_is_a_row_and_nothing_else_is() {
    let case = Case::new("dangling").await;
    objects(&case).await;
    let neighbours: Vec<Neighbour> = gateways().into_iter().chain(others()).collect();
    for Neighbour {
        name,
        containers,
        is_marked,
        ..
    } in &neighbours
    {
        let id = json!({"apim-rotate/rotation-id": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"});
        let annotations = if *is_marked { id } else { json!({}) };
        deploy(&case, name, containers.clone(), annotations).await;
    }
    let ended = case.apim(&["status", "-o", "json"]).exits(0).await.json();
    let items = ended["items"].as_array().unwrap();
    let mut wrong = Vec::new();
    for Neighbour { name, row, .. } in &neighbours {
        let own = items.iter().filter(|item| item["workload"]["name"] == *name);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let found: Vec<(String, String)> = own
            .map(|item| (text(&item["verdict"]), text(&item["reason"])))
            .collect();
        let fits = match (found.as_slice(), row) {
            ([], None) => true,
            ([(verdict, reason)], Some((expected, words))) => verdict == expected && reason.contains(words),
            _ => false,
        };
        if !fits {
            wrong.push(format!("{name}: {found:?} instead of {row:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn without_the_right_to_read_its_settings_the_secret_shows_a_gateway() {
    let case = Case::new("hidden").await;
    mirrored_gateway(&case, "gw").await;
    let rules = json!([
        may("apps", &["deployments", "statefulsets", "daemonsets"], &["list"]),
        may("", &["secrets"], &["get"]),
    ]);
    let kubeconfig = user(&case, &rules).await;
    let ended = case
        .apim(&["status", "-o", "json"])
        .env("KUBECONFIG", &kubeconfig)
        .exits(0)
        .await;
    assert_eq!(ended.gateway("gw")["gateway"], "gw");
    ended.says(&["settings that would show a gateway could not be read", "gw-env"]);
}
