//! Workloads whose pods Kubernetes does not replace by itself.

use apim_sandbox::wait;
use futures::future::join_all;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::EntraCase;
use super::renewal::{ids, is_due};
use crate::case::LIMIT;
use crate::user::{may, user};

const FLAGS: [&str; 7] = [
    "--create-app",
    "gw",
    "--mode",
    "app-secret",
    "--yes",
    "--timeout",
    "2m",
];

/// A gateway of another kind without a credential, whose only pod is not ready.
async fn broken(kind: &str, strategy: &Value) -> EntraCase {
    let entra = EntraCase::new("kinds").await;
    entra
        .deploy(|it| {
            it["kind"] = kind.into();
            it["spec"]["updateStrategy"] = strategy.clone();
            if kind == "StatefulSet" {
                it["spec"]["serviceName"] = "gw".into();
            }
        })
        .await;
    wait::until("a pod that is not ready", LIMIT, async || {
        let pods = pods(&entra).list(&ListParams::default()).await?;
        let status = pods.items.into_iter().next().and_then(|pod| pod.status);
        let containers = status.and_then(|it| it.container_statuses);
        Ok(containers.map(|all| assert!(all.iter().all(|it| !it.ready), "{all:?}")))
    })
    .await
    .unwrap();
    entra
}

fn pods(entra: &EntraCase) -> Api<Pod> {
    Api::namespaced(entra.case.client.clone(), &entra.case.namespace)
}

fn target(entra: &EntraCase, name: &str) -> Vec<String> {
    let target = super::target(&entra.case);
    let line = ["entra", "setup", name].map(str::to_owned).into_iter();
    let flags = FLAGS.map(str::to_owned);
    line.chain(flags).chain(target).collect()
}

fn words(line: &[String]) -> Vec<&str> {
    line.iter().map(String::as_str).collect()
}

/// Kubernetes waits for a pod of a StatefulSet to be ready before it replaces it.
async fn a_stateful_set_whose_pod_is_not_ready() {
    let entra = broken("StatefulSet", &json!({"type": "RollingUpdate"})).await;
    let line = target(&entra, "sts/gw");
    let ended = entra.case.apim(&words(&line)).exits(0).await;
    let note = "a pod that is not ready is deleted";
    assert!(ended.stdout.contains(note), "{}", ended.stdout);
    ended.says(&["deleted    pod gw-0", "proved"]);
}

async fn the_same_without_the_right_to_delete_pods() {
    let entra = broken("StatefulSet", &json!({"type": "RollingUpdate"})).await;
    let rules = json!([
        may("apps", &["statefulsets"], &["get", "patch"]),
        may("", &["secrets"], &["get", "create", "patch"]),
        may("", &["namespaces", "configmaps", "pods/log"], &["get"]),
        may("", &["pods"], &["get", "list"]),
    ]);
    let kubeconfig = user(&entra.case, &rules).await;
    let line = [
        target(&entra, "sts/gw"),
        vec!["-n".to_owned(), entra.case.namespace.clone()],
    ]
    .concat();
    let run = entra.case.apim(&words(&line)).env("KUBECONFIG", &kubeconfig);
    let ended = run.exits(3).await;
    let command = format!("kubectl -n {} delete pod gw-0", entra.case.namespace);
    ended.says(&[&command]);
    pods(&entra)
        .delete("gw-0", &DeleteParams::default())
        .await
        .unwrap();
    let run = entra.case.apim(&words(&line)).env("KUBECONFIG", &kubeconfig);
    run.exits(0).await.says(&["proved"]);
}

/// The pod that Azure refuses goes too, which would stay otherwise.
async fn a_stateful_set_that_is_put_back() {
    let entra = broken("StatefulSet", &json!({"type": "RollingUpdate"})).await;
    let sets: Api<StatefulSet> = Api::namespaced(entra.case.client.clone(), &entra.case.namespace);
    let slow = json!({"spec": {"template": {"metadata": {"annotations": {"sandbox.apim/mode": "slow:10"}}}}});
    let edit = async |change: &Value| {
        let params = PatchParams::default();
        sets.patch("gw", &params, &Patch::Strategic(change))
            .await
            .unwrap()
    };
    edit(&slow).await;
    let line = target(&entra, "sts/gw");
    let run = entra.case.apim(&words(&line)).start().await;
    wait::until("a new pod", LIMIT, async || {
        Ok(is_new(pods(&entra).get_opt("gw-0").await?.as_ref()).then_some(()))
    })
    .await
    .unwrap();
    let env = json!([{"name": "gateway.name", "value": "theirs"}]);
    let containers = json!([{"name": "gateway", "env": env}]);
    edit(&json!({"spec": {"template": {"spec": {"containers": containers}}}})).await;
    let ended = run.ends(5).await;
    ended.says(&["the workload is as it was before, except"]);
    wait::until("a pod of the previous template", LIMIT, async || {
        let pod = pods(&entra).get_opt("gw-0").await?;
        Ok((pod.is_some() && !is_new(pod.as_ref())).then_some(()))
    })
    .await
    .unwrap();
}

