//! `rotate` of many gateways, from end to end.

mod clouds;
mod consent;
mod events;
mod gateway_list;
mod large;
mod limits;
mod shared;

use apim_sandbox::azure::{Action, Gateway, Slot};
use apim_sandbox::manifests::GatewayManifest;
use futures::{StreamExt, stream};
use serde_json::{Value, json};

use crate::case::{Case, DAY};
use crate::run::Ended;

impl Case {
    /// Another gateway of the case's own instance, in Azure.
    fn gateway_named(&self, name: &str) -> Gateway {
        let gateway = Gateway {
            name: name.to_owned(),
            ..self.gateway.clone()
        };
        self.azure().add_gateway(&gateway);
        gateway
    }

    /// A gateway of this name, in Azure and in the namespace, without a pod.
    async fn member(&self, name: &str) -> GatewayManifest {
        let gateway = self.gateway_named(name);
        let token = self
            .azure()
            .mint(&gateway, Slot::Primary, self.azure().now() + DAY * 2);
        self.hides(&token);
        let manifest =
            GatewayManifest::portal(name, &self.endpoint(), &format!("GatewayKey {token}")).replicas(0);
        manifest.apply(&self.client, &self.namespace).await.unwrap();
        manifest
    }

    /// This many of them, whose Deployments have all been seen by their
    /// controller.
    async fn members(&self, count: usize) -> Vec<GatewayManifest> {
        let manifests: Vec<GatewayManifest> = stream::iter(1..=count)
            .map(async |number| self.member(&format!("gw-{number:03}")).await)
            .buffered(16)
            .collect()
            .await;
        for manifest in &manifests {
            self.rolled_out(&manifest.workload_name()).await;
        }
        manifests
    }
}

impl Ended {
    /// The results whose outcome is this one, by the name of their Secret.
    fn with_outcome(&self, outcome: &str) -> Vec<String> {
        let list = self.json();
        let items = list["items"].as_array().unwrap().iter();
        let named = items.filter(|item| item["outcome"] == outcome).map(|item| {
            let name = item["secret"]["name"]
                .as_str()
                .or(item["workloads"][0]["name"].as_str());
            name.unwrap().to_owned()
        });
        named.collect()
    }
}

#[tokio::test]
async fn a_pod_is_left_the_counts_and_the_first_errors() {
    let case = Case::new("fleet-in-pod").await;
    case.members(2).await;
    let log = case.file("termination-log", "");
    let rotate = || {
        let run = case.apim(&["rotate", "--all"]);
        run.env("KUBERNETES_SERVICE_HOST", "10.0.0.1")
            .env("KUBECTL_APIM_TERMINATION_LOG", log.to_str().unwrap())
    };
    let left = || std::fs::read_to_string(&log).unwrap();
    let result = || serde_json::from_str::<Value>(&left()).unwrap();

    rotate()
        .env("AZURE_CLIENT_SECRET", "not-the-secret")
        .exits(1)
        .await;
    assert_eq!(result()["exitCode"], 1);
    assert_eq!(result()["counts"]["failed"], 2, "{}", left());
    assert!(result()["errors"][0]["message"].is_string(), "{}", left());
    case.shows_no_secret(&left()).await;
    case.disturb_mint(Action::status(400), 1);
    let ended = rotate().exits(6).await;
    assert!(
        ended.stderr.lines().all(|line| line.starts_with('{')),
        "{}",
        ended.stderr
    );
    let list = result();
    assert_eq!(
        (&list["kind"], &list["exitCode"]),
        (&json!("RotationList"), &json!(6))
    );
    assert_eq!(
        (&list["counts"]["failed"], &list["counts"]["rotated"]),
        (&json!(1), &json!(1))
    );
    let error = list["errors"][0]["message"].as_str().unwrap();
    assert!(error.contains("secret/gw-001-token"), "{error}");
    case.shows_no_secret(&left()).await;
}

