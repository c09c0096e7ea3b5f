//! Gateways by the thousand: few requests, and little memory.

use apim_sandbox::azure::{Operation, Principal};
use serde_json::{Value, json};

use super::{SetUp, parts};
use crate::status::large::MOST;

const GATEWAYS: usize = 1_000;

/// The webhook gives it its identity, beside what matters to nobody.
fn pod(name: &str) -> Value {
    let env = vec![json!({"name": "A", "value": "b"}); 200];
    json!({
        "kind": "Pod", "metadata": {"name": name, "labels": {"app": name, "azure.workload.identity/use": "true"}},
        "spec": {
            "schedulerName": "none", "serviceAccountName": name,
            "containers": [{"name": "gw", "image": "x", "env": env}],
        },
    })
}

#[tokio::test]
async fn a_thousand_gateways_need_few_requests_and_little_memory() {
    let set_up = SetUp::new("entra-many").await;
    let case = &set_up.case;
    let name = |number: usize| format!("gw-{number:04}");
    let apps: Vec<Principal> = (0..GATEWAYS)
        .map(|number| set_up.federated(&name(number)))
        .collect();
    let accounts = apps.iter().enumerate().map(|(number, app)| {
        let annotations = json!({"azure.workload.identity/client-id": app.client_id});
        json!({"kind": "ServiceAccount", "metadata": {"name": name(number), "annotations": annotations}})
    });
    case.create_all("/api/v1", "serviceaccounts", accounts).await;
    let deployments = (0..GATEWAYS).map(|number| {
        let labels = json!({"app": name(number), "azure.workload.identity/use": "true"});
        let env = json!([
            {"name": "config.service.endpoint", "value": case.endpoint()}, {"name": "config.service.auth", "value": "workloadIdentity"},
            {"name": "gateway.name", "value": "gw"},
        ]);
        let container = json!({"name": "gw", "image": "mcr.microsoft.com/azure-api-management/gateway:2.11.1", "env": env});
        let pod = json!({"serviceAccountName": name(number), "containers": [container]});
        json!({"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": name(number)}, "spec": {
            "replicas": 0, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}})
    });
    case.create_all("/apis/apps/v1", "deployments", deployments).await;
    let pods = (0..GATEWAYS).map(|number| pod(&name(number)));
    case.create_all("/api/v1", "pods", pods).await;
    let (ended, peak) = case
        .peak_of(set_up.run(&["status", "--azure", "-o", "json"]))
        .await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let list = ended.json();
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), GATEWAYS);
    for item in items {
        assert_eq!(parts(item, "ok").len(), 8, "{item:#}");
        assert_eq!(
            (&item["verdict"], &item["pods"]["stale"]),
            (&json!("Healthy"), &json!([])),
            "{item:#}"
        );
    }
    let pages = GATEWAYS.div_ceil(15);
    for (operation, times) in [
        (Operation::SignIn, 2),
        (Operation::ListApplications, pages),
        (Operation::ListServicePrincipals, pages),
        (Operation::ListFederatedCredentials, 0),
        (Operation::ListRoleDefinitions, 1),
        (Operation::GetRoleDefinition, 0),
        // By the page.
        (Operation::ListRoleAssignments, 2),
        (Operation::GetService, 1),
        (Operation::ListGateways, 1),
        (Operation::ListApis, 1),
    ] {
        assert_eq!(set_up.asked(operation), times, "{operation:?}");
    }
    println!("{GATEWAYS} gateways: {peak} KiB");
    assert!(peak < MOST, "{peak} KiB");
    case.delete_all("/apis/apps/v1", "deployments").await;
    case.delete_all("/api/v1", "pods").await;
}
