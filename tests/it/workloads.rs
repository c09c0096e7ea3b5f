//! Every kind of workload, every way to replace its pods, and every way in
//! which it may use the Secret.

use apim_sandbox::azure::{Action, Operation, Slot};
use apim_sandbox::manifests::{GatewayManifest, apply};
use apim_sandbox::wait;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{DaemonSet, StatefulSet, StatefulSetStatus};
use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::case::{Case, DAY, LIMIT};
use crate::run::Run;

/// The portal's objects with the Deployment changed.
pub(crate) async fn deploy_changed(case: &Case, change: impl Fn(&mut Value)) -> GatewayManifest {
    let manifest = case.portal();
    for mut object in manifest.objects() {
        if object["kind"] == "Deployment" {
            change(&mut object);
        }
        apply(&case.client, &case.namespace, object).await.unwrap();
    }
    manifest
}

pub(crate) fn into_stateful_set(object: &mut Value, replicas: i32, update_strategy: &Value) {
    object["kind"] = json!("StatefulSet");
    let spec = object["spec"].as_object_mut().unwrap();
    spec.remove("strategy");
    spec.insert("replicas".to_owned(), json!(replicas));
    spec.insert("serviceName".to_owned(), json!("gw-instance-discovery"));
    spec.insert("updateStrategy".to_owned(), update_strategy.clone());
}

pub(crate) fn into_daemon_set(object: &mut Value) {
    object["kind"] = json!("DaemonSet");
    let spec = object["spec"].as_object_mut().unwrap();
    spec.remove("strategy");
    spec.remove("replicas");
}

pub(crate) async fn stateful_set_ready(case: &Case, replicas: i32) {
    stateful_set_reaches(case, replicas, |status| status.updated_replicas == Some(replicas)).await;
}

async fn stateful_set_reaches(case: &Case, ready: i32, also: impl Fn(&StatefulSetStatus) -> bool) {
    let sets: Api<StatefulSet> = Api::namespaced(case.client.clone(), &case.namespace);
    let reached = wait::until("the StatefulSet", LIMIT, async || {
        let set = sets.get("gw").await?;
        let status = set.status.unwrap_or_default();
        let seen = status.observed_generation == set.metadata.generation;
        Ok((seen && status.ready_replicas == Some(ready) && also(&status)).then_some(()))
    });
    if let Err(error) = reached.await {
        panic!("{error}\n{}", case.state().await);
    }
}

async fn daemon_set_ready(case: &Case) {
    let sets: Api<DaemonSet> = Api::namespaced(case.client.clone(), &case.namespace);
    wait::until("the DaemonSet", LIMIT, async || {
        let status = sets.get("gw").await?.status.unwrap_or_default();
        Ok(
            (status.desired_number_scheduled > 0 && status.number_ready == status.desired_number_scheduled)
                .then_some(()),
        )
    })
    .await
    .unwrap();
}

/// In each form that the real kubectl takes, and in no other.
#[tokio::test]
async fn a_workload_is_named_as_for_kubectl() {
    let case = Case::new("named").await;
    case.deploy(&case.idle_portal()).await;
    for kind in [
        "deploy",
        "deployment",
        "deployments",
        "Deployment",
        "DEPLOYMENTS",
        "deploy.apps",
        "deployment.apps",
        "deployments.apps",
        "deploy.v1.apps",
        "deployment.v1.apps",
        "deployments.v1.apps",
        "Deployment.v1.apps",
        "deployment.v1",
        "deployment.v2.apps",
        "deployment.v1.extensions",
        "deployment.extensions",
        "deployment.v1.apps.example",
    ] {
        let target = format!("{kind}/gw");
        let code = async |run: Run<'_>| run.start().await.ended().await.code;
        let (theirs, ours) = tokio::join!(
            code(case.kubectl(&["get", &target, "-o", "name"])),
            code(case.apim(&["status", &target]))
        );
        assert_eq!(
            ours == Some(0),
            theirs == Some(0),
            "{kind}: {ours:?}, and kubectl {theirs:?}"
        );
    }
}

#[tokio::test]
async fn a_stateful_set_is_rotated_and_proved() {
    let case = Case::new("sts").await;
    let manifest = deploy_changed(&case, |object| {
        into_stateful_set(object, 2, &json!({"type": "RollingUpdate"}));
    })
    .await;
    stateful_set_ready(&case, 2).await;
    let ended = case.apim(&["rotate"]).exits(0).await;
    assert!(
        ended.stdout.contains("statefulset.apps/gw restarted"),
        "{}",
        ended.stdout
    );
    assert!(ended.stderr.contains("2 new pods are ready"), "{}", ended.stderr);
    assert!(case.azure().accepts(&case.credential(&manifest).await));
}

