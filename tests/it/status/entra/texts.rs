//! Texts that others wrote.

use apim_sandbox::azure::Principal;
use apim_sandbox::manifests::{EntraManifest, apply};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{SetUp, uuid};

/// Gateways with a client id that is not a GUID, in each place, and one with a certificate that is none.
async fn odd_client_ids(set_up: &SetUp, app: &Principal, hostile: &str) {
    let case = &set_up.case;
    set_up.workload("account", &app.client_id).await;
    let change = json!({"metadata": {"annotations": {
        "azure.workload.identity/client-id": format!("{hostile}not-a-guid{}", "x".repeat(50_000)),
    }}});
    let accounts: Api<ServiceAccount> = Api::namespaced(case.client.clone(), &case.namespace);
    let params = PatchParams::default();
    accounts
        .patch("account", &params, &Patch::Merge(&change))
        .await
        .unwrap();
    let no_guid = Principal {
        client_id: "../../me".to_owned(),
        ..app.clone()
    };
    set_up.secret("setting", &no_guid).await;
    let in_secret = |objects: &mut [Value]| {
        let env = objects[1]["spec"]["template"]["spec"]["containers"][0]["env"]
            .as_array_mut()
            .unwrap();
        let client_id = env
            .iter_mut()
            .find(|it| it["name"] == "config.service.auth.azureAd.clientId")
            .unwrap();
        let reference = json!({"secretKeyRef": {"name": "reference-entra", "key": "azure-ad-app-secret"}});
        *client_id = json!({"name": client_id["name"], "valueFrom": reference});
    };
    let reference = EntraManifest::app_secret(
        "reference",
        &case.endpoint(),
        &app.tenant,
        &app.client_id,
        &app.client_secret,
    );
    set_up.deploy(&reference, in_secret).await;
    set_up
        .certificate(
            "garbage",
            app,
            "-----BEGIN CERTIFICATE-----\n\u{1b}[31mgarbled\n-----END CERTIFICATE-----",
        )
        .await;
}

#[tokio::test]
async fn texts_of_others_take_over_no_terminal() {
    const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}";
    let set_up = SetUp::new("entra-hostile").await;
    let case = &set_up.case;
    let app = set_up.federated("gw");
    let long = format!("{HOSTILE}{}", "x".repeat(50_000));
    case.azure().directory(|it| {
        it.change_application(&app.client_id, |app| {
            app.display_name.clone_from(&long);
            app.federated_credentials[0].issuer = format!("https://{long}");
            app.federated_credentials[0].name = HOSTILE.repeat(10);
        })
    });
    set_up.workload("gw", &app.client_id).await;
    set_up.secret("secret", &app).await;
    let annotations = json!({"metadata": {"annotations": {
        "apim-rotate/kind": long, "apim-rotate/client-id": long, "apim-rotate/key-id": long, "apim-rotate/expires-at": long,
    }}});
    case.patch_secret("secret-entra", &annotations).await;
    odd_client_ids(&set_up, &app, HOSTILE).await;
    for format in ["json", "wide", "prometheus", "yaml"] {
        for azure in [
            &["status", "-o", format][..],
            &["status", "-o", format, "--azure"],
        ] {
            set_up.run(azure).exits(0).await.is_harmless();
        }
    }
    let ended = set_up.with_azure().await;
    let reason = |name: &str| {
        let row = ended.gateway(name);
        format!("{} {}", row["reason"], row["unread"])
    };
    assert!(
        reason("account").contains("is not a GUID"),
        "{}",
        reason("account")
    );
    assert!(
        reason("setting").contains("is not a GUID"),
        "{}",
        reason("setting")
    );
    assert!(
        reason("reference").contains("nothing else records it"),
        "{}",
        reason("reference")
    );
    assert!(
        reason("garbage").contains("holds no certificate that can be read"),
        "{}",
        reason("garbage")
    );
    assert_eq!(ended.gateway("gw")["verdict"], "CannotSignIn");
}

#[tokio::test]
async fn a_client_id_comes_from_settings_and_never_from_a_secret() {
    let set_up = SetUp::new("entra-settings").await;
    let case = &set_up.case;
    let app = set_up.app();
    let other = uuid();
    for object in [
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ids"}, "data": {"id": app.client_id}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "ids"}, "stringData": {"id": other}}),
    ] {
        apply(&case.client, &case.namespace, object).await.unwrap();
    }
    for (name, kind) in [("map", "configMapKeyRef"), ("secret", "secretKeyRef")] {
        let manifest = EntraManifest::app_secret(name, &case.endpoint(), &app.tenant, "", &app.client_secret);
        let with_reference = |objects: &mut [Value]| {
            let env = &mut objects[1]["spec"]["template"]["spec"]["containers"][0]["env"];
            let setting = "config.service.auth.azureAd.clientId";
            let from = json!({"name": setting, "valueFrom": {kind: {"name": "ids", "key": "id"}}});
            env.as_array_mut().unwrap().push(from);
        };
        set_up.deploy(&manifest, with_reference).await;
    }
    let ended = case.apim(&["status", "-o", "json"]).exits(0).await;
    assert_eq!(ended.gateway("map")["entra"]["clientId"], app.client_id.as_str());
    // Anything may be in a Secret that a setting refers to.
    let secret = ended.gateway("secret");
    assert!(
        secret["entra"]["clientId"].is_null() && !ended.stdout.contains(&other),
        "{secret:#}"
    );
    assert!(
        secret["unread"]
            .to_string()
            .contains("the client id is in secret/ids"),
        "{secret:#}"
    );
    // The annotation of the set-up names it.
    set_up.record("secret-entra", 1, 100, &app, &app.client_id).await;
    let secret = case
        .apim(&["status", "-o", "json"])
        .exits(0)
        .await
        .gateway("secret");
    assert_eq!(secret["entra"]["clientId"], app.client_id.as_str());
}
