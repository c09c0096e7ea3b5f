//! Answers of ARM that are neither a success nor a plain refusal.

use apim_sandbox::azure::{Action, Azure, Fault, Grant, Operation, Principal};
use serde_json::json;

use super::{arm, gateway};
use crate::azure::{Arm, Error};
use crate::model::{GatewayId, KeySlot};

struct World {
    azure: Azure,
    arm: Arm,
    id: GatewayId,
}

async fn start(principal: Principal) -> World {
    let azure = Azure::start().await.unwrap();
    azure.add_gateway(&gateway("gw"));
    World {
        arm: arm(&azure, &principal, false),
        id: GatewayId::parse(&gateway("gw").id()).unwrap(),
        azure,
    }
}

impl World {
    async fn mint(&self) -> Result<(), Error> {
        let expires = self.azure.now() + jiff::SignedDuration::from_hours(1);
        let minted = self.arm.generate_token(&self.id, KeySlot::Primary, expires);
        minted.await.map(|_| ())
    }

    /// The statuses of the answers to an operation.
    fn statuses(&self, operation: Operation) -> Vec<u16> {
        let requests = self.azure.requests_for(operation);
        requests.iter().filter_map(|request| request.status).collect()
    }
}

#[tokio::test]
async fn a_version_that_is_refused_is_replaced_for_the_rest_of_the_run() {
    let world = start(Principal::token_operator("/")).await;
    world
        .azure
        .remove_api_versions(&["2024-05-01", "2023-05-01-preview"]);
    world.mint().await.unwrap();
    world.mint().await.unwrap();
    assert_eq!(world.statuses(Operation::GenerateToken), [400, 200, 200]);
    world.arm.gateway(&world.id).await.unwrap();
    world.arm.gateways(&world.id.service).await.unwrap();
    assert_eq!(world.statuses(Operation::GetGateway), [200]);
    assert_eq!(world.statuses(Operation::ListGateways), [200]);
    // Another instance takes newer versions only.
    world
        .azure
        .set_min_api_version(&gateway("gw"), "2024-06-01-preview");
    world.mint().await.unwrap();
    world.mint().await.unwrap();
    assert_eq!(
        world.statuses(Operation::GenerateToken),
        [400, 200, 200, 400, 200, 200]
    );
}

#[tokio::test]
async fn a_version_without_a_substitute_is_named_with_those_of_azure() {
    let world = start(Principal::token_operator("/")).await;
    world.azure.set_min_api_version(&gateway("gw"), "2027-01-01");
    let error = world.mint().await.unwrap_err();
    assert!(error.has_code("MissingOrIncorrectVersionParameter"), "{error}");
    assert!(error.to_string().contains("Supported versions:"), "{error}");
    assert!(error.hint().unwrap().contains("--api-version"));
    assert_eq!(world.statuses(Operation::GenerateToken), [400]);
}

#[tokio::test]
async fn permissions_that_may_not_be_read_are_unknown() {
    let world = start(Principal::token_operator("/")).await;
    let scope = world.id.path();
    let permissions = async || world.arm.permissions(&scope).await.unwrap();
    let granted = permissions().await.unwrap();
    let allows = |action: &str| granted.iter().any(|it| it.allows(action));
    assert!(allows(
        "Microsoft.ApiManagement/service/gateways/generateToken/action"
    ));
    assert!(!allows("Microsoft.Web/read"));
    world
        .azure
        .fault(Fault::on(Operation::Permissions, Action::status(403)).once());
    assert_eq!(permissions().await, None);
}

#[tokio::test]
async fn every_page_of_a_query_is_read() {
    let world = start(Principal::token_operator("/")).await;
    let names = ["one", "two", "three", "four", "contoso"];
    for name in names {
        world.azure.add_gateway(&apim_sandbox::azure::Gateway {
            service: name.to_owned(),
            ..gateway("gw")
        });
    }
    world.azure.set_query_page(2);
    assert_eq!(world.arm.find_services(&names).await.unwrap().len(), 5);
    assert_eq!(world.statuses(Operation::ResourceGraph), [200, 200, 200]);
}

#[tokio::test]
async fn a_quota_of_queries_that_is_used_up_is_waited_for() {
    let world = start(Principal::token_operator("/")).await;
    let throttled = Action::Status {
        code: 429,
        body: json!({"error": {"code": "RateLimiting", "message": "Please provide below info"}}).to_string(),
        headers: vec![("x-ms-user-quota-resets-after".into(), "00:00:02".into())],
    };
    world
        .azure
        .fault(Fault::on(Operation::ResourceGraph, throttled).once());
    let begun = std::time::Instant::now();
    let found = world.arm.find_services(&["contoso"]).await.unwrap();
    assert_eq!(found.len(), 1);
    assert!(begun.elapsed().as_secs_f64() >= 2.0, "{:?}", begun.elapsed());
    assert_eq!(world.statuses(Operation::ResourceGraph), [429, 200]);
    assert_eq!(world.statuses(Operation::ListServices), [0_u16; 0]);
}

/// What a lasting failure of Resource Graph leaves: the lists.
#[tokio::test]
async fn without_resource_graph_the_subscriptions_are_listed() {
    for status in [429, 503, 400] {
        let world = start(Principal::random().with(Grant::reader("/"))).await;
        world
            .azure
            .fault(Fault::on(Operation::ResourceGraph, Action::status(status)));
        let found = world.arm.find_services(&["contoso"]).await.unwrap();
        assert_eq!(found, std::slice::from_ref(&world.id.service), "{status}");
        let asked = if status == 400 { 1 } else { 3 };
        assert_eq!(world.statuses(Operation::ResourceGraph), vec![status; asked]);
        assert_eq!(world.statuses(Operation::ListServices), [200]);
    }
}
