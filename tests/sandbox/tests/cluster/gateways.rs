//! Gateways: their layouts, what an accepted or refused credential does, and their logs.

use std::time::{Duration, Instant};

use apim_sandbox::manifests::GatewayManifest;
use apim_sandbox::wait;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::fixture::{BAD, ENDPOINT, Fixture, LIMIT, good, is_ready, is_running, layouts, waits_for};

#[tokio::test]
async fn every_layout_becomes_ready_with_an_accepted_token() {
    let fixture = Fixture::new("accepted").await;
    for manifest in layouts(ENDPOINT, good()) {
        let start = Instant::now();
        fixture.deploy(&manifest).await;
        fixture.rolled_out(&manifest.workload_name()).await;
        println!(
            "{} rolled out after {:?}",
            manifest.workload_name(),
            start.elapsed()
        );
    }
}

#[tokio::test]
async fn kubectl_applies_the_manifests_and_an_arm_path_is_an_endpoint_too() {
    let fixture = Fixture::new("kubectl").await;
    let scratch = tempfile::tempdir().unwrap();
    let path = "subscriptions/s/resourceGroups/g/providers/Microsoft.ApiManagement/service/contoso";
    let endpoint = format!("https://contoso.management.azure-api.net/{path}?api-version=2021-01-01-preview");
    for manifest in layouts(&endpoint, good()) {
        let file = scratch.path().join("gateway.yaml");
        std::fs::write(&file, manifest.yaml().unwrap()).unwrap();
        fixture
            .kubectl(&["apply", "-f", file.to_str().unwrap()])
            .await
            .unwrap();
        fixture.rolled_out(&manifest.workload_name()).await;
        let log = fixture
            .kubectl(&["logs", &format!("deploy/{}", manifest.workload_name())])
            .await
            .unwrap();
        assert!(log.contains(&format!("{path}/gateways/gw")), "{log}");
    }
}

#[tokio::test]
async fn every_layout_stays_unready_with_a_refused_token_and_logs_why() {
    let fixture = Fixture::new("refused").await;
    for manifest in layouts("contoso.configuration.azure-api.net", BAD) {
        fixture.deploy(&manifest).await;
        let container = manifest.container_name().to_owned();
        let pod = fixture
            .pod("a running pod", |pod| {
                is_running(pod) && pod.spec.as_ref().unwrap().containers[0].name == container
            })
            .await;
        assert!(!is_ready(&pod));
        let log = fixture.kubectl(&["logs", &pod.name_any()]).await.unwrap();
        assert!(
            log.contains("[ConfigurationApiV2NotAvailable]") && log.contains("statusCode: 401"),
            "{log}"
        );
        assert!(!log.contains("YmFk"), "{log}");
    }
}

#[tokio::test]
async fn a_silent_gateway_is_ready_in_spite_of_a_refusal() {
    let fixture = Fixture::new("silent").await;
    fixture
        .deploy(&GatewayManifest::portal("gw", ENDPOINT, BAD).mode("silent"))
        .await;
    fixture.rolled_out("gw").await;
    let log = fixture.kubectl(&["logs", "deploy/gw"]).await.unwrap();
    assert!(log.contains("ConfigurationApiV2NotAvailable"), "{log}");
}

#[tokio::test]
async fn kubectl_reads_logs_as_from_a_kubelet() {
    let fixture = Fixture::new("logs").await;
    fixture
        .deploy(&GatewayManifest::portal("gw", ENDPOINT, good()))
        .await;
    fixture.rolled_out("gw").await;

    let log = fixture.kubectl(&["logs", "deploy/gw"]).await.unwrap();
    assert!(
        log.lines().count() == 2 && log.contains("[GatewayStartup]"),
        "{log}"
    );
    let tail = fixture.kubectl(&["logs", "deploy/gw", "--tail=1"]).await.unwrap();
    assert_eq!(Some(tail.trim_end()), log.lines().last());
    let stamped = fixture
        .kubectl(&["logs", "deploy/gw", "--tail=1", "--timestamps"])
        .await
        .unwrap();
    assert!(
        stamped.ends_with(&tail) && stamped.len() > tail.len(),
        "{stamped}"
    );
    let recent = fixture
        .kubectl(&["logs", "deploy/gw", "--since=1h"])
        .await
        .unwrap();
    assert_eq!(recent, log);
    let limited = fixture
        .kubectl(&["logs", "deploy/gw", "--limit-bytes=5"])
        .await
        .unwrap();
    assert_eq!(limited, log[..5]);
    let error = fixture
        .kubectl(&["logs", "deploy/gw", "--previous"])
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("previous terminated container"),
        "{error}"
    );

    // A follower gets what is there and ends with the pod.
    let following = fixture.kubectl(&["logs", "deploy/gw", "--follow"]);
    let deleting = async {
        wait::until("the follower", LIMIT, async || {
            let records = fixture.sandbox.audit().await?;
            let follows = |uri: &str| uri.contains("follow=true") && uri.contains(&fixture.namespace);
            Ok(records.iter().any(|record| follows(&record.uri)).then_some(()))
        })
        .await
        .unwrap();
        fixture
            .api::<Deployment>()
            .delete("gw", &kube::api::DeleteParams::default())
            .await
            .unwrap();
    };
    let (followed, ()) = tokio::join!(following, deleting);
    assert_eq!(followed.unwrap(), log);
}

