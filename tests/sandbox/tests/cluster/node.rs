//! The node: environments, workloads of every kind, many pods at once.

use std::time::Instant;

use apim_sandbox::manifests::GatewayManifest;
use apim_sandbox::node::MODE_ANNOTATION;
use apim_sandbox::wait;
use k8s_openapi::api::apps::v1::{DaemonSet, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde_json::json;

use crate::fixture::{ENDPOINT, Fixture, LIMIT, good, is_ready, waiting, waits_for};

#[tokio::test]
async fn the_environment_is_built_as_a_kubelet_builds_it() {
    let fixture = Fixture::new("environment").await;
    fixture
        .apply(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings" },
            "data": { "endpoint": ENDPOINT, "auth": "overridden by env" },
        }))
        .await;
    fixture
        .apply(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "parts" },
            "stringData": { "signature": "Z29vZA==" },
        }))
        .await;
    let container = json!({
        "name": "gateway",
        "image": "registry.example/mirror/azure-api-management/gateway:2.11.1",
        "resources": { "limits": { "memory": "64Mi" } },
        "envFrom": [
            { "prefix": "config.service.", "configMapRef": { "name": "settings" } },
            { "secretRef": { "name": "absent", "optional": true } },
        ],
        "env": [
            { "name": "ID", "valueFrom": { "fieldRef": { "fieldPath": "metadata.labels['gateway']" } } },
            { "name": "YEAR", "value": "2030" },
            { "name": "SIGNATURE", "valueFrom": { "secretKeyRef": { "name": "parts", "key": "signature" } } },
            { "name": "ABSENT", "valueFrom": {
                "secretKeyRef": { "name": "parts", "key": "absent", "optional": true } } },
            { "name": "MEMORY", "valueFrom": {
                "resourceFieldRef": { "resource": "limits.memory", "divisor": "1Mi" } } },
            { "name": "config.service.auth", "value": "GatewayKey $(ID)&$(YEAR)01010000&$(SIGNATURE)" },
            { "name": "gateway.name", "value": "$(MEMORY)-$(ABSENT)-$$(ID)" },
        ],
    });
    // This token has no valid signature, so the gateway is ready only if a refusal does not matter to it.
    let metadata = json!({
        "labels": { "gateway": "gw", "app": "a" }, "annotations": { MODE_ANNOTATION: "silent" },
    });
    let template = json!({ "metadata": metadata, "spec": { "containers": [container] } });
    let spec = json!({ "selector": { "matchLabels": { "app": "a" } }, "template": template });
    fixture
        .apply(json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "a" }, "spec": spec,
        }))
        .await;
    fixture.rolled_out("a").await;
    let log = fixture.kubectl(&["logs", "deploy/a"]).await.unwrap();
    assert!(
        log.contains("/gateways/64%2D%24%28ABSENT%29%2D%24%28ID%29"),
        "{log}"
    );
}

#[tokio::test]
async fn missing_references_are_reported_in_the_kubelet_s_words() {
    let fixture = Fixture::new("missing").await;
    let manifest = GatewayManifest::portal("gw", ENDPOINT, good());
    let mut objects = manifest.objects();
    let secret = objects.remove(0);
    for object in objects {
        fixture.apply(object).await;
    }
    let pod = fixture
        .pod("the error", |pod| waits_for(pod, "CreateContainerConfigError"))
        .await;
    assert_eq!(waiting(&pod).unwrap().1, "secret \"gw-token\" not found");
    let error = fixture.kubectl(&["logs", &pod.name_any()]).await.unwrap_err();
    assert!(error.to_string().contains("waiting to start"), "{error}");

    fixture.apply(json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "gw-token" }, "stringData": { "other": "x" },
    })).await;
    let expected = format!("couldn't find key value in Secret {}/gw-token", fixture.namespace);
    fixture
        .pod("the other error", |pod| {
            waiting(pod).is_some_and(|(_, message)| message == expected)
        })
        .await;
    fixture.apply(secret).await;
    fixture.rolled_out("gw").await;
}

