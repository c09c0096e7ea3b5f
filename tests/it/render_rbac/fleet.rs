//! The rights of a fleet.

use apim_sandbox::azure::{Gateway, Slot};
use apim_sandbox::manifests::GatewayManifest;
use serde_json::json;

use super::{Right, golden};
use crate::case::{Case, DAY};

/// Two namespaces with a gateway each, of the first one's instance.
async fn two(name: &str) -> (Case, Case) {
    // The order of the namespaces is that of what is printed.
    let home = Case::new(&format!("{name}-a")).await;
    let away = Case::new(&format!("{name}-b")).await;
    for (case, name) in [(&home, "one"), (&away, "two")] {
        let gateway = Gateway {
            name: name.to_owned(),
            ..home.gateway.clone()
        };
        let azure = home.azure();
        azure.add_gateway(&gateway);
        let token = azure.mint(&gateway, Slot::Primary, azure.now() + DAY * 2);
        home.hides(&token);
        away.hides(&token);
        let manifest = GatewayManifest::portal(name, &home.endpoint(), &format!("GatewayKey {token}"));
        case.deploy(&manifest.replicas(0)).await;
        let label = json!({"metadata": {"labels": {"fleet": home.namespace}}});
        case.patch_deployment(name, &label).await;
    }
    (home, away)
}

fn secrets(verb: &str) -> Right<'_> {
    Right {
        verb,
        group: "",
        resource: "secrets",
        name: "",
    }
}

#[tokio::test]
async fn listed_members_are_named_and_finding_them_needs_only_lists_of_workloads() {
    let (home, away) = two("rbac-listed").await;
    let service = home.gateway.service_id();
    let lines = format!(
        "{} deployment/one {service}/gateways/one\n{} deploy/two {service}/gateways/two\n",
        home.namespace, away.namespace
    );
    let file = home.file("fleet.txt", &lines).display().to_string();
    let name = "apim-shg-rotate-fleet";
    let line = ["--scope", "cluster", "--gateways", &file, "--admission-policy"];
    let rendered = home.rendered(&line).await;
    let named = rendered
        .replace(&home.namespace, "home")
        .replace(&away.namespace, "outpost");
    golden::is_kept("fleet.yaml", &named);
    home.takes(&rendered).await;
    let workloads = Right {
        verb: "list",
        group: "apps",
        resource: "deployments",
        name: "",
    };
    home.lets(name, &workloads, true).await;
    for verb in ["get", "list", "patch", "watch"] {
        home.lets(name, &secrets(verb), false).await;
    }
    let labels = format!("fleet={}", home.namespace);
    let line = [
        "rotate",
        "-A",
        "-l",
        &labels,
        "--gateways",
        &file,
        "--prove",
        "rollout",
    ];
    let ended = home.apim_as(name, &line).await.exits(0).await;
    ended.says(&["2 gateways: 2 rotated"]);
    assert_eq!(home.mints(), 2);
}

#[tokio::test]
async fn all_gateways_can_be_rotated_without_a_right_to_list_secrets() {
    let (home, _away) = two("rbac-cluster").await;
    let name = "apim-shg-rotate-fleet";
    let before = home.kube_requests().await.len();
    let rendered = home.rendered(&["--scope", "cluster"]).await;
    assert_eq!(home.kube_requests().await.len(), before);
    home.takes(&rendered).await;
    home.lets(name, &secrets("patch"), true).await;
    for verb in ["create", "delete", "list", "watch"] {
        home.lets(name, &secrets(verb), false).await;
    }
    let labels = format!("fleet={}", home.namespace);
    let line = ["rotate", "-A", "-l", &labels, "--yes", "--prove", "rollout"];
    let ended = home.apim_as(name, &line).await.exits(0).await;
    ended.says(&["2 gateways: 2 rotated"]);
}