#[tokio::test]
async fn a_changed_secret_restarts_nothing_and_a_changed_template_everything() {
    let fixture = Fixture::new("roll").await;
    let manifest = GatewayManifest::portal("gw", ENDPOINT, good()).replicas(2);
    fixture.deploy(&manifest).await;
    fixture.rolled_out("gw").await;
    let mut before: Vec<_> = fixture.pods().await.iter().map(ResourceExt::uid).collect();
    before.sort();

    let secrets: Api<Secret> = fixture.api();
    let bad = json!({ "stringData": { "value": BAD } });
    secrets
        .patch("gw-token", &PatchParams::default(), &Patch::Merge(bad))
        .await
        .unwrap();
    // The pod of another workload is the proof that time has passed for the first one as well.
    fixture
        .deploy(&GatewayManifest::portal("other", ENDPOINT, good()))
        .await;
    fixture.rolled_out("other").await;
    let of_gateway = |pod: &Pod| pod.labels().get("app").is_some_and(|app| app == "gw");
    let mut after: Vec<_> = fixture
        .pods()
        .await
        .iter()
        .filter(|pod| of_gateway(pod))
        .map(ResourceExt::uid)
        .collect();
    after.sort();
    assert_eq!(before, after);

    // The next pod reads the new value, is refused, and so the old ones stay.
    let restart = json!({ "spec": { "template": { "metadata": { "annotations": { "restarted": "1" } } } } });
    let deployments: Api<Deployment> = fixture.api();
    deployments
        .patch("gw", &PatchParams::default(), &Patch::Merge(restart))
        .await
        .unwrap();
    let refused = fixture
        .pod("the refused pod", |pod| {
            of_gateway(pod) && is_running(pod) && !before.contains(&pod.uid())
        })
        .await;
    assert!(!is_ready(&refused));
    assert_eq!(
        fixture
            .pods()
            .await
            .iter()
            .filter(|pod| of_gateway(pod) && is_ready(pod))
            .count(),
        2
    );

    let start = Instant::now();
    let good = json!({ "stringData": { "value": good() } });
    secrets
        .patch("gw-token", &PatchParams::default(), &Patch::Merge(good))
        .await
        .unwrap();
    let restart = json!({ "spec": { "template": { "metadata": { "annotations": { "restarted": "2" } } } } });
    deployments
        .patch("gw", &PatchParams::default(), &Patch::Merge(restart))
        .await
        .unwrap();
    fixture.rolled_out("gw").await;
    println!("two replicas replaced after {:?}", start.elapsed());
    wait::until("the old pods to go", LIMIT, async || {
        Ok((fixture.pods().await.iter().filter(|pod| of_gateway(pod)).count() == 2).then_some(()))
    })
    .await
    .unwrap();
    assert!(
        fixture
            .pods()
            .await
            .iter()
            .all(|pod| !before.contains(&pod.uid()))
    );
}

#[tokio::test]
async fn modes_change_how_a_gateway_fails() {
    let fixture = Fixture::new("modes").await;
    let pod_of = |name: &'static str| move |pod: &Pod| pod.labels().get("app").is_some_and(|app| app == name);
    for (name, token, mode) in [
        ("crash", BAD, "crash"),
        ("pending", good(), "pending"),
        ("pull", good(), "image-pull"),
        ("slow", good(), "slow:2"),
    ] {
        fixture
            .deploy(&GatewayManifest::portal(name, ENDPOINT, token).mode(mode))
            .await;
    }
    let start = Instant::now();

    fixture
        .pod("creating", |pod| {
            pod_of("pending")(pod) && waits_for(pod, "ContainerCreating")
        })
        .await;
    fixture
        .pod("image pull", |pod| {
            pod_of("pull")(pod) && waits_for(pod, "ImagePullBackOff")
        })
        .await;
    let slow = fixture
        .pod("slow", |pod| pod_of("slow")(pod) && is_running(pod))
        .await;
    assert!(!is_ready(&slow));
    fixture
        .pod("slow and ready", |pod| pod_of("slow")(pod) && is_ready(pod))
        .await;
    assert!(start.elapsed() > Duration::from_secs(1));
    let crashed = fixture
        .pod("a second crash", |pod| {
            let status = pod
                .status
                .as_ref()
                .and_then(|status| status.container_statuses.as_ref()?.first());
            pod_of("crash")(pod) && waits_for(pod, "CrashLoopBackOff") && status.unwrap().restart_count > 0
        })
        .await;
    let previous = fixture
        .kubectl(&["logs", &crashed.name_any(), "--previous"])
        .await
        .unwrap();
    assert!(previous.contains("ConfigurationApiV2NotAvailable"), "{previous}");

    // A crashed container reads its Secret again, as a restarted one does everywhere.
    let good = json!({ "stringData": { "value": good() } });
    fixture
        .api::<Secret>()
        .patch("crash-token", &PatchParams::default(), &Patch::Merge(good))
        .await
        .unwrap();
    fixture.rolled_out("crash").await;
}
