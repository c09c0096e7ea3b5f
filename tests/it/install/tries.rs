//! What another try cannot mend is not tried again.

use apim_sandbox::azure::{Action, Fault, Operation};

use super::{NAME, workload_identity};
use crate::case::Case;

/// Each token that Azure mints of this gateway is refused.
fn refuse_every_token(case: &Case, gateway: &str) {
    disturb(case, gateway, Action::RefusedToken, u32::MAX);
}

fn disturb(case: &Case, gateway: &str, action: Action, times: u32) {
    let path = format!("{}/gateways/{gateway}/", case.gateway.service);
    let fault = Fault::on(Operation::GenerateToken, action);
    case.azure().fault(fault.matching(&path).times(times));
}

/// How many tokens of this gateway were requested.
fn mints_of(case: &Case, gateway: &str) -> usize {
    let mut mints = case.requests(Operation::GenerateToken);
    mints.retain(|request| request.path.contains(&format!("/gateways/{gateway}/")));
    mints.len()
}

/// How many pods the Jobs of the CronJob have had.
async fn pods(case: &Case) -> usize {
    let label = format!("app.kubernetes.io/instance={NAME}");
    let get = ["get", "pods", "-l", &label, "-o", "name"];
    case.kubectl_in_namespace(&get).await.lines().count()
}

/// How often the Deployment was changed, by its revisions.
async fn generation(case: &Case, name: &str) -> i64 {
    let deployment = case.deployments().get(name).await.unwrap();
    deployment.metadata.generation.unwrap()
}

#[tokio::test]
async fn a_gateway_whose_tokens_are_all_refused_is_not_tried_again() {
    let (case, _) = Case::in_pod("tries-one").await;
    let principal = case.federated().await;
    refuse_every_token(&case, "gw");
    let before = generation(&case, "gw").await;
    let line = [&workload_identity(&principal)[..], &["--prove", "logs"]].concat();
    let ended = case.install_cronjob_that_runs(&line).await.exits(5).await;
    assert!(
        ended.stdout.contains("Azure refused a token of the primary key"),
        "{}",
        ended.stdout
    );
    // One token of each key, and a restart for each.
    assert_eq!((pods(&case).await, mints_of(&case, "gw")), (1, 2));
    assert_eq!(generation(&case, "gw").await, before + 2);
}

#[tokio::test]
async fn a_fleet_tries_again_what_can_succeed_and_leaves_a_refused_gateway_alone() {
    let (case, _) = Case::in_pod("tries-fleet").await;
    case.deploy(&case.second_portal()).await;
    let principal = case.federated().await;
    refuse_every_token(&case, "gw");
    disturb(&case, "gw2", Action::status(409), 1);
    let before = generation(&case, "gw").await;
    let line = [&["--all", "--prove", "logs"][..], &workload_identity(&principal)].concat();
    let ended = case.install_cronjob_that_runs(&line).await.exits(6).await;
    for shown in ["trying 1 gateway again in 10 seconds", "Azure refused a token"] {
        assert!(ended.stdout.contains(shown), "{shown}: {}", ended.stdout);
    }
    assert_eq!((pods(&case).await, mints_of(&case, "gw")), (1, 2));
    assert_eq!(generation(&case, "gw").await, before + 2);
    assert_eq!(mints_of(&case, "gw2"), 2);
    let secret = case.secret("gw2-token").await;
    let annotations = secret.metadata.annotations.unwrap_or_default();
    assert!(
        annotations.contains_key("apim-rotate/rotation-id"),
        "{}",
        ended.stdout
    );
}

#[tokio::test]
async fn a_fleet_whose_failures_are_mended_has_not_failed() {
    let (case, _) = Case::in_pod("tries-mended").await;
    case.deploy(&case.second_portal().replicas(0)).await;
    let principal = case.federated().await;
    disturb(&case, "gw2", Action::status(409), 2);
    let line = [&["--all"][..], &workload_identity(&principal)].concat();
    let ended = case.install_cronjob_that_runs(&line).await.exits(0).await;
    assert!(
        ended.stdout.contains("trying 1 gateway again in 20 seconds"),
        "{}",
        ended.stdout
    );
    assert_eq!(
        (pods(&case).await, mints_of(&case, "gw"), mints_of(&case, "gw2")),
        (1, 1, 3)
    );
}
