//! What a workload has already when it is set up, and what becomes of it.

use apim_sandbox::azure::{Application, PasswordCredential, ServicePrincipal};
use apim_sandbox::manifests::apply;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde_json::{Value, json};

use super::EntraCase;

/// The pod spec of the workload as it is now.
async fn pod_spec(entra: &EntraCase) -> Value {
    let deployment = entra.case.deployments().get("gw").await.unwrap();
    serde_json::to_value(deployment.spec.unwrap().template.spec.unwrap()).unwrap()
}

/// A variable of the gateway's container.
fn variable(spec: &Value, name: &str) -> Value {
    let all = spec["containers"][0]["env"].as_array().unwrap();
    let found = all.iter().find(|it| it["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {all:#?}")).clone()
}

/// An app with this client secret; its client id.
fn registered(entra: &EntraCase, secret: &str) -> String {
    let mut app = Application::new(&entra.case.principal.tenant, "known");
    app.passwords.push(PasswordCredential::new(secret));
    let (client_id, object) = (app.app_id.clone(), uuid::Uuid::new_v4().to_string());
    let principal = ServicePrincipal::new(&app.tenant, &object, &client_id, "known");
    entra.case.azure().directory(|it| {
        it.add_application(app);
        it.add_service_principal(principal);
    });
    client_id
}

/// A gateway whose settings are all in a `ConfigMap`.
async fn deploy_with_config_map(entra: &EntraCase, data: &Value, immutable: bool) {
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "apim-gateway-env"}, "data": data,
        "immutable": immutable,
    });
    apply(&entra.case.client, &entra.case.namespace, map)
        .await
        .unwrap();
    entra
        .deploy(|it| {
            let container = &mut it["spec"]["template"]["spec"]["containers"][0];
            container["env"] = json!([]);
            container["envFrom"] = json!([{"configMapRef": {"name": "apim-gateway-env"}}]);
        })
        .await;
}

/// The YAML of Microsoft's page has the client secret in the ConfigMap of `envFrom`.
async fn a_client_secret_in_clear_moves_to_the_secret() {
    let entra = EntraCase::new("clear-secret").await;
    let case = &entra.case;
    let clear = format!("clear~{}", uuid::Uuid::new_v4().simple());
    case.hides(&clear);
    let client_id = registered(&entra, &clear);
    let data = json!({
        "config.service.endpoint": case.endpoint(),
        "config.service.auth": "azureAdApp",
        "config.service.auth.azureAd.authority": "https://login.microsoftonline.com",
        "config.service.auth.azureAd.tenantId": case.principal.tenant,
        "config.service.auth.azureAd.clientId": client_id,
        "config.service.auth.azureAd.clientSecret": clear,
        "gateway.name": case.gateway.name,
    });
    deploy_with_config_map(&entra, &data, false).await;
    let flags = ["--app", &client_id, "--yes"];
    let first = entra.setup(&flags).exits(0).await;
    first.says(&["proved"]);
    let note = "configmap/apim-gateway-env has a client secret in clear";
    assert!(first.stdout.contains(note), "{}", first.stdout);
    let maps: Api<ConfigMap> = Api::namespaced(case.client.clone(), &case.namespace);
    let kept = maps.get("apim-gateway-env").await.unwrap().data.unwrap();
    assert_eq!(json!(kept), data, "the ConfigMap is left alone");
    let secret = variable(
        &pod_spec(&entra).await,
        "config.service.auth.azureAd.clientSecret",
    );
    let wanted = json!({"name": "gw-entra", "key": "azure-ad-app-secret"});
    assert_eq!(secret["valueFrom"]["secretKeyRef"], wanted, "{secret}");
    let stored = case.secret("gw-entra").await.data.unwrap()["azure-ad-app-secret"].clone();
    assert_ne!(
        stored.0,
        clear.as_bytes(),
        "a new one is made, since many may have read the old one"
    );

    // It is named until it is gone, with the command that removes it.
    let again = entra.setup(&flags).exits(0).await;
    assert!(again.stdout.contains(note), "{}", again.stdout);
    let mut lines = again.stdout.lines();
    let command = lines.find_map(|line| Some(&line[line.find("kubectl -n ")?..]));
    case.shell(command.unwrap_or_else(|| panic!("no command in {}", again.stdout)))
        .exits(0)
        .await;
    let rest = maps.get("apim-gateway-env").await.unwrap().data.unwrap();
    assert_eq!(rest.len(), kept.len() - 1);
    let last = entra.setup(&flags).exits(0).await;
    assert!(!last.stdout.contains("in clear"), "{}", last.stdout);
}

