//! Pods that run without the identity that their `ServiceAccount` names, and what shows the app.

use apim_sandbox::azure::Principal;
use apim_sandbox::manifests::EntraManifest;
use apim_sandbox::wait;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};

use super::{SetUp, uuid};
use crate::case::LIMIT;
use crate::user::{may, user};

const CLIENT_ID: &str = "azure.workload.identity/client-id";
const USE: &str = "azure.workload.identity/use";

impl SetUp {
    /// A gateway with a pod, whose `ServiceAccount` names no app yet.
    async fn early(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let manifest = EntraManifest::workload_identity(name, &self.case.endpoint(), "");
        let without_annotation = |objects: &mut [Value]| {
            objects[0]["metadata"]["annotations"] = Value::Null;
            let workload = objects.last_mut().unwrap();
            workload["spec"]["replicas"] = 1.into();
            change(workload);
        };
        self.deploy(&manifest, without_annotation).await;
        self.pod(name).await;
    }

    /// The name of the only pod of a workload, once there is one that stays.
    async fn pod(&self, app: &str) -> String {
        let pods: Api<Pod> = Api::namespaced(self.case.client.clone(), &self.case.namespace);
        let of_it = ListParams::default().labels(&format!("app={app}"));
        wait::until("a pod", LIMIT, async || {
            let all = pods.list(&of_it).await?.items;
            Ok(match all.as_slice() {
                [pod] if pod.metadata.deletion_timestamp.is_none() => pod.metadata.name.clone(),
                _ => None,
            })
        })
        .await
        .unwrap()
    }

    async fn shell(&self, line: &str) {
        self.case.shell(line).exits(0).await;
    }

    async fn annotate(&self, account: &str, client_id: &str) {
        let namespace = &self.case.namespace;
        let line = format!(
            "kubectl -n {namespace} annotate --overwrite serviceaccount {account} {CLIENT_ID}={client_id}"
        );
        self.shell(&line).await;
    }

    async fn row(&self, name: &str) -> Value {
        let ended = self.case.apim(&["status", "-o", "json"]).exits(0).await;
        ended.gateway(name)
    }

    /// With and without Azure.
    async fn is_stale(&self, name: &str, pod: &str, reason: &str, fix: &str) {
        for row in [self.row(name).await, self.with_azure().await.gateway(name)] {
            assert_eq!(row["verdict"], "StalePods", "{row:#}");
            assert_eq!(row["pods"]["stale"], json!([pod]), "{row:#}");
            assert_eq!(row["reason"], reason, "{row:#}");
            assert!(row["fix"].as_str().unwrap().contains(fix), "{row:#}");
        }
    }

    async fn is_healthy(&self, name: &str) {
        for row in [self.row(name).await, self.with_azure().await.gateway(name)] {
            assert_eq!(row["verdict"], "Healthy", "{row:#}");
            assert_eq!(
                row["entra"]["clientId"].as_str().map(str::len),
                Some(36),
                "{row:#}"
            );
        }
    }
}

#[tokio::test]
async fn pods_without_the_identity_are_stale_until_they_are_new() {
    let set_up = SetUp::new("entra-late").await;
    let (namespace, app) = (&set_up.case.namespace, set_up.federated("gw"));
    set_up.early("gw", |_| {}).await;
    let pod = set_up.pod("gw").await;
    let row = set_up.row("gw").await;
    assert_eq!(row["verdict"], "CannotSignIn", "{row:#}");

    set_up.annotate("gw", &app.client_id).await;
    let fix = format!("kubectl apim entra setup deployment/gw -n {namespace}");
    let without = "1 pod runs without the identity that serviceaccount/gw names";
    set_up.is_stale("gw", &pod, without, &fix).await;
    let alarm = set_up
        .case
        .apim(&["status", "--fail-within", "1d"])
        .exits(9)
        .await;
    alarm.says(&[without]);
    who_may_not_read_is_told(&set_up).await;

    let restart = format!("kubectl -n {namespace} rollout restart deployment/gw");
    set_up.shell(&restart).await;
    set_up.case.rolled_out("gw").await;
    set_up.is_healthy("gw").await;
    set_up
        .case
        .apim(&["status", "--fail-within", "1d"])
        .exits(0)
        .await;

    let other = set_up.federated("gw");
    set_up.annotate("gw", &other.client_id).await;
    let pod = set_up.pod("gw").await;
    let with_other = "1 pod runs with another identity than serviceaccount/gw names";
    let fix = format!("--app {}", other.client_id);
    set_up.is_stale("gw", &pod, with_other, &fix).await;
    the_pods_show_the_app(&set_up, &app).await;
}

