//! An instance that was moved to another resource group or subscription since
//! the last rotation recorded where it is.

use apim_sandbox::azure::{Action, Fault, Gateway, Grant, Operation, Principal};
use apim_sandbox::manifests::GatewayManifest;
use serde_json::json;

use crate::case::Case;

/// The annotation with the gateway's ARM id.
const GATEWAY: &str = "apim-rotate/gateway";

/// An idle gateway whose Secret records its id.
async fn recorded(name: &str) -> (Case, GatewayManifest) {
    let case = Case::new(name).await;
    let manifest = case.idle_portal();
    case.deploy(&manifest).await;
    case.apim(&["rotate"]).exits(0).await;
    (case, manifest)
}

async fn record_is(case: &Case, manifest: &GatewayManifest, gateway: &Gateway) {
    let recorded = case.annotation(manifest, GATEWAY).await;
    assert_eq!(recorded, Some(gateway.id()));
    assert!(case.azure().accepts(&case.credential(manifest).await));
}

#[tokio::test]
async fn it_is_found_by_its_name_and_recorded_anew() {
    let (case, manifest) = recorded("moved").await;
    let moved = case
        .azure()
        .move_service(&case.gateway, &case.gateway.subscription, "rg-new");
    let ended = case.apim(&["rotate", "-o", "json"]).exits(0).await;
    ended.says(&[&format!(
        "instance {} has moved from resource group rg-apim in subscription {sub} to resource group rg-new in subscription {sub}",
        case.gateway.service,
        sub = case.gateway.subscription
    )]);
    assert_eq!(ended.json()["gateway"], moved.id());
    record_is(&case, &manifest, &moved).await;
    // From now on it is known.
    let looked_up = case.requests(Operation::ResourceGraph).len();
    let ended = case.apim(&["rotate"]).exits(0).await;
    assert!(!ended.stderr.contains("has moved"), "{}", ended.stderr);
    ended.says(&["resource group rg-new", "[annotation apim-rotate/gateway]"]);
    assert_eq!(case.requests(Operation::ResourceGraph).len(), looked_up);
}

#[tokio::test]
async fn a_flag_beats_the_record() {
    let (case, manifest) = recorded("moved-flag").await;
    let moved = case
        .azure()
        .move_service(&case.gateway, &case.gateway.subscription, "rg-new");
    let looked_up = case.requests(Operation::ResourceGraph).len();
    let ended = case
        .apim(&["rotate", "-r", "rg-new", "-o", "json"])
        .exits(0)
        .await;
    ended.says(&["[--resource-group, annotation apim-rotate/gateway]"]);
    let sources = &ended.json()["sources"];
    assert_eq!(sources["resourceGroup"]["source"]["from"], "flag");
    assert_eq!(sources["subscription"]["source"]["from"], "annotation");
    record_is(&case, &manifest, &moved).await;
    assert_eq!(case.requests(Operation::ResourceGraph).len(), looked_up);
}

#[tokio::test]
async fn a_flag_beats_the_path_of_the_endpoint_and_so_does_the_record() {
    let case = Case::new("moved-v1").await;
    let Gateway { service, .. } = &case.gateway;
    let endpoint = format!(
        "https://{service}.management.azure-api.net{}",
        case.gateway.service_id()
    );
    let token = case.token(apim_sandbox::azure::Slot::Primary, crate::case::DAY);
    let manifest = GatewayManifest::portal("gw", &endpoint, &token).replicas(0);
    case.deploy(&manifest).await;
    let moved = case
        .azure()
        .move_service(&case.gateway, &case.gateway.subscription, "rg-new");
    case.apim(&["rotate", "-r", "rg-new", "--dry-run"]).exits(0).await;
    let ended = case.apim(&["rotate"]).exits(0).await;
    ended.says(&["has moved from resource group rg-apim"]);
    record_is(&case, &manifest, &moved).await;
    let ended = case.apim(&["rotate"]).exits(0).await;
    assert!(!ended.stderr.contains("has moved"), "{}", ended.stderr);
}

#[tokio::test]
async fn it_is_found_in_a_subscription_by_an_identity_without_rights_in_the_old_one() {
    let (case, manifest) = recorded("moved-far").await;
    let subscription = format!("new-{}", case.gateway.subscription);
    let moved = case.azure().move_service(&case.gateway, &subscription, "rg-apim");
    let principal = Principal::random().with(Grant::token_operator(&moved.service_id()));
    case.azure().add_principal(principal.clone());
    case.hides(&principal.client_secret);
    let ended = case
        .apim(&["rotate"])
        .envs(&[
            ("AZURE_CLIENT_ID", &principal.client_id),
            ("AZURE_CLIENT_SECRET", &principal.client_secret),
            ("AZURE_TENANT_ID", &principal.tenant),
        ])
        .exits(0)
        .await;
    ended.says(&["has moved from", &subscription]);
    record_is(&case, &manifest, &moved).await;
}

