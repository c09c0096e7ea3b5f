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

/// A gateway of this name, in a Deployment of the same name.
async fn deploy_gateway(entra: &EntraCase, name: &str) {
    let deploy = |it: &mut serde_json::Value| {
        it["metadata"]["name"] = name.into();
        it["spec"]["selector"]["matchLabels"]["app"] = name.into();
        let template = &mut it["spec"]["template"];
        template["metadata"]["labels"]["app"] = name.into();
        let env = template["spec"]["containers"][0]["env"].as_array_mut().unwrap();
        env.push(json!({"name": "gateway.name", "value": name}));
    };
    entra.deploy(deploy).await;
}

#[tokio::test]
async fn other_gateways_of_the_namespace_are_left_alone() {
    let entra = EntraCase::new("ahead-second").await;
    let flags = ["--create-app", "gw", "--service-account", "gw", "--yes"];
    deploy_gateway(&entra, "other").await;
    let before = entra.case.versions().await;
    let ended = entra.setup_of(&flags).exits(0).await;
    ended.says(&["deployment.apps/other is left alone", "two gateways are named"]);
    assert_eq!(entra.case.versions().await, before);

    // Of several, the one that has the gateway's name is meant, if there is one.
    deploy_gateway(&entra, "another").await;
    let dry_run = [&flags[..4], &["--dry-run"]].concat();
    let ended = entra.setup_of(&dry_run).exits(0).await;
    ended.says(&[
        "deployment.apps/another is left alone",
        "deployment.apps/other is left alone",
    ]);
    deploy_gateway(&entra, "gw").await;
    let ended = entra.setup_of(&dry_run).exits(0).await;
    assert!(
        ended.stdout.contains("set in deployment/gw in namespace"),
        "{}",
        ended.stdout
    );
    // Only one without a name may be meant too.
    entra.deploy(|it| it["metadata"]["name"] = "unnamed".into()).await;
    entra
        .case
        .deployments()
        .delete("gw", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    entra
        .setup_of(&dry_run)
        .exits(2)
        .await
        .says(&["has several gateways"]);
}
