//! What Azure does not have, or does not let this identity do: the message
//! names the action, the scope and the right to grant.

use apim_sandbox::azure::{Grant, Principal};

use super::fails;
use crate::case::Case;
use crate::run::Run;

const READ_SERVICE: &str = "Microsoft.ApiManagement/service/read";
const READ_GATEWAY: &str = "Microsoft.ApiManagement/service/gateways/read";
const MINT: &str = "Microsoft.ApiManagement/service/gateways/generateToken/action";

async fn idle(name: &str) -> Case {
    let case = Case::new(name).await;
    case.deploy(&case.idle_portal()).await;
    case
}

fn signed_in<'a>(case: &'a Case, principal: &Principal, arguments: &[&str]) -> Run<'a> {
    case.azure().add_principal(principal.clone());
    case.hides(&principal.client_secret);
    let line = [&["rotate"], arguments].concat();
    case.apim(&line)
        .env("AZURE_CLIENT_ID", &principal.client_id)
        .env("AZURE_CLIENT_SECRET", &principal.client_secret)
        .env("AZURE_TENANT_ID", &principal.tenant)
}

/// Runs as a principal with a grant, and checks the message.
async fn as_principal(case: &Case, grant: Grant, arguments: &[&str], says: &[&str]) {
    let principal = Principal::random().with(grant);
    let run = signed_in(case, &principal, arguments);
    case.fails_untouched(run, 1).await.says(says);
}

#[tokio::test]
async fn a_subscription_group_instance_or_gateway_that_does_not_exist() {
    let case = idle("absent-parts").await;
    let service = case.gateway.service.clone();
    let subscription = case.gateway.subscription.clone();
    let owner = || Grant::token_operator("/");
    let absent = "0ab5e470-0000-4000-8000-000000000000";
    let there = ["-s", subscription.as_str(), "-r", "rg-apim"];
    as_principal(
        &case,
        owner(),
        &["-s", absent, "-r", "rg-apim"],
        &[absent, "SubscriptionNotFound", "--tenant", "--cloud"],
    )
    .await;
    as_principal(
        &case,
        owner(),
        &["-s", &subscription, "-r", "no-such-group"],
        &["no-such-group", "404", "ResourceGroupNotFound"],
    )
    .await;
    // Each alone narrows the search, which then finds nothing.
    as_principal(
        &case,
        owner(),
        &["-s", absent],
        &[absent, &service, "--resource-group"],
    )
    .await;
    as_principal(
        &case,
        owner(),
        &["-r", "no-such-group"],
        &["no-such-group", &service, "--subscription-id"],
    )
    .await;
    // The endpoint is a host of the customer's own, so that the flag alone names the instance.
    let spec = serde_json::json!({"data": {"config.service.endpoint": "https://apim.example.org"}});
    let maps: kube::Api<k8s_openapi::api::core::v1::ConfigMap> =
        kube::Api::namespaced(case.client.clone(), &case.namespace);
    let patch = kube::api::Patch::Merge(&spec);
    let map = maps.list(&kube::api::ListParams::default()).await.unwrap();
    for name in map.items.iter().filter_map(|map| map.metadata.name.as_deref()) {
        maps.patch(name, &kube::api::PatchParams::default(), &patch)
            .await
            .unwrap();
    }
    let line = [&there[..], &["-a", "no-such-service"]].concat();
    as_principal(
        &case,
        owner(),
        &line,
        &["no-such-service", "404", "ResourceNotFound"],
    )
    .await;
    as_principal(
        &case,
        owner(),
        &["-a", "no-such-service"],
        &["no API Management instance `no-such-service`", "--apim-instance"],
    )
    .await;
}

#[tokio::test]
async fn each_right_that_is_missing_is_named() {
    let case = idle("missing-rights").await;
    let subscription = format!("/subscriptions/{}", case.gateway.subscription);
    let service = format!(
        "{subscription}/resourceGroups/rg-apim/providers/Microsoft.ApiManagement/service/{}",
        case.gateway.service
    );
    let there = ["-s", &case.gateway.subscription, "-r", "rg-apim"];
    // Nothing at all, with everything named and with everything to be found.
    let nothing = || Grant::new(&subscription, &["Microsoft.Storage/storageAccounts/read"]);
    let gateway = format!("{service}/gateways/gw");
    let grants = format!(
        "kubectl apim render-rbac --azure az -s {} -r rg-apim -a {} -g gw --principal-id ",
        case.gateway.subscription, case.gateway.service
    );
    as_principal(
        &case,
        nothing(),
        &there,
        &["403", MINT, &gateway, "grant the principal", &grants, "| sh"],
    )
    .await;
    as_principal(
        &case,
        nothing(),
        &[],
        &[&case.gateway.service, "--subscription-id", READ_SERVICE],
    )
    .await;
    // Each of the rights alone is not enough.
    as_principal(
        &case,
        Grant::new(&subscription, &[READ_SERVICE]),
        &[],
        &[READ_GATEWAY, &gateway, "grant the principal", &grants],
    )
    .await;
    as_principal(
        &case,
        Grant::new(&gateway, &[READ_GATEWAY]),
        &there,
        &[MINT, &gateway, "grant the principal"],
    )
    .await;
    // Rights at another instance are none at this one.
    as_principal(
        &case,
        Grant::token_operator(&format!("{service}-2")),
        &there,
        &[MINT, &gateway],
    )
    .await;
}

#[tokio::test]
async fn rights_on_the_gateway_are_enough_when_everything_is_given() {
    let case = idle("narrow-rights").await;
    let scope = format!(
        "/subscriptions/{}/resourceGroups/rg-apim/providers/Microsoft.ApiManagement/service/{}/gateways/gw",
        case.gateway.subscription, case.gateway.service
    );
    let principal = Principal::random().with(Grant::new(&scope, &[READ_GATEWAY, MINT]));
    let line = ["-s", &case.gateway.subscription, "-r", "rg-apim"];
    signed_in(&case, &principal, &line).exits(0).await;
}

#[tokio::test]
async fn an_identity_that_entra_refuses() {
    let case = idle("refused-identity").await;
    let expired = Principal {
        secret_expired: true,
        ..Principal::random()
    };
    let run = signed_in(&case, &expired, &[]);
    let says = ["AADSTS7000222", "expired", &expired.client_id, "hint:"];
    case.fails_untouched(run, 1).await.says(&says);

    let nowhere = "11111111-2222-4333-8444-555555555555";
    let line = ["--tenant", nowhere];
    fails(&case, &line, 1, &["AADSTS90002", nowhere, "--tenant"]).await;
    // A tenant that exists and does not know the app.
    let line = ["--tenant", expired.tenant.as_str()];
    let says = ["AADSTS700016", &case.principal.client_id, "--tenant"];
    fails(&case, &line, 1, &says).await;
    let line = ["-c", nowhere];
    fails(&case, &line, 1, &["AADSTS700016", nowhere, "--client-id"]).await;
}