#[tokio::test]
async fn it_is_found_although_the_old_subscription_belongs_to_another_tenant() {
    let (case, manifest) = recorded("moved-tenant").await;
    let subscription = format!("new-{}", case.gateway.subscription);
    let moved = case.azure().move_service(&case.gateway, &subscription, "rg-apim");
    let body = json!({"error": {"code": "InvalidAuthenticationTokenTenant",
        "message": "The access token is from the wrong issuer."}});
    let refused = Action::Status {
        code: 401,
        body: body.to_string(),
        headers: Vec::new(),
    };
    let old = format!("/subscriptions/{}/", case.gateway.subscription);
    case.azure().fault(Fault::everywhere(refused).matching(&old));
    let mut principal = case.principal.clone();
    principal = principal.with(Grant::token_operator(&format!("/subscriptions/{subscription}")));
    case.azure().add_principal(principal);
    case.apim(&["rotate"]).exits(0).await.says(&["has moved from"]);
    record_is(&case, &manifest, &moved).await;
}

#[tokio::test]
async fn a_given_location_holds_and_the_error_names_the_right_one() {
    let (case, _) = recorded("moved-given").await;
    let subscription = case.gateway.subscription.clone();
    case.azure().move_service(&case.gateway, &subscription, "rg-new");
    // As a CronJob that was installed with these flags.
    let run = case.apim(&["rotate", "deploy/gw", "-s", &subscription, "-r", "rg-apim"]);
    case.fails_untouched(run, 1).await.says(&[
        "ResourceNotFound",
        "is not where --resource-group and --subscription-id set it",
        &format!("--resource-group rg-new --subscription-id {subscription}"),
        "install-cronjob",
    ]);
}

#[tokio::test]
async fn an_instance_that_is_nowhere_to_be_seen_is_the_first_error() {
    let (case, _) = recorded("moved-away").await;
    case.azure()
        .move_service(&case.gateway, "a-subscription-of-others", "rg-new");
    case.fails_untouched(case.apim(&["rotate"]), 1).await.says(&[
        "404 ParentResourceNotFound",
        "the location is set by annotation apim-rotate/gateway",
        "name --subscription-id and --resource-group",
    ]);
}

#[tokio::test]
async fn a_gateway_that_was_deleted_is_not_looked_for_elsewhere() {
    let (case, _) = recorded("moved-deleted").await;
    let recorded = case.gateway.id().replace("/gateways/gw", "/gateways/other");
    let token = case.token(apim_sandbox::azure::Slot::Primary, crate::case::DAY);
    let token = token.replacen("gw&", "other&", 1);
    let change = json!({"metadata": {"annotations": {GATEWAY: recorded}}, "stringData": {"value": token}});
    case.patch_secret("gw-token", &change).await;
    let run = case.apim(&["rotate"]);
    let ended = case.fails_untouched(run, 1).await;
    ended.says(&["gateway `other`", "404 ResourceNotFound"]);
    assert!(!ended.stderr.contains("elsewhere"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_replacement_is_minted_where_it_is_now() {
    let case = Case::new("moved-replaced").await;
    let manifest = case.portal();
    case.deploy(&manifest).await;
    case.disturb_mint(Action::RefusedToken, 2);
    case.apim(&["rotate"]).exits(5).await;
    let moved = case
        .azure()
        .move_service(&case.gateway, &case.gateway.subscription, "rg-new");
    // The unfinished rotation's token is still refused, so it is replaced.
    let ended = case.apim(&["rotate", "-o", "json"]).exits(5).await;
    ended.says(&["has moved from resource group rg-apim"]);
    assert_eq!(ended.json()["gateway"], moved.id());
    case.rolled_out("gw").await;
    record_is(&case, &manifest, &moved).await;
}

#[tokio::test]
async fn status_finds_it_too() {
    let (case, _) = recorded("moved-status").await;
    case.azure()
        .move_service(&case.gateway, &case.gateway.subscription, "rg-new");
    let ended = case.apim(&["status", "--azure", "-o", "json"]).exits(0).await;
    assert_eq!(ended.json()["items"][0]["azure"]["exists"], true);
}
