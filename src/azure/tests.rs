//! The clients of ARM and of Microsoft Graph against the emulator, without the
//! program: these tests need many requests from one process, or single ones.

mod access;
mod arm;
mod gateway;
mod graph;
mod unverified;

use std::time::{Duration, Instant};

use super::{Arm, ClientCredential, DEFAULT_API_VERSION, Error, Identity, Options, ServiceDetails, SignIn};
use crate::model::access::InstanceIdentity;
use crate::model::{Cloud, GatewayId, KeySlot};
use apim_sandbox::azure::{Azure, Gateway, Grant, Operation, Principal};
use futures::future::try_join_all;
use tempfile::NamedTempFile;

const PATIENCE: Duration = Duration::from_mins(2);

fn gateway(name: &str) -> Gateway {
    Gateway::new("5ab50001-0000-4000-8000-000000000001", "Rg-One", "contoso", name)
}

/// A client that signs in as `principal`. The emulator plays both Entra and
/// ARM.
fn arm(azure: &Azure, principal: &Principal, burst: bool) -> Arm {
    arm_of(azure, principal, burst, Some(azure.url()))
}

/// A client of a cloud whose metadata does not name Microsoft Graph.
fn arm_without_graph(azure: &Azure, principal: &Principal) -> Arm {
    arm_of(azure, principal, false, None)
}

fn arm_of(azure: &Azure, principal: &Principal, burst: bool, graph: Option<String>) -> Arm {
    let ca = NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), azure.ca_pem()).unwrap();
    azure.add_principal(principal.clone());
    let identity = Identity::ServicePrincipal {
        tenant: principal.tenant.clone(),
        client_id: principal.client_id.clone(),
        credential: ClientCredential::Secret(principal.client_secret.as_str().into()),
    };
    let arm = Arm::new(Options {
        cloud: Cloud {
            authority: azure.url(),
            resource_manager: azure.url(),
            scope: format!("{}/.default", azure.url()),
            graph,
        },
        identity: SignIn::only(identity, "--auth"),
        extra_ca: Some(ca.path().to_owned()),
        api_version: DEFAULT_API_VERSION.into(),
        deadline: tokio::time::Instant::now(),
        burst,
    });
    arm.unwrap().until(tokio::time::Instant::now() + PATIENCE)
}

/// Mints `many` tokens at once and returns how long that took.
async fn mint(azure: &Azure, arm: &Arm, many: usize) -> Duration {
    let gateway = GatewayId::parse(&gateway("gw").id()).unwrap();
    let expires = azure.now() + jiff::SignedDuration::from_hours(1);
    let begun = Instant::now();
    let mints = (0..many).map(|_| arm.generate_token(&gateway, KeySlot::Primary, expires));
    try_join_all(mints).await.unwrap();
    begun.elapsed()
}

#[tokio::test]
async fn a_fleet_uses_up_the_buckets_and_is_never_throttled() {
    let azure = Azure::start().await.unwrap();
    azure.add_gateway(&gateway("gw"));
    azure.enforce_buckets(true);
    let [sparing, bursting] = [false, true].map(|burst| arm(&azure, &Principal::token_operator("/"), burst));
    let (sparing, bursting) = tokio::join!(mint(&azure, &sparing, 190), mint(&azure, &bursting, 240));

    let minted = azure.requests_for(Operation::GenerateToken);
    let refused = minted
        .iter()
        .filter(|request| request.status != Some(200))
        .count();
    assert_eq!((minted.len(), refused), (190 + 240, 0));
    // The budget holds 160 and 8 a second, or 198 and 10 a second.
    for (took, least) in [(sparing, 3.7), (bursting, 4.1)] {
        assert!(took.as_secs_f64() > least, "{took:?}");
        assert!(took.as_secs_f64() < least + 15.0, "{took:?}");
    }
}

#[tokio::test]
async fn the_whole_inventory_of_a_service_is_read() {
    let azure = Azure::start().await.unwrap();
    for number in 0..250 {
        azure.add_gateway(&gateway(&format!("Gw-{number:03}")));
    }
    let first = gateway("Gw-000");
    azure.set_location(&first, "Plant 7");
    azure.set_tier(&first, "Premium");
    azure.set_min_api_version(&first, "2022-08-01");
    for api in ["orders", "billing"] {
        azure.assign_api(&first, api);
    }
    let reader = arm(&azure, &Principal::random().with(Grant::reader("/")), false);
    let id = GatewayId::parse(&first.id().to_lowercase()).unwrap();

    let gateways = reader.gateways(&id.service).await.unwrap();
    assert_eq!(gateways.len(), 250);
    assert_eq!(gateways[0].id.to_string(), first.id());
    assert_eq!(gateways[0].location.as_deref(), Some("Plant 7"));
    assert_eq!(gateways[249].location.as_deref(), Some("sandbox"));
    assert_eq!(
        azure.requests_for(Operation::ListGateways).len(),
        3,
        "pages of 100"
    );
    assert_eq!(reader.apis(&id).await.unwrap(), ["billing", "orders"]);
    let details = ServiceDetails {
        location: "West Europe".into(),
        tier: "Premium".into(),
        min_api_version: Some("2022-08-01".into()),
        state: "Succeeded".into(),
        identity: InstanceIdentity::default(),
    };
    assert_eq!(reader.service(&id.service).await.unwrap(), details);
}

#[tokio::test]
async fn an_error_names_the_part_of_the_inventory_that_cannot_be_read() {
    let azure = Azure::start().await.unwrap();
    azure.add_gateway(&gateway("gw"));
    let operator = arm(&azure, &Principal::token_operator("/"), false);
    let id = GatewayId::parse(&gateway("gw").id()).unwrap();
    let error = operator.apis(&id).await.unwrap_err();
    let action = "Microsoft.ApiManagement/service/gateways/apis/read";
    assert!(
        matches!(&error, Error::Forbidden { action: missing, .. } if missing == action),
        "{error}"
    );
    let begins = "cannot list the APIs of gateway `gw` of service `contoso`: Azure answered 403 ";
    assert!(error.to_string().starts_with(begins), "{error}");

    let gone = GatewayId::parse(&gateway("gw").id().replace("contoso", "gone")).unwrap();
    let missing =
        "service `gone` in resource group `Rg-One` of subscription 5ab50001-0000-4000-8000-000000000001";
    for (error, code) in [
        (
            operator.gateways(&gone.service).await.unwrap_err(),
            "ParentResourceNotFound",
        ),
        (
            operator.service(&gone.service).await.unwrap_err(),
            "ResourceNotFound",
        ),
    ] {
        let begins = format!("{missing} was not found: Azure answered 404 {code}: ");
        assert!(error.to_string().starts_with(&begins), "{error}");
    }
}
