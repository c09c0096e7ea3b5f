//! Objects that something else would set back: they are not written, and their values are printed.

use apim_sandbox::manifests::apply;
use futures::future::join_all;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use serde_json::{Value, json};

use super::EntraCase;

/// What shows an owner, as labels and annotations, and how it is named.
fn owners() -> [(Value, &'static str); 5] {
    let release = json!({"meta.helm.sh/release-name": "arc", "meta.helm.sh/release-namespace": "apim"});
    [
        // Azure installs its extensions by Helm.
        (
            json!({
                "labels": {"clusterconfig.azure.com/extension-version": "1.2.0", "app.kubernetes.io/managed-by": "Helm"},
                "annotations": release,
            }),
            "an Azure Arc extension",
        ),
        (json!({"annotations": release}), "Helm release arc"),
        (
            json!({"annotations": {"argocd.argoproj.io/tracking-id": "shop:OBJECT"}}),
            "Argo CD application shop",
        ),
        (
            json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "f"}}),
            "Flux Kustomization apps",
        ),
        (
            json!({"labels": {"helm.toolkit.fluxcd.io/name": "gateways", "helm.toolkit.fluxcd.io/namespace": "f"}}),
            "Flux HelmRelease gateways",
        ),
    ]
}

/// Adds what shows an owner to an object. A tracking id names the object that it is on.
fn owned(object: &mut Value, namespace: &str, marks: &Value) {
    let kind = match object["kind"].as_str().unwrap() {
        "Deployment" => "apps/Deployment".to_owned(),
        kind => format!("/{kind}"),
    };
    let id = format!(
        "{kind}:{namespace}/{}",
        object["metadata"]["name"].as_str().unwrap()
    );
    let marks: Value = serde_json::from_str(&marks.to_string().replace("OBJECT", &id)).unwrap();
    for (field, marks) in marks.as_object().unwrap() {
        object["metadata"][field] = marks.clone();
    }
}

async fn a_workload((marks, owner): (Value, &str)) {
    let entra = EntraCase::new("owned").await;
    entra.deploy(|it| owned(it, &entra.case.namespace, &marks)).await;
    let generation = entra.case.versions().await["deployment/gw"].clone();
    let flags = ["--create-app", "gw", "--mode", "app-secret", "--yes"];
    let ended = entra.setup(&flags).exits(4).await;
    let app = entra.apps()[0].clone();
    for text in [
        &format!("it belongs to {owner}, which would undo it; set it there"),
        "\n! set in deployment/gw",
        "name: config.service.auth.azureAd.clientSecret",
        "key: azure-ad-app-secret",
        "existingSecretName: gw-entra",
        &app.app_id,
    ] {
        assert!(
            ended.stdout.contains(text),
            "`{text}` is missing in: {}",
            ended.stdout
        );
    }
    let versions = entra.case.versions().await;
    assert_eq!(versions["deployment/gw"], generation, "{owner}");
    assert!(versions.contains_key("secret/gw-entra"), "the rest is done");

    let writes = entra.azure_writes().len();
    entra.setup(&flags).exits(4).await;
    assert_eq!(entra.azure_writes().len(), writes, "{owner}");
    assert_eq!(entra.case.versions().await, versions, "{owner}");
}

async fn a_service_account((marks, owner): (Value, &str)) {
    let entra = EntraCase::new("owned-account").await;
    let case = &entra.case;
    let mut account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "gw"}});
    owned(&mut account, &case.namespace, &marks);
    apply(&case.client, &case.namespace, account).await.unwrap();
    entra.deploy(|_| {}).await;
    let accounts: Api<ServiceAccount> = Api::namespaced(case.client.clone(), &case.namespace);
    let before = (accounts.get("gw").await.unwrap(), case.versions().await);
    let flags = ["--create-app", "gw", "--service-account", "gw", "--yes"];
    let ended = entra.setup(&flags).exits(4).await;
    let app = entra.apps()[0].clone();
    let annotation = format!("azure.workload.identity/client-id: {}", app.app_id);
    for text in [
        "\n! annotate serviceaccount/gw",
        &format!("it belongs to {owner}, which would undo it; set it there"),
        &annotation,
    ] {
        assert!(
            ended.stdout.contains(text),
            "`{text}` is missing in: {}",
            ended.stdout
        );
    }
    assert_eq!(
        (accounts.get("gw").await.unwrap(), case.versions().await),
        before,
        "{owner}"
    );
    assert_eq!(app.federated_credentials.len(), 1, "the rest is done");

    // Once its owner has set what was printed, the rest follows.
    let patch = json!({"metadata": {"annotations": {"azure.workload.identity/client-id": app.app_id}}});
    let params = kube::api::PatchParams::default();
    accounts
        .patch("gw", &params, &kube::api::Patch::Merge(&patch))
        .await
        .unwrap();
    entra.setup(&flags).exits(0).await.says(&["proved"]);
}

/// Side by side, since most of their time is waiting.
#[tokio::test]
async fn what_belongs_to_something_else_is_not_written() {
    let [arc, helm, argo, kustomization, release] = owners();
    let accounts = [arc.clone(), argo.clone(), kustomization.clone()].map(a_service_account);
    let workloads = [arc, helm, argo, kustomization, release].map(a_workload);
    tokio::join!(join_all(workloads), join_all(accounts));
}
