//! Texts of a tenant that would take over a terminal or fill it.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::case::{Case, DAY};
use crate::run::Ended;

/// Sets the title of a terminal, clears it, and turns the direction of the text.
const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}";

/// No line of what is published about a gateway is longer.
const LONGEST_LINE: usize = 4096;

/// The gateways, by the place of such a text.
const NAMES: [&str; 7] = ["name", "long", "path", "image", "token", "owner", "record"];

/// The app that an installed CronJob signs in as.
const ID: &str = "00000000-0000-0000-0000-000000000001";

impl Ended {
    /// Expects only printable text, in lines that can be read.
    #[track_caller]
    pub(crate) fn is_harmless(&self) {
        let is_hostile = |character: &char| {
            character.is_control() || matches!(*character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        for line in self.stdout.lines().chain(self.stderr.lines()) {
            assert!(line.len() <= LONGEST_LINE, "{} bytes: {:.300}", line.len(), line);
            let found = line.chars().find(is_hostile);
            assert_eq!(found, None, "{line:.300?}");
        }
    }
}

/// A gateway with this environment, whose Secret is its name with `-token`.
async fn deploy(case: &Case, name: &str, image: &str, settings: &[(&str, &str)]) {
    let labels = json!({"app": name});
    let settings = settings
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value}));
    let mut env: Vec<Value> = settings.collect();
    let secret = format!("{name}-token");
    env.push(json!({"name": "config.service.auth", "valueFrom": {"secretKeyRef": {"name": secret, "key": "value"}}}));
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "gw", "image": image, "env": env}]},
        }},
    });
    // Applying parses YAML, which has no control characters.
    let deployment: Deployment = serde_json::from_value(deployment).unwrap();
    case.deployments()
        .create(&PostParams::default(), &deployment)
        .await
        .unwrap();
}

async fn secret(case: &Case, name: &str, value: &str, annotations: &Value) {
    case.hides(value);
    let object = json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": format!("{name}-token"), "annotations": annotations}, "stringData": {"value": value}});
    let object: Secret = serde_json::from_value(object).unwrap();
    case.secrets()
        .create(&PostParams::default(), &object)
        .await
        .unwrap();
}

/// Gateways with such a text in each place where a tenant can write one.
async fn tenants(case: &Case) {
    let (endpoint, image) = (case.endpoint(), "r/azure-api-management/gateway:2");
    let none = json!({});
    let hostile = format!("gw{HOSTILE}");
    let long = "x".repeat(400_000);
    let bad_path = format!(
        "{endpoint}/subscriptions/s%1b%5b31m/resourceGroups/rg/providers/Microsoft.ApiManagement/service/s%1b%5b31m"
    );
    for (name, image, gateway, endpoint) in [
        ("name", image, hostile.as_str(), endpoint.as_str()),
        ("long", image, &long, &format!("{endpoint}/{long}")),
        ("path", image, "gw", &bad_path),
        ("image", &format!("{image}{HOSTILE}.{long}"), "gw", &endpoint),
    ] {
        let settings = [("gateway.name", gateway), ("config.service.endpoint", endpoint)];
        deploy(case, name, image, &settings).await;
        secret(case, name, "", &none).await;
    }
    let settings = [("config.service.endpoint", endpoint.as_str())];
    for name in ["token", "owner", "record"] {
        deploy(case, name, image, &settings).await;
    }
    secret(
        case,
        "token",
        &format!("GatewayKey gw{HOSTILE}&203001010000&c2lnbmF0dXJl"),
        &none,
    )
    .await;
    let release = json!({"meta.helm.sh/release-name": format!("shop{HOSTILE}{}", "y".repeat(200_000))});
    secret(
        case,
        "owner",
        &case.token(apim_sandbox::azure::Slot::Primary, DAY),
        &release,
    )
    .await;
    let record = json!({
        "apim-rotate/expires-at": "2030-01-01T00:00:00Z", "apim-rotate/rotation-id": HOSTILE,
        "apim-rotate/gateway": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ApiManagement/service/s%1b%5b31m/gateways/gw",
    });
    secret(case, "record", "GatewayKey gw&203001010000&c2lnbmF0dXJl", &record).await;
}

#[tokio::test]
async fn no_text_of_a_tenant_reaches_the_terminal_as_it_is() {
    let case = Case::new("hostile").await;
    tenants(&case).await;
    for format in ["table", "wide", "json", "yaml", "prometheus"] {
        let ended = case.apim(&["status", "-o", format]).exits(0).await;
        for name in NAMES {
            assert!(
                ended.stdout.contains(name),
                "{name} is missing in {}",
                ended.stdout
            );
        }
        ended.is_harmless();
    }
    case.apim(&["rotate", "--all", "--dry-run"])
        .start()
        .await
        .ended()
        .await
        .is_harmless();
    for name in NAMES {
        let target = format!("deployment/{name}");
        let in_full = case.apim(&["status", &target]).exits(0).await;
        assert!(in_full.stdout.starts_with("Name: "), "{}", in_full.stdout);
        in_full.is_harmless();
        let install = format!(
            "install-cronjob {target} --auth workload-identity --client-id {ID} --dry-run=client -o yaml"
        );
        let rotate = format!("rotate {target} --dry-run");
        for line in [rotate, install] {
            let line: Vec<&str> = line.split(' ').collect();
            let ended = case.apim(&line).start().await.ended().await;
            assert!(matches!(ended.code, Some(0 | 1 | 4)), "{ended:?}");
            ended.is_harmless();
        }
    }
}

#[tokio::test]
async fn an_import_whose_prefix_excludes_every_setting_is_refused() {
    let case = Case::new("prefix").await;
    case.deploy(&case.idle_portal()).await;
    let container = json!({"name": "gw", "image": "r/azure-api-management/gateway:2", "envFrom": [
        {"configMapRef": {"name": "gw-env"}}, {"prefix": "OTHER_", "secretRef": {"name": "gw-token"}}]});
    case.patch_deployment(
        "gw",
        &json!({"spec": {"template": {"spec": {"containers": [container]}}}}),
    )
    .await;
    let table = case.apim(&["status", "-o", "json"]).exits(0).await;
    assert_eq!(table.gateway("gw")["verdict"], "Unknown");
    for line in [
        &["rotate"][..],
        &["rotate", "deploy/gw"],
        &["rotate", "deploy/gw", "-t", "gw-token"],
        &["rotate", "--all"],
    ] {
        let ended = case.apim(line).start().await.ended().await;
        assert!(matches!(ended.code, Some(1 | 4 | 6)), "{line:?}: {ended:?}");
    }
}

#[tokio::test]
async fn an_endpoint_with_a_line_break_names_no_instance() {
    let case = Case::new("line-break").await;
    let image = "mcr.microsoft.com/azure-api-management/gateway:2.9.0";
    let endpoint = "https://contoso\nd.configuration.azure-api.net";
    deploy(&case, "gw", image, &[("config.service.endpoint", endpoint)]).await;
    let gw = case.apim(&["status", "-o", "json"]).exits(0).await.gateway("gw");
    assert_eq!(gw["service"], Value::Null, "{gw:#}");
    let text = gw["unread"].to_string();
    assert!(
        text.contains("config.service.endpoint is not valid: `https://contoso d.configuration.azure-api.net` is not a host"),
        "{gw:#}"
    );
}