#[tokio::test]
async fn a_daemon_set_is_rotated_with_a_word_about_the_interruption() {
    let case = Case::new("ds").await;
    deploy_changed(&case, into_daemon_set).await;
    daemon_set_ready(&case).await;
    let ended = case.apim(&["rotate"]).exits(0).await;
    assert!(
        ended.stdout.contains("daemonset.apps/gw restarted"),
        "{}",
        ended.stdout
    );
    assert!(
        ended
            .stderr
            .contains("daemonset.apps/gw is interrupted by its restart"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn pods_that_only_a_person_deletes_are_named() {
    for strategy in [
        json!({"type": "OnDelete"}),
        json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}),
    ] {
        let case = Case::new("by-hand").await;
        deploy_changed(&case, |object| into_stateful_set(object, 2, &strategy)).await;
        stateful_set_ready(&case, 2).await;
        let ended = case.apim(&["rotate"]).exits(3).await;
        let command = format!("kubectl -n {} delete pod gw-0", case.namespace);
        assert!(ended.stderr.contains(&command), "{}", ended.stderr);
        assert_eq!(case.requests(Operation::GenerateToken).len(), 1);

        // Once they are deleted, the next run finds the rotation complete:
        // whatever their revision is, they have read the new token. The API
        // server gives times to the second, so a pod of the very second of the
        // write counts as old.
        let pods: Api<Pod> = Api::namespaced(case.client.clone(), &case.namespace);
        let secret = case.secret("gw-token").await;
        let written: Timestamp = secret.annotations()["apim-rotate/rotated-at"].parse().unwrap();
        // The API server's own time of the write is the later one.
        let stored = secret
            .managed_fields()
            .iter()
            .filter_map(|entry| entry.time.as_ref());
        let written = stored.map(|time| time.0).fold(written, Timestamp::max);
        for name in ["gw-0", "gw-1"]
            .into_iter()
            .filter(|name| ended.stderr.contains(name))
        {
            let replaced = wait::until("a new pod", LIMIT, async || {
                let created = pods
                    .get_opt(name)
                    .await?
                    .and_then(|pod| pod.metadata.creation_timestamp);
                if created.as_ref().is_some_and(|created| created.0 <= written) {
                    // It may have gone since it was read.
                    match pods.delete(name, &DeleteParams::default()).await {
                        Err(kube::Error::Api(status)) if status.is_not_found() => {}
                        deleted => drop(deleted?),
                    }
                    return Ok(None);
                }
                Ok(created.map(drop))
            });
            replaced.await.unwrap();
        }
        stateful_set_reaches(&case, 2, |_| true).await;
        let ended = case
            .apim(&["rotate", "--if-expiring-within", "1d"])
            .exits(0)
            .await;
        // The run records the proof that the first one could not have, unless the
        // controller keeps the revision of a pod.
        let outcomes = ["unchanged", "no new token was minted"];
        assert!(
            outcomes.iter().any(|outcome| ended.stdout.contains(outcome)),
            "{}",
            ended.stdout
        );
        assert_eq!(case.requests(Operation::GenerateToken).len(), 1);
    }
}

#[tokio::test]
async fn a_refused_token_of_a_stateful_set_names_the_pod_to_delete() {
    let case = Case::new("sts").await;
    deploy_changed(&case, |object| {
        into_stateful_set(object, 1, &json!({"type": "RollingUpdate"}));
    })
    .await;
    stateful_set_ready(&case, 1).await;
    case.disturb_mint(Action::RefusedToken, 1);
    let ended = case.apim(&["rotate", "--timeout", "1m"]).exits(3).await;
    assert!(
        ended
            .stderr
            .contains("pod gw-0 logs ConfigurationApiV2NotAvailable"),
        "{}",
        ended.stderr
    );
    assert!(
        ended
            .stderr
            .contains(&format!("kubectl -n {} delete pod gw-0", case.namespace)),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn recreate_and_no_surge_are_warned_of() {
    for strategy in [
        json!({"type": "Recreate"}),
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}),
    ] {
        let case = Case::new("strategy").await;
        deploy_changed(&case, |object| object["spec"]["strategy"] = strategy.clone()).await;
        case.rolled_out("gw").await;
        let ended = case.apim(&["rotate"]).exits(0).await;
        assert!(
            ended
                .stderr
                .contains("deployment.apps/gw is interrupted by its restart"),
            "{}",
            ended.stderr
        );
    }
}

#[tokio::test]
async fn without_replicas_there_is_no_pod_to_prove() {
    let case = Case::new("zero").await;
    let manifest = deploy_changed(&case, |object| object["spec"]["replicas"] = json!(0)).await;
    case.rolled_out("gw").await;
    let ended = case.apim(&["rotate"]).exits(0).await;
    assert!(ended.stderr.contains("no pod to prove"), "{}", ended.stderr);
    assert!(case.azure().accepts(&case.credential(&manifest).await));
}

#[tokio::test]
async fn every_user_of_a_shared_secret_is_restarted() {
    let case = Case::new("shared").await;
    let manifest = deploy_changed(&case, |_| ()).await;
    let second = |name: &str, change: &dyn Fn(&mut Value)| {
        let mut objects = case.portal().objects();
        let mut object = objects.remove(
            objects
                .iter()
                .position(|object| object["kind"] == "Deployment")
                .unwrap(),
        );
        object["metadata"]["name"] = json!(name);
        object["spec"]["selector"]["matchLabels"]["app"] = json!(name);
        object["spec"]["template"]["metadata"]["labels"]["app"] = json!(name);
        change(&mut object);
        object
    };
    // Another gateway with the same credential, and something that only mounts it.
    let twin = second("twin", &|_| ());
    let reader = second("reader", &|object| {
        object["spec"]["template"]["spec"] = json!({
            "containers": [{"name": "reader", "image": "reader:1", "volumeMounts": [{"name": "token", "mountPath": "/token"}]}],
            "volumes": [{"name": "token", "secret": {"secretName": "gw-token"}}],
        });
    });
    for object in [twin, reader] {
        apply(&case.client, &case.namespace, object).await.unwrap();
    }
    for name in ["gw", "twin", "reader"] {
        case.rolled_out(name).await;
    }
    let ended = case.apim(&["rotate", "-o", "name"]).exits(0).await;
    assert_eq!(
        ended.stdout,
        "secret/gw-token\ndeployment.apps/gw\ndeployment.apps/reader\ndeployment.apps/twin\n"
    );
    assert_eq!(case.requests(Operation::GenerateToken).len(), 1);
    assert!(case.azure().accepts(&case.credential(&manifest).await));
}

#[tokio::test]
async fn several_containers_of_one_pod_may_share_the_credential() {
    let case = Case::new("pair").await;
    deploy_changed(&case, |object| {
        let containers = object["spec"]["template"]["spec"]["containers"]
            .as_array_mut()
            .unwrap();
        let mut second = containers[0].clone();
        second["name"] = json!("second");
        second.as_object_mut().unwrap().remove("ports");
        containers.push(second);
        containers.push(json!({"name": "sidecar", "image": "daprio/daprd:1"}));
    })
    .await;
    case.rolled_out("gw").await;
    case.apim(&["rotate"]).exits(0).await;
}

#[tokio::test]
async fn settings_come_from_config_maps_by_key_and_by_import() {
    let case = Case::new("maps").await;
    let settings = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"},
        "data": {"where": case.endpoint(), "mode": "key"}});
    apply(&case.client, &case.namespace, settings).await.unwrap();
    deploy_changed(&case, |object| {
        let container = &mut object["spec"]["template"]["spec"]["containers"][0];
        container["image"] = json!("mirror.local/shg:1");
        container["envFrom"] = json!([]);
        container["env"] = json!([
            {"name": "config.service.endpoint", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "where"}}},
            {"name": "config.service.auth", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "mode"}}},
            {"name": "config.service.auth.key", "valueFrom": {"secretKeyRef": {"name": "gw-token", "key": "value"}}},
        ]);
    })
    .await;
    case.rolled_out("gw").await;
    let ended = case.apim(&["rotate"]).exits(0).await;
    assert!(
        ended.stderr.contains("secret/gw-token, key value"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn a_token_written_by_hand_meanwhile_is_noticed() {
    let case = Case::new("person").await;
    let manifest = case.portal();
    case.deploy(&manifest).await;
    case.apim(&["rotate", "-k", "primary"]).exits(0).await;
    let other = case.token(Slot::Secondary, DAY * 5);
    let patch = json!({"stringData": {"value": other}});
    case.secrets()
        .patch(
            "gw-token",
            &kube::api::PatchParams::default(),
            &kube::api::Patch::Merge(patch),
        )
        .await
        .unwrap();
    let ended = case.apim(&["rotate", "--dry-run", "-o", "json"]).exits(0).await;
    assert_eq!(ended.json().get("previousKeySlot"), None);
}
