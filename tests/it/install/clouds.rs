//! Gateways of two clouds.

use apim_sandbox::azure::Operation;
use apim_sandbox::manifests::GatewayManifest;
use serde_json::json;

use super::bad_input::idle;
use super::service_principal;

#[tokio::test]
async fn a_fleet_over_two_clouds_is_refused_and_the_other_cloud_is_not_asked() {
    let case = idle("install-clouds").await;
    let gateway = apim_sandbox::azure::Gateway {
        name: "china".to_owned(),
        ..case.gateway.clone()
    };
    case.azure().add_gateway(&gateway);
    let expires = case.azure().now() + crate::case::DAY * 2;
    let token = case
        .azure()
        .mint(&gateway, apim_sandbox::azure::Slot::Primary, expires);
    case.hides(&token);
    let endpoint = format!("https://{}.configuration.azure-api.cn", case.gateway.service);
    let manifest = GatewayManifest::portal("china", &endpoint, &format!("GatewayKey {token}")).replicas(0);
    case.deploy(&manifest).await;
    let secret = case.file("secret", &case.principal.client_secret);
    let install = |arguments: &[&str]| {
        let identity = service_principal(&case, &secret);
        let tenant = ["--tenant", &case.principal.tenant];
        case.install_cronjob(&[arguments, &identity, &tenant].concat())
    };
    let ended = case.fails_untouched(install(&["--all"]), 4).await;
    ended.says(&[
        "gateway `china`",
        "is in the cloud china, but this run is for the cloud public",
        "--cloud china",
    ]);
    case.fails_untouched(install(&["--all", "--cloud", "china"]), 4)
        .await
        .says(&["gateway `gw`", "--cloud public"]);
    let asked: Vec<_> = case.requests(Operation::SignIn);
    assert!(asked.is_empty(), "{asked:?}");
    assert!(case.cron_jobs().await.is_empty());

    // Several of China are one fleet, whose runs name their cloud.
    let patch = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "gw", "env": [{"name": "config.service.endpoint", "value": endpoint}]}]}}}});
    let params = kube::api::PatchParams::default();
    let patch = kube::api::Patch::Strategic(&patch);
    case.deployments().patch("gw", &params, &patch).await.unwrap();
    case.rolled_out("gw").await;
    case.fails_untouched(install(&["--all"]), 4).await;
    install(&["--all", "--cloud", "china"]).exits(0).await;
    let cron_jobs = case.cron_jobs().await;
    let cron_job = serde_json::to_string(&cron_jobs[0]).unwrap();
    assert!(cron_job.contains(r#""--cloud=china""#), "{cron_job}");
    // One that is named alone is in the cloud of its endpoint.
    case.apim(&["uninstall-cronjob", "--yes"]).exits(0).await;
    install(&["deploy/china", "--name", "one"]).exits(0).await;
    let one = case
        .cron_jobs()
        .await
        .into_iter()
        .find(|it| it.metadata.name.as_deref() == Some("one"));
    let one = serde_json::to_string(&one).unwrap();
    assert!(one.contains(r#""--cloud=china""#), "{one}");
}
