//! A set-up before there is a workload, as the portal's pages have it.

use apim_sandbox::azure::{Action, Fault, Operation};

use serde_json::json;

use super::EntraCase;

#[tokio::test]
async fn azure_is_set_up_and_the_values_are_printed() {
    let entra = EntraCase::new("ahead").await;
    let flags = ["--create-app", "gw", "--service-account", "gw", "--yes"];
    let ended = entra.setup_of(&flags).exits(0).await;
    let app = entra.apps()[0].app_id.clone();
    for text in [
        "azure.workload.identity/use: \"true\"",
        "serviceAccountName: gw",
        "type: WorkloadIdentity",
        &app,
    ] {
        assert!(
            ended.stdout.contains(text),
            "`{text}` is missing in: {}",
            ended.stdout
        );
    }
    let writes = entra.azure_writes().len();
    entra.setup_of(&flags).exits(0).await;
    assert_eq!(entra.azure_writes().len(), writes);

    // Then the deployment follows, and nothing but its settings is left.
    entra.deploy(|_| {}).await;
    let ended = entra.setup(&flags).exits(0).await;
    let open: Vec<&str> = ended
        .stdout
        .lines()
        .filter(|line| line.starts_with(['+', '~']))
        .collect();
    assert_eq!(open.len(), 1, "{}", ended.stdout);
    entra.case.rolled_out("gw").await;
}

#[tokio::test]
async fn what_is_owed_is_asked_about_again() {
    let entra = EntraCase::new("ahead-owed").await;
    let flags = [
        "--create-app",
        "gw",
        "--service-account",
        "gw",
        "--yes",
        "--timeout",
        "1m",
    ];
    let refused = Fault::on(Operation::Configuration, Action::status(403));
    let host = format!("{}.configuration.azure-api.net", entra.case.gateway.service);
    let fault = Fault {
        host: Some(host),
        ..refused
    };
    entra.case.azure().fault(fault);
    entra.setup_of(&flags).exits(3).await.says(&["is owed"]);
    entra.setup_of(&flags).exits(3).await.says(&["is owed"]);
}

#[tokio::test]
async fn another_gateway_of_the_namespace_is_left_alone() {
    let entra = EntraCase::new("ahead-second").await;
    entra
        .deploy(|it| {
            let env = it["spec"]["template"]["spec"]["containers"][0]["env"]
                .as_array_mut()
                .unwrap();
            env.push(json!({"name": "gateway.name", "value": "other"}));
        })
        .await;
    let before = entra.case.versions().await;
    let flags = ["--create-app", "gw", "--service-account", "gw", "--yes"];
    let ended = entra.setup_of(&flags).exits(0).await;
    ended.says(&["deployment.apps/gw is left alone", "two gateways are named"]);
    assert_eq!(entra.case.versions().await, before);
}