#[tokio::test]
async fn a_pod_waits_for_the_secrets_of_its_volumes_unless_they_are_optional() {
    let fixture = Fixture::new("volumes").await;
    let volumes = json!([
        { "name": "certificate", "secret": { "secretName": "certificate" } },
        { "name": "extra", "secret": { "secretName": "absent", "optional": true } },
    ]);
    let containers = json!([{ "name": "main", "image": "example/any" }]);
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "pod" },
        "spec": { "containers": containers, "volumes": volumes },
    });
    fixture.apply(pod).await;
    fixture
        .pod("the pod to wait", |pod| waits_for(pod, "ContainerCreating"))
        .await;
    let reported = async |expected: &str| {
        wait::until("the event", LIMIT, async || {
            let events = fixture
                .kubectl(&["get", "events", "-o", "jsonpath={..message}"])
                .await?;
            Ok(events.contains(expected).then_some(()))
        })
        .await
        .unwrap();
    };
    reported("MountVolume.SetUp failed for volume \"certificate\" : secret \"certificate\" not found").await;

    fixture
        .apply(json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "certificate" } }))
        .await;
    fixture.pod("the pod to be ready", is_ready).await;

    // A key that a volume names must be there too.
    let items = json!([{ "key": "tls.pfx", "path": "tls.pfx" }]);
    let volumes = json!([{ "name": "pfx", "secret": { "secretName": "certificate", "items": items } }]);
    let keyed = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "keyed" },
        "spec": { "containers": containers, "volumes": volumes },
    });
    fixture.apply(keyed).await;
    reported("MountVolume.SetUp failed for volume \"pfx\" : references non-existent secret key: tls.pfx")
        .await;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "certificate" }, "stringData": { "tls.pfx": "x" },
    });
    fixture.apply(secret).await;
    fixture
        .pod("the other pod to be ready", |pod: &Pod| {
            pod.name_any() == "keyed" && is_ready(pod)
        })
        .await;
}

#[tokio::test]
async fn other_workloads_run_and_jobs_succeed() {
    let fixture = Fixture::new("others").await;
    let labels = json!({ "app": "other" });
    let containers = json!([{ "name": "main", "image": "example/any" }]);
    let template = json!({ "metadata": { "labels": labels }, "spec": { "containers": containers } });
    let spec = json!({ "selector": { "matchLabels": labels }, "template": template });
    fixture
        .apply(json!({
            "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": { "name": "daemons" }, "spec": spec,
        }))
        .await;
    let mut stateful = spec.clone();
    stateful["serviceName"] = json!("none");
    stateful["replicas"] = json!(2);
    fixture
        .apply(json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "set" }, "spec": stateful,
        }))
        .await;
    let job = json!({ "template": { "spec": { "restartPolicy": "Never", "containers": containers } } });
    fixture
        .apply(json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "job" }, "spec": job,
        }))
        .await;
    wait::until("all three", LIMIT, async || {
        let daemons = fixture
            .api::<DaemonSet>()
            .get("daemons")
            .await?
            .status
            .is_some_and(|s| s.number_ready == 1);
        let set = fixture
            .api::<StatefulSet>()
            .get("set")
            .await?
            .status
            .is_some_and(|s| s.ready_replicas == Some(2));
        let job = fixture
            .api::<Job>()
            .get("job")
            .await?
            .status
            .is_some_and(|s| s.succeeded == Some(1));
        Ok((daemons && set && job).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn many_pods_start_beside_each_other() {
    let fixture = Fixture::new("many").await;
    let start = Instant::now();
    fixture
        .deploy(&GatewayManifest::portal("gw", ENDPOINT, good()).replicas(100))
        .await;
    fixture.rolled_out("gw").await;
    println!("100 pods ready after {:?}", start.elapsed());
    let addresses: std::collections::HashSet<_> = fixture
        .pods()
        .await
        .iter()
        .filter_map(|pod| pod.status.as_ref()?.pod_ip.clone())
        .collect();
    assert_eq!(addresses.len(), 100);
}
