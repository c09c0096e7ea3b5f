//! The rights of a fleet.

use apim_sandbox::azure::{Gateway, Slot};
use apim_sandbox::manifests::GatewayManifest;
use serde_json::json;

use super::admission::put_in_force;
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

/// The half of the policies that needs no names.
#[tokio::test]
async fn without_names_the_policies_limit_what_may_change() {
    let (home, _away) = two("rbac-unnamed").await;
    let name = "apim-shg-rotate-fleet";
    let line = ["--scope", "cluster", "--admission-policy"];
    let rendered = home.rendered(&line).await;
    put_in_force(&home, name, &rendered, &["secret/one-token", "deployment/one"]).await;
    let value = |text: &str| json!({"stringData": {"value": text}});
    home.patch_secret("one-token", &json!({"stringData": {"other": "precious"}}))
        .await;
    let token = home.token(Slot::Primary, DAY);
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "one", "image": "evil"}]}}}});
    for (object, change, why) in [
        ("secret/one-token", value("x"), "only the key of the credential"),
        (
            "secret/one-token",
            json!({"data": {"value": null}}),
            "only the key of the credential",
        ),
        (
            "secret/one-token",
            json!({"stringData": {"more": token}}),
            "only the key of the credential",
        ),
        (
            "secret/one-token",
            json!({"stringData": {"other": token}}),
            "only the key of the credential",
        ),
        (
            "secret/one-token",
            json!({"metadata": {"labels": {"x": "y"}}}),
            "only the annotations in the metadata",
        ),
        ("deployment/one", image, "not change the pods"),
        (
            "deployment/one",
            json!({"spec": {"replicas": 7}}),
            "only the template's annotations",
        ),
    ] {
        let line = ["patch", object, "-p", &change.to_string()];
        home.kubectl_as(name, &line).await.exits(1).await.says(&[why]);
    }
    for line in [
        &["delete", "deployment/one"][..],
        &["delete", "secret/one-token"],
        &["create", "secret", "generic", "other"],
    ] {
        let denied = home.kubectl_as(name, line).await.exits(1).await;
        denied.says(&["ValidatingAdmissionPolicy", " of its gateways"]);
    }
    recognizes_tokens(&home, name).await;
    let labels = format!("fleet={}", home.namespace);
    let line = ["rotate", "-A", "-l", &labels, "--yes", "--prove", "rollout"];
    let ended = home.apim_as(name, &line).await.exits(0).await;
    ended.says(&["2 gateways: 2 rotated"]);
}

/// A token is recognized at each offset of its encoding.
async fn recognizes_tokens(home: &Case, account: &str) {
    for gateway in ["g", "gw", "gwa", "gwab", "GatewayKey g", "GatewayKey gw", " gw"] {
        let token = format!("{gateway}&203001010000&c2lnbmF0dXJl");
        let change = json!({"stringData": {"value": token}}).to_string();
        let as_product = ["--dry-run=server", "--field-manager=apim-rotate", "-p", &change];
        let line = [&["patch", "secret/one-token"], &as_product[..]].concat();
        home.kubectl_as(account, &line).await.exits(0).await;
    }
}
