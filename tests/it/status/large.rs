//! The memory of a run beside objects as large as tenants can make them.

use std::process::Stdio;
use std::time::Duration;

use apim_sandbox::wire::{Action, Fault};
use futures::stream::{self, StreamExt};
use http::{Method, Request};
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::case::Case;
use crate::run::{Ended, Run};

/// What no run exceeds, in KiB. The container of an installed CronJob has twice
/// as much.
pub(super) const MOST: u64 = 64 * 1024;

/// The size of a release, in KiB: at most so much of it is in memory. That of an
/// unoptimized build is several times as large, and says nothing of the release.
const EXECUTABLE: u64 = 12 * 1024;

/// Nearly what the API server accepts for the data of one object, and for the
/// annotations of one.
const DATA: usize = 900_000;
const ANNOTATIONS: usize = 250_000;

/// More ConfigMaps and Secrets than are read one by one.
const GATEWAYS: usize = 12;

/// The account that looks into all namespaces. By its name the other tests tell
/// these requests from their own.
const ACCOUNT: &str = "everywhere";

impl Case {
    async fn may_do_everything(&self, binding: &str) {
        let account = json!({"kind": "ServiceAccount", "metadata": {"name": ACCOUNT}});
        self.create_all("/api/v1", "serviceaccounts", [account].into_iter())
            .await;
        let binding = json!({
            "kind": "ClusterRoleBinding", "apiVersion": "rbac.authorization.k8s.io/v1",
            "metadata": {"name": binding},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": self.namespace}],
        });
        let bindings: Api<ClusterRoleBinding> = Api::all(self.client.clone());
        let binding = serde_json::from_value(binding).unwrap();
        bindings.create(&PostParams::default(), &binding).await.unwrap();
    }

    /// Runs to the end, and returns its peak of resident memory in KiB, with the
    /// executable of a release instead of this one.
    async fn peak(&self, arguments: &[&str]) -> (Ended, u64) {
        // A search for each slice of the Secrets would take minutes.
        let kubeconfig = self.sandbox.kubeconfig_for(&self.namespace, ACCOUNT).await;
        let kubeconfig = kubeconfig.unwrap().display().to_string();
        self.peak_of(self.apim(arguments).env("KUBECONFIG", &kubeconfig))
            .await
    }

    pub(super) async fn peak_of(&self, run: Run<'_>) -> (Ended, u64) {
        let mut command = run.command();
        let running = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let status = format!("/proc/{}/status", running.id().unwrap());
        let ended = running.wait_with_output();
        tokio::pin!(ended);
        let mut peak = 0;
        loop {
            tokio::select! {
                ended = &mut ended => return (ended.unwrap().into(), peak + EXECUTABLE),
                () = tokio::time::sleep(Duration::from_millis(2)) => {
                    let status = std::fs::read_to_string(&status).unwrap_or_default();
                    let of = |name: &str| -> Option<u64> {
                        let line = status.lines().find_map(|line| line.strip_prefix(name));
                        line?.trim().strip_suffix(" kB")?.parse().ok()
                    };
                    let all_but_files = of("VmHWM:").zip(of("RssFile:")).map(|(all, files)| all.saturating_sub(files));
                    peak = peak.max(all_but_files.unwrap_or_default()).max(of("RssAnon:").unwrap_or_default());
                }
            }
        }
    }

    fn collection(&self, api: &str, plural: &str) -> String {
        format!("{api}/namespaces/{}/{plural}", self.namespace)
    }

    pub(super) async fn create_all(&self, api: &str, plural: &str, objects: impl Iterator<Item = Value>) {
        let path = self.collection(api, plural);
        let created = stream::iter(objects).map(async |object| {
            let request = Request::post(&path)
                .body(object.to_string().into_bytes())
                .unwrap();
            self.client.request::<Value>(request).await.unwrap();
        });
        created.buffer_unordered(8).collect::<()>().await;
    }

    pub(super) async fn delete_all(&self, api: &str, plural: &str) {
        let request = Request::delete(self.collection(api, plural))
            .body(Vec::new())
            .unwrap();
        self.client.request::<Value>(request).await.unwrap();
    }
}

