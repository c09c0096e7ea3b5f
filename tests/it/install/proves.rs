//! A first run proves that the pods can sign in and mint, also if no token is due.

use std::path::Path;

use apim_sandbox::azure::{Action, Fault, Grant, Operation, Principal, Slot};
use apim_sandbox::manifests::GatewayManifest;
use serde_json::Value;

use super::{NAME, workload_identity};
use crate::case::{Case, DAY};

/// A gateway whose token is not due, in a namespace whose pods can run.
async fn not_due(name: &str) -> (Case, GatewayManifest) {
    let case = Case::new(name).await;
    case.sandbox
        .provide_binary(Path::new(env!("CARGO_BIN_EXE_kubectl-apim")));
    let token = case.token(Slot::Primary, DAY * 25);
    let manifest = GatewayManifest::portal("gw", &case.endpoint(), &token);
    case.deploy(&manifest).await;
    (case, manifest)
}

/// The same identity with these rights.
fn with(principal: &Principal, grants: Vec<Grant>) -> Principal {
    Principal {
        grants,
        ..principal.clone()
    }
}

async fn status(case: &Case) -> Value {
    case.apim(&["status", "-o", "json"]).exits(0).await.gateway("gw")
}

#[tokio::test]
async fn an_identity_that_cannot_sign_in_fails_the_first_run_and_protects_nothing() {
    let (case, manifest) = not_due("proves-sign-in").await;
    let before = case.credential(&manifest).await;
    // Entra knows no such federated credential.
    let principal = case.another(|_| ());
    let run = case
        .install_cronjob_that_runs(&workload_identity(&principal))
        .await;
    let ended = run.exits(1).await;
    assert!(ended.stdout.contains("federated credential"), "{}", ended.stdout);
    assert_eq!(case.credential(&manifest).await, before);
    assert_eq!(case.mints(), 0);

    // Each pod's log is text, under a line of its own.
    let records = ended.stdout.lines().filter(|line| line.starts_with('{'));
    assert_eq!(records.count(), 0, "{}", ended.stdout);
    for attempt in ["attempt 2, pod/", "attempt 3, pod/"] {
        assert!(ended.stdout.contains(attempt), "{attempt}: {}", ended.stdout);
    }
    assert!(ended.stdout.contains("\nerror: "), "{}", ended.stdout);

    let gw = status(&case).await;
    assert_eq!(gw["verdict"], "Unprotected", "{gw:#}");
    let reason = gw["reason"].as_str().unwrap();
    assert!(reason.contains("has not succeeded yet"), "{reason}");
    assert_eq!(gw["cronJob"]["lastSuccess"], Value::Null);
    let wide = case.apim(&["status", "-o", "wide"]).exits(0).await.stdout;
    assert!(wide.contains("LAST-SUCCESS") && wide.contains("never"), "{wide}");
}

#[tokio::test]
async fn an_identity_without_the_right_to_mint_fails_it_each_time() {
    let (case, manifest) = not_due("proves-right").await;
    let before = case.credential(&manifest).await;
    let able = case.federated().await;
    let reader = vec![Grant::reader("/")];
    case.azure().add_principal(with(&able, reader.clone()));
    let line = workload_identity(&able);
    let refused = async || {
        let ended = case.install_cronjob_that_runs(&line).await.exits(4).await;
        for part in [
            "may not do Microsoft.ApiManagement/service/gateways/generateToken/action on ",
            "hint: grant it: kubectl apim render-rbac --azure az -s ",
            " -g gw --principal-id ",
        ] {
            assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
        }
    };
    refused().await;
    // With the right it succeeds, and still rotates nothing.
    case.azure().add_principal(able.clone());
    let ended = case.install_cronjob_that_runs(&line).await.exits(0).await;
    assert!(
        ended
            .stdout
            .contains("checked    the identity may mint tokens of this gateway"),
        "{}",
        ended.stdout
    );
    assert_eq!(case.credential(&manifest).await, before);
    assert_eq!(case.mints(), 0);
    let cron_job = format!("cronjob/{NAME}");
    let success = ["get", &cron_job, "-o", "jsonpath={.status.lastSuccessfulTime}"];
    apim_sandbox::wait::until("the record of the success", crate::case::LIMIT, async || {
        let shown = case.kubectl(&success).exits(0).await.stdout;
        Ok((!shown.is_empty()).then_some(()))
    })
    .await
    .unwrap();
    let gw = status(&case).await;
    assert_eq!(gw["verdict"], "Healthy", "{gw:#}");
    assert!(gw["cronJob"]["lastSuccess"].is_string());
    // Installed again, it checks again.
    case.azure().add_principal(with(&able, reader));
    refused().await;
}

#[tokio::test]
async fn where_azure_shows_no_permissions_a_short_token_proves_the_right() {
    let (case, manifest) = not_due("proves-hidden").await;
    let before = case.credential(&manifest).await;
    let able = case.federated().await;
    let hidden = Fault::on(Operation::Permissions, Action::status(403));
    case.azure().fault(hidden.matching(&case.gateway.service));
    let line = workload_identity(&able);
    let ended = case.install_cronjob_that_runs(&line).await.exits(0).await;
    assert!(
        ended.stdout.contains("a token that lives for 10 minutes"),
        "{}",
        ended.stdout
    );
    assert_eq!(case.mints(), 1);
    assert_eq!(case.credential(&manifest).await, before);

    case.azure().add_principal(with(&able, vec![Grant::reader("/")]));
    let ended = case.install_cronjob_that_runs(&line).await.exits(1).await;
    assert!(ended.stdout.contains("generateToken/action"), "{}", ended.stdout);
    assert_eq!(case.credential(&manifest).await, before);
}

#[tokio::test]
async fn of_several_gateways_each_is_checked() {
    let (case, _) = not_due("proves-several").await;
    let second = case.second_portal_for(DAY * 25);
    case.deploy(&second).await;
    let able = case.federated().await;
    let one = format!(
        "/subscriptions/{}/resourceGroups/rg-apim/providers/Microsoft.ApiManagement/service/{}/gateways/gw",
        case.gateway.subscription, case.gateway.service
    );
    let grants = vec![Grant::reader("/"), Grant::token_operator(&one)];
    case.azure().add_principal(with(&able, grants));
    let line = [&["--all"][..], &workload_identity(&able)].concat();
    let ended = case.install_cronjob_that_runs(&line).await.exits(6).await;
    assert!(ended.stdout.contains("gateways/gw2"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("gateways/gw\n"), "{}", ended.stdout);

    case.azure().add_principal(able.clone());
    let ended = case.install_cronjob_that_runs(&line).await.exits(0).await;
    assert_eq!(case.mints(), 0, "{}", ended.stdout);
}
