//! The list of gateways that a dry run writes.

use apim_sandbox::azure::Slot;
use apim_sandbox::manifests::GatewayManifest;
use serde_json::json;

use super::consent::{everywhere, two_teams};
use crate::case::{Case, DAY};
use crate::status::gallery::deploy_entra;

/// The lines that consent to something.
fn entries(list: &str) -> Vec<&str> {
    list.lines().filter(|line| !line.starts_with('#')).collect()
}

#[tokio::test]
async fn what_a_dry_run_writes_is_accepted_as_it_is() {
    let (ours, theirs) = two_teams("fleet-list").await;
    let labels = json!({"metadata": {"labels": {"fleet": ours.namespace}}});
    // One that has no token, and one whose Secret holds something else.
    deploy_entra(
        &ours,
        "entra",
        &json!({"config.service.auth": "workloadIdentity"}),
    )
    .await;
    ours.patch_deployment("entra", &labels).await;
    let broken = GatewayManifest::portal("broken", &ours.endpoint(), "see the wiki").replicas(0);
    ours.deploy(&broken).await;
    ours.patch_deployment("broken", &labels).await;

    let list = everywhere(&ours, &["--dry-run", "-o", "gateways"]).exits(6).await;
    let service = ours.gateway.service_id();
    let (first, second) = (&ours.namespace, &theirs.namespace);
    let mut expected = [
        format!("{first} deployment/ours {service}/gateways/ours"),
        format!("{second} deployment/theirs {service}/gateways/theirs"),
    ];
    expected.sort();
    let mut listed = entries(&list.stdout);
    listed.sort_unstable();
    assert_eq!(listed, expected);
    for name in ["entra", "broken"] {
        let comment = format!("# {first}/deployment/{name}: ");
        assert!(list.stdout.contains(&comment), "{}", list.stdout);
    }

    assert_eq!(ours.mints(), 0);
    let file = ours.file("list.txt", &list.stdout).display().to_string();
    let ended = everywhere(&ours, &["--gateways", &file, "-o", "json"])
        .exits(6)
        .await;
    let mut rotated = ended.with_outcome("Rotated");
    rotated.sort_unstable();
    assert_eq!(rotated, ["ours-token", "theirs-token"]);
    assert_eq!(ours.mints(), 2);

    // What is not due was not looked up in Azure, although its Secret names a gateway.
    let later = everywhere(
        &ours,
        &["--dry-run", "-o", "gateways", "--if-expiring-within", "1d"],
    );
    let later = later.exits(6).await.stdout;
    assert_eq!(entries(&later), [""; 0], "{later}");
    assert!(
        later.contains(&format!("# {first}/deployment/ours: not due: ")),
        "{later}"
    );
}

#[tokio::test]
async fn one_gateway_is_listed_like_many() {
    let case = Case::new("fleet-list-one").await;
    case.deploy(&case.idle_portal()).await;
    let one = case
        .apim(&["rotate", "gw", "--dry-run", "-o", "gateways"])
        .exits(0)
        .await;
    let line = format!("{} deployment/gw {}", case.namespace, case.gateway.id());
    assert_eq!(one.stdout, format!("# namespace workload gateway\n{line}\n"));
    let many = case
        .apim(&["rotate", "--all", "--dry-run", "-o", "gateways"])
        .exits(0)
        .await;
    assert_eq!(many.stdout, one.stdout);
    let contexts = [
        "rotate",
        "--contexts",
        "apim-sandbox",
        "--dry-run",
        "-o",
        "gateways",
    ];
    let named = case.apim(&contexts).exits(0).await.stdout;
    let with_context = format!("apim-sandbox {line}");
    assert_eq!(entries(&named), [with_context.as_str()]);
    let file = case.file("list.txt", &named).display().to_string();
    let accepted = ["rotate", "--contexts", "apim-sandbox", "--gateways", &file];
    case.apim(&accepted)
        .exits(0)
        .await
        .says(&["1 gateway: 1 rotated"]);
    // Without the context that the line is for, it consents to nothing.
    case.apim(&["rotate", "--all", "--gateways", &file])
        .exits(6)
        .await;
}

#[tokio::test]
async fn no_name_in_the_cluster_adds_a_line() {
    let case = Case::new("fleet-list-hostile").await;
    let smuggled = format!("{} deployment/victim {}", case.namespace, case.gateway.id());
    // The name of a gateway, which is a part of its token, may be anything printable.
    let odd = case.gateway_named("gw # of shop");
    let token = case
        .azure()
        .mint(&odd, Slot::Primary, case.azure().now() + DAY * 2);
    case.hides(&token);
    let value = format!("GatewayKey {token}");
    case.deploy(&GatewayManifest::portal("odd", &case.endpoint(), &value).replicas(0))
        .await;
    // An endpoint and a record of somebody who wants another line.
    let endpoint = format!("https://svc\n{smuggled}\n#.configuration.azure-api.net");
    case.deploy(&GatewayManifest::portal("endpoint", &endpoint, &value).replicas(0))
        .await;
    case.deploy(&GatewayManifest::portal("recorded", &case.endpoint(), &value).replicas(0))
        .await;
    let recorded = json!({"metadata": {"annotations": {
        "apim-rotate/gateway": format!("{}\n{smuggled}", case.gateway.id()),
        "apim-rotate/service": format!("svc\n{smuggled}\n"),
    }}});
    case.patch_secret("recorded-token", &recorded).await;
    let list = case.apim(&["rotate", "--all", "--dry-run", "-o", "gateways"]);
    let list = list.start().await.ended().await.stdout;
    for line in entries(&list) {
        let of_odd = line.ends_with("/gateways/gw%20%23%20of%20shop");
        assert!(of_odd && !line.contains("victim"), "{list}");
    }
    assert!(
        list.contains(&format!("{} deployment/odd ", case.namespace)),
        "{list}"
    );
    assert!(
        list.contains(&format!("# {}/deployment/endpoint: ", case.namespace)),
        "{list}"
    );
    let file = case.file("list.txt", &list).display().to_string();
    case.member("victim").await;
    let ended = case
        .apim(&["rotate", "--all", "--gateways", &file, "-o", "json"])
        .exits(6)
        .await;
    assert_eq!(ended.with_outcome("Refused"), ["endpoint-token", "victim-token"]);
    assert!(
        ended.with_outcome("Rotated").contains(&"odd-token".to_owned()),
        "{}",
        ended.stdout
    );
}