fn pod(name: &str, number: usize) -> Value {
    // Thousands of variables that matter to nobody, and a few large ones.
    let mut env = vec![json!({"name": "A"}); 2_000];
    env.push(json!({"name": "B", "value": "b".repeat(200_000)}));
    env.push(json!({"name": "config.service.auth",
        "valueFrom": {"secretKeyRef": {"name": format!("{name}-{number}"), "key": "value"}}}));
    json!({"schedulerName": "none", "containers": [{
        "name": "gw", "image": "r/azure-api-management/gateway:2", "env": env,
        "envFrom": [{"configMapRef": {"name": format!("{name}-{number}")}}],
    }]})
}

/// Gateways whose every object is as large as it can be, and more such objects
/// beside them.
async fn tenant(case: &Case) {
    let large = "x".repeat(DATA);
    let notes = json!({"note": "n".repeat(ANNOTATIONS)});
    let named = |number: usize| json!({"name": format!("gw-{number}"), "annotations": notes});
    let settings = |number: usize| {
        let data = json!({"config.service.endpoint": case.endpoint(), "large": large[..DATA - ANNOTATIONS]});
        json!({"kind": "ConfigMap", "metadata": named(number), "data": data})
    };
    case.create_all("/api/v1", "configmaps", (0..100).map(settings))
        .await;
    let secret = |number: usize| {
        let data = json!({"value": "see the wiki", "large": large[..DATA - ANNOTATIONS]});
        json!({"kind": "Secret", "metadata": named(number), "stringData": data})
    };
    case.create_all("/api/v1", "secrets", (0..30).map(secret)).await;
    let labels = |number: usize| json!({"app": format!("gw-{number}")});
    let deployment = |number: usize| {
        let template = json!({"metadata": {"labels": labels(number)}, "spec": pod("gw", number)});
        let spec = json!({"replicas": 0, "selector": {"matchLabels": labels(number)}, "template": template});
        json!({"kind": "Deployment", "apiVersion": "apps/v1", "metadata": named(number), "spec": spec})
    };
    case.create_all("/apis/apps/v1", "deployments", (0..GATEWAYS).map(deployment))
        .await;
    let pods = |number: usize| {
        let mut metadata = named(number);
        metadata["labels"] = labels(number % GATEWAYS);
        json!({"kind": "Pod", "metadata": metadata, "spec": pod("gw", 0)})
    };
    case.create_all("/api/v1", "pods", (0..40).map(pods)).await;
}

#[tokio::test]
async fn no_object_of_a_tenant_fills_the_memory() {
    let case = Case::new("large").await;
    case.may_do_everything(&case.namespace).await;
    tenant(&case).await;
    for line in [
        "status -A -o json",
        "status",
        "rotate -A --dry-run --yes",
        "rotate deployment/gw-1 --dry-run",
        "rotate --all --dry-run",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let (ended, peak) = case.peak(&words).await;
        println!("{line}: {peak} KiB, exit code {:?}", ended.code);
        assert!(ended.code.is_some_and(|code| code < 100), "{line}: {ended:?}");
        if line.starts_with("status") {
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
            assert!(ended.stdout.contains("gw-11"), "{}", ended.stdout);
        }
        assert!(peak < MOST, "{line} took {peak} KiB\n{}", ended.stderr);
    }
    for (api, plural) in [
        ("/api/v1", "pods"),
        ("/api/v1", "configmaps"),
        ("/api/v1", "secrets"),
        ("/apis/apps/v1", "deployments"),
    ] {
        case.delete_all(api, plural).await;
    }
    let bindings: Api<ClusterRoleBinding> = Api::all(case.client.clone());
    bindings
        .delete(&case.namespace, &DeleteParams::default())
        .await
        .unwrap();
}

/// A page of large objects may be more than an overloaded API server sends in
/// the time of an attempt.
#[tokio::test]
async fn a_page_that_does_not_end_is_asked_for_with_fewer_items() {
    let case = Case::new("slow-page").await;
    case.deploy(&case.gateway("gw", 20)).await;
    let wire = case.sandbox.wire(&case.kubeconfig_path()).await.unwrap();
    wire.fault(Fault::on("/deployments?limit=500", Action::Hang).method(Method::GET));
    let ended = case.apim(&["status", "-o", "json"]).through(&wire).exits(0).await;
    assert_eq!(ended.gateway("gw")["auth"], "token");
    assert_eq!(wire.seen_of(&Method::GET, "/deployments?limit=62").len(), 1);
}