fn is_new(pod: Option<&Pod>) -> bool {
    let mut annotations = pod
        .into_iter()
        .flat_map(|pod| pod.metadata.annotations.iter().flatten());
    annotations.any(|(name, _)| name == "apim-rotate/rotation-id")
}

/// Only a person replaces its pods.
async fn on_delete(kind: &'static str, name: &'static str) {
    let entra = broken(kind, &json!({"type": "OnDelete"})).await;
    let line = target(&entra, name);
    let ended = entra.case.apim(&words(&line)).exits(3).await;
    let note = "until somebody deletes them, because of the strategy OnDelete";
    assert!(ended.stdout.contains(note), "{}", ended.stdout);
    let pod = &pods(&entra).list(&ListParams::default()).await.unwrap().items[0];
    let pod = pod.metadata.name.as_deref().unwrap();
    let command = format!("kubectl -n {} delete pod {pod}", entra.case.namespace);
    ended.says(&[&command]);
    let row = entra
        .case
        .apim(&["status", "-o", "json"])
        .exits(0)
        .await
        .gateway("gw");
    assert_eq!(row["verdict"], "StalePods", "{row:#}");
    pods(&entra).delete(pod, &DeleteParams::default()).await.unwrap();
    entra.case.apim(&words(&line)).exits(0).await.says(&["proved"]);
}

/// A rerun does not make what was replaced old again.
async fn on_delete_one_by_one() {
    let entra = broken("StatefulSet", &json!({"type": "OnDelete"})).await;
    let namespace = entra.case.namespace.clone();
    let line = target(&entra, "sts/gw");
    let run = || entra.case.apim(&words(&line));
    let kubectl = async |rest: &str| {
        let command = format!("kubectl -n {namespace} {rest}");
        entra.case.shell(&command).exits(0).await;
    };
    let delete = async |pod: &str| {
        let deleted = pods(&entra).delete(pod, &DeleteParams::default()).await;
        drop(deleted.unwrap());
    };
    run().exits(3).await;
    delete("gw-0").await;
    run().exits(0).await.says(&["proved"]);
    kubectl("scale statefulset/gw --replicas=2").await;
    kubectl("wait --for=jsonpath={.status.readyReplicas}=2 statefulset/gw --timeout=60s").await;
    let before = ids(&entra);
    is_due(&entra);
    let all = format!("kubectl -n {namespace} delete pod gw-0 gw-1");
    run().exits(3).await.says(&[&all]);
    run().exits(3).await.says(&[&all]);
    delete("gw-0").await;
    let rest = run().exits(3).await;
    rest.says(&[&format!("kubectl -n {namespace} delete pod gw-1")]);
    assert!(ids(&entra).contains(&before[0]), "a pod has it");
    delete("gw-1").await;
    run().exits(0).await.says(&["proved"]);
    let after = ids(&entra);
    assert!(after.len() == 1 && after != before, "{before:?} {after:?}");
    let again = run().exits(0).await.stdout;
    assert!(again.lines().all(|line| line.starts_with(['=', ' '])), "{again}");
}

/// Kubernetes replaces a pod below the partition by one of the previous template.
async fn a_stateful_set_with_a_partition() {
    let strategy = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}});
    let entra = broken("StatefulSet", &strategy).await;
    let line = target(&entra, "sts/gw");
    let ended = entra.case.apim(&words(&line)).exits(3).await;
    let command = format!(
        r#"kubectl -n {} patch statefulset/gw -p '{{"spec":{{"updateStrategy":{{"rollingUpdate":{{"partition":0}}}}}}}}'"#,
        entra.case.namespace
    );
    assert!(ended.stdout.contains(&command), "{}", ended.stdout);
    ended.says(&["which the partition 1 prevents", &command]);
    entra.case.shell(&command).exits(0).await;
    entra.case.apim(&words(&line)).exits(0).await.says(&["proved"]);
}

/// Its controller creates no new pods.
#[tokio::test]
async fn a_workload_that_is_being_deleted() {
    let entra = EntraCase::new("deleted").await;
    entra
        .deploy(|it| it["metadata"]["finalizers"] = json!(["example.com/hold"]))
        .await;
    let deployments = entra.case.deployments();
    deployments.delete("gw", &DeleteParams::default()).await.unwrap();
    let run = entra.setup(&FLAGS);
    let ended = entra.case.fails_untouched(run, 4).await;
    ended.says(&["deployment.apps/gw is being deleted", "{.metadata.finalizers}"]);
    assert!(entra.azure_writes().is_empty());
}

/// Side by side, since most of their time is waiting.
#[tokio::test]
async fn pods_that_kubernetes_does_not_replace() {
    tokio::join!(
        a_stateful_set_whose_pod_is_not_ready(),
        the_same_without_the_right_to_delete_pods(),
        a_stateful_set_that_is_put_back(),
        a_stateful_set_with_a_partition(),
        on_delete_one_by_one(),
        join_all(
            [("StatefulSet", "sts/gw"), ("DaemonSet", "ds/gw")].map(|(kind, name)| on_delete(kind, name))
        ),
    );
}
