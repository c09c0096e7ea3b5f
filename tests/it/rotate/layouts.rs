//! A bare call, through kubectl, in every layout that has been published.

use apim_sandbox::azure::Slot;
use apim_sandbox::manifests::{GatewayManifest, apply};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::case::{Case, DAY};

/// Deploys, rotates by `kubectl apim rotate`, and sees that the new token is
/// in the same place and form, works, and runs.
async fn rotates(case: &Case, manifest: GatewayManifest, prefix: &str) {
    case.deploy(&manifest).await;
    is_rotated(case, &manifest, prefix).await;
}

async fn is_rotated(case: &Case, manifest: &GatewayManifest, prefix: &str) {
    let before = case.credential(manifest).await;
    let ended = case.kubectl(&["apim", "rotate"]).exits(0).await;
    ended.says(&["proved", "no log shows that Azure refused"]);

    let after = case.credential(manifest).await;
    assert_ne!(after, before);
    assert!(after.starts_with(&format!("{prefix}gw&")));
    let accepted = case.azure().judge(&after).unwrap();
    assert_eq!(accepted.slot, Slot::Primary);
    let life = accepted.expires.duration_since(case.azure().now());
    assert!(life > DAY * 30 - DAY / 24 && life < DAY * 30, "{life:?}");
    assert_eq!(case.mints(), 1);
    // The old pod and the new one.
    let presented = case.azure().presentations(&case.gateway);
    assert_eq!((presented.accepted, presented.refused), (2, 0));
}

#[tokio::test]
async fn a_gateway_deployed_by_the_portal() {
    let case = Case::new("portal").await;
    rotates(&case, case.portal(), "GatewayKey ").await;
}

#[tokio::test]
async fn a_gateway_deployed_by_the_helm_chart() {
    let case = Case::new("helm").await;
    let token = case.token(Slot::Primary, DAY * 2);
    let manifest = GatewayManifest::helm("gw", &case.endpoint(), &token);
    rotates(&case, manifest, "GatewayKey ").await;
}

#[tokio::test]
async fn a_gateway_deployed_by_the_documentation() {
    let case = Case::new("docs").await;
    let token = case.token(Slot::Primary, DAY * 2);
    let manifest = GatewayManifest::docs("gw", &case.endpoint(), &token);
    rotates(&case, manifest, "GatewayKey ").await;
}

#[tokio::test]
async fn a_gateway_deployed_by_hand() {
    let case = Case::new("custom").await;
    let token = case.token(Slot::Primary, DAY * 2);
    let manifest = GatewayManifest::custom("gw", &case.endpoint(), &token, "mine", "auth-token");
    rotates(&case, manifest, "GatewayKey ").await;
}

#[tokio::test]
async fn a_token_without_the_prefix_gets_none() {
    let case = Case::new("bare-token").await;
    let token = case.token(Slot::Primary, DAY * 2);
    let bare = token.trim_start_matches("GatewayKey ");
    let manifest = GatewayManifest::docs("gw", &case.endpoint(), bare);
    rotates(&case, manifest, "").await;
}

/// The kubelet puts the token, and the name of the instance, into the settings.
#[tokio::test]
async fn variables_that_settings_refer_to_are_followed() {
    let case = Case::new("by-variable").await;
    let token = case.token(Slot::Primary, DAY * 2);
    let bare = token.trim_start_matches("GatewayKey ");
    let manifest = GatewayManifest::portal("gw", &case.endpoint(), bare);
    let service = &case.gateway.service;
    for mut object in manifest.objects() {
        if object["kind"] == "Deployment" {
            let container = &mut object["spec"]["template"]["spec"]["containers"][0];
            let from = container["env"][0]["valueFrom"].clone();
            container["env"] = json!([
                {"name": "INST", "value": service},
                {"name": "SHG_TOKEN", "valueFrom": from},
                {"name": "config.service.auth", "value": "GatewayKey $(SHG_TOKEN)"},
                {"name": "config.service.endpoint", "value": case.endpoint().replace(service.as_str(), "$(INST)")},
            ]);
        }
        apply(&case.client, &case.namespace, object).await.unwrap();
    }
    case.rolled_out("gw").await;
    let row = case.apim(&["status", "-o", "json"]).exits(0).await.json();
    assert_eq!(row["items"][0]["service"], service.as_str(), "{row:#}");
    is_rotated(&case, &manifest, "").await;
}

#[tokio::test]
async fn an_expired_token_is_replaced_like_any_other() {
    let case = Case::new("expired").await;
    let token = case.token(Slot::Primary, -DAY);
    let manifest = GatewayManifest::portal("gw", &case.endpoint(), &token).replicas(0);
    case.deploy(&manifest).await;
    let ended = case.apim(&["rotate"]).exits(0).await;
    ended.says(&["its token expired 1 day ago", "scaled to 0"]);
    assert!(case.azure().accepts(&case.credential(&manifest).await));
}

/// A container beside the gateway's that takes its token from elsewhere says nothing of the form of this one, and one
/// that reads the same token in another form is refused.
#[tokio::test]
async fn the_container_that_reads_a_token_decides_its_form() {
    let case = Case::new("two-forms").await;
    let token = case.token(Slot::Primary, DAY * 2);
    let manifest = GatewayManifest::portal("gw", &case.endpoint(), &token);
    case.deploy(&manifest).await;
    let bare = token.trim_start_matches("GatewayKey ");
    let create = format!("kubectl create secret generic other --from-literal=value='{bare}'");
    case.shell(&create).exits(0).await;
    let beside = |secret: &str| {
        json!({"spec": {"template": {"spec": {"containers": [{
            "name": "beside", "image": "mcr.microsoft.com/azure-api-management/gateway:2.11.1",
            "env": [
                {"name": "SHG_TOKEN", "valueFrom": {"secretKeyRef": {"name": secret, "key": "value"}}},
                {"name": "config.service.auth", "value": "GatewayKey $(SHG_TOKEN)"},
                {"name": "config.service.endpoint", "value": case.endpoint()},
            ],
        }]}}}})
    };
    let secret = manifest.secret_name();
    let rotate = || case.apim(&["rotate", "--token-secret", &secret]);
    let patch = async |secret: &str| {
        let change = beside(secret);
        let (params, patch) = (PatchParams::default(), Patch::Strategic(&change));
        case.deployments().patch("gw", &params, &patch).await.unwrap();
    };
    patch("other").await;
    case.rolled_out("gw").await;
    rotate().exits(0).await.says(&["proved"]);
    assert!(case.credential(&manifest).await.starts_with("GatewayKey gw&"));

    patch(&secret).await;
    let refused = case.fails_untouched(rotate(), 4).await;
    refused.says(&[
        "container beside of deployment.apps/gw puts `GatewayKey ` before it, and container gw of deployment.apps/gw does not",
    ]);
}