#[tokio::test]
async fn all_gateways_of_a_namespace() {
    let case = Case::new("fleet").await;
    case.members(3).await;
    let plan = case.apim(&["rotate", "--all", "--dry-run"]).exits(0).await;
    assert_eq!(plan.stdout.matches("Planned").count(), 3, "{}", plan.stdout);
    plan.says(&["3 gateways: 3 to rotate"]);
    assert_eq!(case.mints(), 0);

    let ended = case.apim(&["rotate", "--all", "-o", "json"]).exits(0).await;
    let list = ended.json();
    assert_eq!(
        (list["kind"].as_str(), list["exitCode"].as_u64()),
        (Some("RotationList"), Some(0))
    );
    assert_eq!(list["counts"]["rotated"], 3);
    assert_eq!(
        ended.with_outcome("Rotated"),
        ["gw-001-token", "gw-002-token", "gw-003-token"]
    );
    ended.says(&["3 gateways: 3 rotated", "3/3"]);
    assert_eq!(case.mints(), 3);
    // One list of the instance replaces a read of each gateway, and so its permissions and
    // its locks those of each.
    let asked: Vec<String> = case
        .arm_requests()
        .iter()
        .map(|request| request.method.clone())
        .collect();
    assert_eq!(
        asked.iter().filter(|method| *method == "GET").count(),
        4,
        "one list a run, and the permissions and the locks in the dry run: {asked:?}"
    );

    let again = case
        .apim(&["rotate", "--all", "--if-older-than", "1h"])
        .exits(0)
        .await;
    again.says(&["3 gateways: 0 rotated, 3 not due"]);
    assert_eq!(case.mints(), 3);
    let named = case
        .apim(&["rotate", "deploy", "gw-001", "gw-003", "-o", "name"])
        .exits(0)
        .await;
    let lines: Vec<&str> = named.stdout.lines().collect();
    let expected = [
        "secret/gw-001-token",
        "deployment.apps/gw-001",
        "secret/gw-003-token",
        "deployment.apps/gw-003",
    ];
    assert_eq!(lines, expected);
    assert_eq!(case.mints(), 5);
}

#[tokio::test]
async fn gateways_without_a_token_are_skipped_and_counted() {
    let case = Case::new("fleet-entra").await;
    case.members(1).await;
    let entra = case.member("entra").await;
    let settings = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "entra", "env": [{"name": "config.service.auth", "value": "workloadIdentity", "valueFrom": null}]}]}}}});
    let patch = kube::api::Patch::Strategic(&settings);
    let params = kube::api::PatchParams::default();
    case.deployments()
        .patch(&entra.workload_name(), &params, &patch)
        .await
        .unwrap();
    let ended = case.apim(&["rotate", "--all", "-o", "json"]).exits(0).await;
    assert_eq!(ended.with_outcome("Skipped"), ["entra"]);
    assert_eq!(ended.with_outcome("Rotated"), ["gw-001-token"]);
    ended.says(&["2 gateways: 1 rotated, 1 without a token"]);
}

#[tokio::test]
async fn several_contexts_by_name_and_glob() {
    let (eu, us) = (Case::new("fleet-eu").await, Case::new("fleet-us").await);
    eu.members(1).await;
    us.members(1).await;
    let text = std::fs::read_to_string(eu.sandbox.kubeconfig_path()).unwrap();
    let mut kubeconfig: Value = serde_json::from_str(&text).unwrap();
    let context = |name: &str, case: &Case| {
        let mut context = kubeconfig["contexts"][0].clone();
        context["name"] = json!(name);
        context["context"]["namespace"] = json!(case.namespace);
        context
    };
    let contexts = json!([
        context("prod-eu", &eu),
        context("prod-us", &us),
        context("test", &us)
    ]);
    kubeconfig["contexts"] = contexts;
    let file = eu.file("contexts", &kubeconfig.to_string()).display().to_string();
    // Each instance is another subscription, and the principal may read both.
    let principal = eu
        .principal
        .clone()
        .with(apim_sandbox::azure::Grant::token_operator(&format!(
            "/subscriptions/{}",
            us.gateway.subscription
        )));
    eu.azure().add_principal(principal);
    let run = |arguments: &[&str]| {
        let line = [&["rotate", "--kubeconfig", &file, "--all"], arguments].concat();
        eu.apim(&line)
    };
    let none = run(&["--contexts", "dev-*"]).exits(2).await;
    none.says(&["--contexts dev-* matches no context", "prod-eu, prod-us, test"]);
    run(&["--contexts", "prod-*"]).exits(2).await.says(&[
        "2 gateways in 2 namespaces",
        "--gateways FILE",
        "--yes",
    ]);
    let ended = run(&["--contexts", "prod-*,prod-eu", "--yes", "-o", "json"])
        .exits(0)
        .await;
    let list = ended.json();
    let places: Vec<(&str, &str)> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            (
                item["context"].as_str().unwrap(),
                item["namespace"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        places,
        [
            ("prod-eu", eu.namespace.as_str()),
            ("prod-us", us.namespace.as_str())
        ]
    );
}