/// The clear client secret of an immutable `ConfigMap` is removed by the printed command,
/// which replaces the `ConfigMap`.
async fn an_immutable_config_map_is_replaced() {
    let entra = EntraCase::new("immutable-map").await;
    let case = &entra.case;
    let clear = format!("clear~{}", uuid::Uuid::new_v4().simple());
    case.hides(&clear);
    let data = json!({
        "config.service.endpoint": case.endpoint(),
        "config.service.auth.azureAd.clientSecret": clear,
    });
    deploy_with_config_map(&entra, &data, true).await;
    let flags = ["--create-app", "gw", "--mode", "app-secret", "--dry-run"];
    let plan = entra.setup(&flags).exits(0).await.stdout;
    let command = plan
        .lines()
        .find_map(|line| Some(&line[line.find("kubectl -n ")?..]));
    case.shell(command.unwrap_or_else(|| panic!("no command in {plan}")))
        .exits(0)
        .await;
    let maps: Api<ConfigMap> = Api::namespaced(case.client.clone(), &case.namespace);
    let map = maps.get("apim-gateway-env").await.unwrap();
    let data = map.data.unwrap();
    assert_eq!(data.keys().collect::<Vec<_>>(), ["config.service.endpoint"]);
    assert_eq!(map.immutable, Some(true));
    let plan = entra.setup(&flags).exits(0).await.stdout;
    assert!(!plan.contains("in clear"), "{plan}");
}

/// The names of a gateway and of its instance are expanded by the kubelet.
async fn variables_in_settings_are_expanded() {
    let mut entra = EntraCase::new("expanded").await;
    "x$$y $(INST)".clone_into(&mut entra.case.gateway.name);
    entra.case.azure().add_gateway(&entra.case.gateway);
    let (service, domain) = (entra.case.gateway.service.clone(), entra.case.endpoint());
    let domain = domain.replace(&service, "$(INST)");
    entra
        .deploy(|it| {
            it["spec"]["template"]["spec"]["containers"][0]["env"] = json!([
                {"name": "INST", "value": service},
                {"name": "config.service.endpoint", "value": domain},
            ]);
        })
        .await;
    let flags = ["--create-app", "gw", "--mode", "app-secret", "--yes"];
    entra.setup(&flags).exits(0).await.says(&["proved"]);
    let name = variable(&pod_spec(&entra).await, "gateway.name");
    assert_eq!(name["value"], "x$$$$y $$(INST)", "as the kubelet expands it");
    let again = entra.setup(&flags).exits(0).await.stdout;
    assert!(again.lines().all(|line| line.starts_with(['=', ' '])), "{again}");
}

/// A volume of the name that a certificate's would have.
async fn a_foreign_volume_keeps_its_meaning() {
    let entra = EntraCase::new("foreign-volume").await;
    entra
        .deploy(|it| {
            let spec = &mut it["spec"]["template"]["spec"];
            spec["volumes"] = json!([{"name": "apim-entra", "emptyDir": {}}]);
            spec["containers"][0]["volumeMounts"] = json!([{"name": "apim-entra", "mountPath": "/mine"}]);
        })
        .await;
    let flags = ["--create-app", "gw", "--mode", "app-certificate", "--yes"];
    entra.setup(&flags).exits(0).await.says(&["proved"]);
    let spec = pod_spec(&entra).await;
    let volume = |path: &str| {
        let mounts = spec["containers"][0]["volumeMounts"].as_array().unwrap();
        let mount = mounts.iter().find(|it| it["mountPath"] == path).unwrap();
        let volumes = spec["volumes"].as_array().unwrap();
        volumes
            .iter()
            .find(|it| it["name"] == mount["name"])
            .unwrap()
            .clone()
    };
    assert_eq!(volume("/mine"), json!({"name": "apim-entra", "emptyDir": {}}));
    assert_eq!(volume("/etc/apim-entra")["secret"]["secretName"], "gw-entra");
    let again = entra.setup(&flags).exits(0).await;
    assert!(
        !again.stdout.contains("\n~ ") && !again.stdout.contains("\n+ "),
        "{}",
        again.stdout
    );
}

/// A gateway without its endpoint cannot start.
async fn a_missing_endpoint_is_set() {
    let entra = EntraCase::new("no-endpoint").await;
    entra
        .deploy(|it| it["spec"]["template"]["spec"]["containers"][0]["env"] = json!([]))
        .await;
    let flags = ["--create-app", "gw", "--mode", "app-secret", "--yes"];
    entra.setup(&flags).exits(0).await.says(&["proved"]);
    let endpoint = variable(&pod_spec(&entra).await, "config.service.endpoint");
    assert_eq!(endpoint["value"], json!(entra.case.endpoint()));
}

/// Side by side, since most of their time is waiting.
#[tokio::test]
async fn what_is_there_stays_and_what_lacks_is_set() {
    tokio::join!(
        a_client_secret_in_clear_moves_to_the_secret(),
        an_immutable_config_map_is_replaced(),
        variables_in_settings_are_expanded(),
        a_foreign_volume_keeps_its_meaning(),
        a_missing_endpoint_is_set()
    );
}