/// An alarm that cannot read must not pass.
async fn who_may_not_read_is_told(set_up: &SetUp) {
    let case = &set_up.case;
    let workloads = may("apps", &["deployments", "statefulsets", "daemonsets"], &["list"]);
    let others = [
        may("", &["secrets", "configmaps", "pods"], &["get", "list"]),
        may("batch", &["cronjobs"], &["list"]),
    ];
    let rules = json!([workloads, others[0], others[1]]);
    let kubeconfig = user(case, &rules).await;
    let run = |arguments: &[&str]| case.apim(arguments).env("KUBECONFIG", &kubeconfig);
    let row = run(&["status", "-o", "json"]).exits(0).await.gateway("gw");
    assert_eq!(row["verdict"], "Healthy", "{row:#}");
    let unread = row["unread"].to_string();
    assert!(
        unread.contains("pods") && unread.contains("serviceaccounts"),
        "{unread}"
    );
    let alarm = run(&["status", "--fail-within", "1d"]).exits(9).await;
    alarm.says(&["serviceaccount"]);
}

async fn the_pods_show_the_app(set_up: &SetUp, app: &Principal) {
    let namespace = &set_up.case.namespace;
    set_up
        .shell(&format!("kubectl -n {namespace} delete serviceaccount gw"))
        .await;
    for row in [set_up.row("gw").await, set_up.with_azure().await.gateway("gw")] {
        assert_eq!(row["verdict"], "CannotSignIn", "{row:#}");
        let fix = row["fix"].as_str().unwrap();
        assert!(fix.ends_with(&format!("--app {}", app.client_id)), "{row:#}");
    }
}

/// Neither its template's marks nor its labels make such a pod a new one.
#[tokio::test]
async fn pods_that_somebody_has_to_delete_are_named() {
    let set_up = SetUp::new("entra-by-hand").await;
    let (namespace, app) = (&set_up.case.namespace, set_up.federated("gw"));
    let on_delete = |workload: &mut Value| {
        workload["kind"] = "StatefulSet".into();
        workload["spec"]["serviceName"] = "gw".into();
        workload["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
    };
    set_up.early("asks", on_delete).await;
    let does_not_ask = |workload: &mut Value| {
        on_delete(workload);
        let labels = &mut workload["spec"]["template"]["metadata"]["labels"];
        labels.as_object_mut().unwrap().remove(USE);
    };
    set_up.early("earlier", does_not_ask).await;
    let marks = json!({"labels": {USE: "true"}, "annotations": {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}});
    let patch = json!({"spec": {"template": {"metadata": marks}}});
    for name in ["asks", "earlier"] {
        set_up.annotate(name, &app.client_id).await;
        set_up
            .shell(&format!(
                "kubectl -n {namespace} patch statefulset {name} -p '{patch}'"
            ))
            .await;
        let pod = format!("{name}-0");
        let row = set_up.row(name).await;
        assert_eq!(row["verdict"], "StalePods", "{row:#}");
        assert_eq!(row["pods"]["stale"], json!([pod]), "{row:#}");
        let fix = row["fix"].as_str().unwrap();
        assert_eq!(fix, format!("kubectl delete pod -n {namespace} {pod}"), "{row:#}");
        // kubectl may miss a pod that is replaced at once, and wait for ever.
        set_up.shell(&format!("{fix} --wait=false")).await;
        set_up.pod(name).await;
        let row = set_up.row(name).await;
        assert_eq!(row["verdict"], "Healthy", "{row:#}");
    }
}

#[tokio::test]
async fn two_workloads_of_one_service_account_get_one_app() {
    let set_up = SetUp::new("entra-one-account").await;
    let of_account = |objects: &mut [Value]| {
        objects.last_mut().unwrap()["spec"]["template"]["spec"]["serviceAccountName"] = "shared".into();
    };
    for name in ["a", "b"] {
        let manifest = EntraManifest::workload_identity(name, &set_up.case.endpoint(), &uuid());
        set_up.deploy(&manifest, of_account).await;
    }
    for ended in [
        set_up.case.apim(&["status", "-o", "json"]).exits(0).await,
        set_up.with_azure().await,
    ] {
        let (first, second) = (ended.gateway("a"), ended.gateway("b"));
        assert_eq!(first["verdict"], "CannotSignIn", "{first:#}");
        let fix = first["fix"].as_str().unwrap();
        assert!(fix.ends_with("--create-app a"), "{first:#}");
        assert_eq!(
            (&second["verdict"], &second["fix"]),
            (&json!("CannotSignIn"), &Value::Null)
        );
        let reason = second["reason"].as_str().unwrap();
        let said = "set up deployment/a first, which has the same serviceaccount/shared";
        assert!(
            reason.contains("serviceaccount/shared does not exist") && reason.contains(said),
            "{second:#}"
        );
    }
}
