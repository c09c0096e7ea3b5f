//! Names of the cluster and of the kubeconfig, which kubectl completes with the
//! plugin's help.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use apim_sandbox::manifests::apply;
use apim_sandbox::wire::{Action, Fault, Wire};
use serde_json::{Value, json};
use tokio::process::Command;

use super::{asked, path};
use crate::case::Case;
use crate::run::{Ended, Run};
use crate::user::{may, user};

impl Case {
    /// What kubectl is asked at a press of the tab key.
    fn tab(&self, words: &[&str]) -> Run<'_> {
        let words = [&["__complete", "apim"], words].concat();
        self.kubectl(&words).env("PATH", &path())
    }

    /// The words that kubectl offers.
    async fn offers(&self, words: &[&str]) -> Vec<String> {
        offered(&self.tab(words).exits(0).await)
    }

    async fn has(&self, namespace: &str, objects: Vec<Value>) {
        for object in objects {
            apply(&self.client, namespace, object).await.unwrap();
        }
    }
}

fn offered(ended: &Ended) -> Vec<String> {
    let (words, directive) = ended
        .stdout
        .trim_end()
        .rsplit_once('\n')
        .unwrap_or(("", &ended.stdout));
    assert_eq!(directive.trim_end(), ":4", "{}", ended.stdout);
    words.lines().map(str::to_owned).collect()
}

fn secret(name: &str, kind: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": kind, "stringData": data})
}

/// A workload that runs something else.
fn web() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "replicas": 0, "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "nginx:1"}]},
            },
        },
    })
}

/// A gateway with an image of its own, which only its ConfigMap shows.
fn mirrored() -> Vec<Value> {
    let settings = json!({"config.service.endpoint": "svc.configuration.azure-api.net"});
    vec![
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "edge-env"}, "data": settings}),
        json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "edge"},
            "spec": {
                "replicas": 0, "serviceName": "edge", "selector": {"matchLabels": {"app": "edge"}},
                "template": {
                    "metadata": {"labels": {"app": "edge"}},
                    "spec": {"containers": [{
                        "name": "edge", "image": "registry.example/edge:1",
                        "envFrom": [{"configMapRef": {"name": "edge-env"}}],
                    }]},
                },
            },
        }),
    ]
}

#[tokio::test]
async fn workloads_that_run_a_gateway_are_offered() {
    let case = Case::new("complete-gateways").await;
    case.idle_portal()
        .apply(&case.client, &case.namespace)
        .await
        .unwrap();
    case.has(&case.namespace, [vec![web()], mirrored()].concat())
        .await;
    let both = ["deployment/gw", "statefulset/edge"];
    for words in [
        &["rotate", ""][..],
        &["status", ""],
        &["entra", "setup", ""],
        &["render-rbac", ""],
        &["rotate", "--k8s-object", ""],
    ] {
        assert_eq!(case.offers(words).await, both, "{words:?}");
    }
    assert_eq!(case.offers(&["rotate", "deployment", ""]).await, ["gw"]);
    assert_eq!(case.offers(&["rotate", "sts/"]).await, ["sts/edge"]);
    assert_eq!(case.offers(&["rotate", "g"]).await, ["gw"]);

    let other = case.sandbox.create_namespace("complete-other").await.unwrap();
    let there = ["rotate", "-n", &other, ""];
    assert_eq!(case.offers(&there).await, [""; 0]);
    case.has(&other, mirrored()).await;
    assert_eq!(case.offers(&there).await, ["statefulset/edge"]);
}

#[tokio::test]
async fn other_objects_are_offered_where_they_fit() {
    let case = Case::new("complete-names").await;
    let docker = json!({".dockerconfigjson": "{\"auths\":{}}"});
    let labels = json!({
        "app.kubernetes.io/managed-by": "kubectl-apim", "app.kubernetes.io/component": "token-rotation",
    });
    let cron_job = |name: &str, labels: &Value| {
        json!({
            "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name, "labels": labels},
            "spec": {"schedule": "0 0 1 1 *", "suspend": true, "jobTemplate": {"spec": {"template": {"spec": {
                "restartPolicy": "Never", "containers": [{"name": "c", "image": "nginx:1"}],
            }}}}},
        })
    };
    case.has(
        &case.namespace,
        vec![
            secret("gw-token", "Opaque", &json!({"value": "GatewayKey"})),
            secret(
                "sh.helm.release.v1.gw.v1",
                "helm.sh/release.v1",
                &json!({"release": "x"}),
            ),
            secret("registry", "kubernetes.io/dockerconfigjson", &docker),
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "runner"}}),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ca-bundle"}}),
            cron_job("rotation", &labels),
            cron_job("backup", &json!({})),
        ],
    )
    .await;
    for (words, names) in [
        (&["rotate", "--token-secret", ""][..], &["gw-token"][..]),
        (&["rotate", "-t", "x"], &[]),
        (&["entra", "setup", "--secret", ""], &["gw-token"]),
        (&["install-cronjob", "--existing-secret", ""], &["gw-token"]),
        (&["install-cronjob", "--image-pull-secret", ""], &["registry"]),
        (&["entra", "setup", "--service-account", "r"], &["runner"]),
        (&["install-cronjob", "--ca-configmap", "ca"], &["ca-bundle"]),
        (&["uninstall-cronjob", ""], &["rotation"]),
        (&["install-cronjob", "--name", ""], &["rotation"]),
        (
            &["install-cronjob", "--priority-class", "system-"],
            &["system-cluster-critical", "system-node-critical"],
        ),
        (&["rotate", "-n", &case.namespace], &[&case.namespace]),
        (&["rotate", "-n", "kube-sys"], &["kube-system"]),
        (&["rotate", "--context", ""], &["apim-sandbox"]),
        (&["rotate", "--contexts", "x,apim"], &["x,apim-sandbox"]),
    ] {
        assert_eq!(case.offers(words).await, names, "{words:?}");
    }
}

async fn wire(case: &Case) -> Wire {
    case.sandbox.wire(&case.kubeconfig_path()).await.unwrap()
}

#[tokio::test]
async fn few_requests_are_sent_and_none_for_the_content_of_a_secret() {
    let case = Case::new("complete-requests").await;
    case.idle_portal()
        .apply(&case.client, &case.namespace)
        .await
        .unwrap();
    let secret = case.portal().secret_name();
    for (words, offered_now, requests) in [
        (&["rotate", "-t", ""][..], secret.as_str(), &["secrets"][..]),
        (&["rotate", "deployment", ""], "gw", &["deployments"]),
        (
            &["rotate", "--k8s-object", "d"],
            "deployment/gw",
            &["daemonsets", "deployments", "statefulsets"],
        ),
        (&["rotate", "--context", ""], "apim-sandbox", &[]),
        (&["rotate", "--cluster", ""], "apim-sandbox", &[]),
        (&["rotate", "--user", ""], "apim-sandbox", &[]),
    ] {
        let wire = wire(&case).await;
        // Google's kubectl asks for the version of the server itself.
        let words = [&["__complete"], words].concat();
        let ended = case.apim(&words).through(&wire).exits(0).await;
        assert_eq!(offered(&ended), [offered_now], "{words:?}");
        let mut seen = wire.seen();
        seen.sort_by(|one, other| one.uri.cmp(&other.uri));
        let resources: Vec<&str> = seen
            .iter()
            .map(|seen| seen.uri.split('?').next().unwrap().rsplit('/').next().unwrap())
            .collect();
        assert_eq!(resources, requests, "{words:?}");
        for seen in seen.iter().filter(|seen| seen.uri.contains("secrets")) {
            assert!(seen.accept.contains("as=Table"), "{seen:?}");
            assert!(seen.uri.contains("?limit=5000&"), "{seen:?}");
            assert!(seen.uri.ends_with("&includeObject=None"), "{seen:?}");
        }
    }
}

/// Sees that a line is answered without names and without a word.
async fn is_silent(what: &str, run: Run<'_>) {
    let began = Instant::now();
    let ended = run.exits(0).await;
    assert_eq!(
        (ended.stdout.as_str(), ended.stderr.as_str()),
        (":4\n", ""),
        "{what}"
    );
    assert!(began.elapsed() < Duration::from_secs(20), "{what}");
}

#[tokio::test]
async fn a_failure_is_silent_and_nothing_is_tried_twice() {
    let case = Case::new("complete-failure").await;
    case.idle_portal()
        .apply(&case.client, &case.namespace)
        .await
        .unwrap();
    let words = ["__complete", "rotate", "--token-secret", ""];
    for (what, action) in [
        ("busy", Action::retry_after(503, 1)),
        ("throttled", Action::throttle(Some(1))),
        ("not signed in", Action::status(401)),
        ("foreign", Action::html()),
        ("cut", Action::CutBody),
        ("hangs", Action::Hang),
    ] {
        let wire = wire(&case).await;
        wire.fault(Fault::on("/secrets", action));
        is_silent(what, case.apim(&words).through(&wire)).await;
        assert_eq!(wire.seen().len(), 1, "{what}: {:?}", wire.seen());
    }
    let viewer = user(&case, &json!([may("", &["configmaps"], &["get"])])).await;
    let broken = case.file("broken", "contexts: [").display().to_string();
    for flags in [
        ["--kubeconfig", &viewer],
        ["--kubeconfig", &broken],
        ["--kubeconfig", "/no/such/file"],
        ["--context", "no-such"],
        ["--server", "https://127.0.0.1:1"],
        ["-n", "Not_Valid"],
    ] {
        for line in [&words[1..], &["rotate", ""]] {
            let line = [&["__complete"], &line[..1], &flags, &line[1..]].concat();
            is_silent(&format!("{line:?}"), case.apim(&line)).await;
        }
    }
}

#[tokio::test]
async fn a_plugin_cannot_ask_on_the_terminal() {
    let case = Case::new("complete-plugin").await;
    let asked = case.file("asked", "");
    let began = case.file("began", "");
    let script = format!(
        "#!/bin/sh\necho \"$KUBERNETES_EXEC_INFO\" >'{}'\nif (: </dev/tty) 2>/dev/null; then echo tty >'{}'; fi\n\
         echo 'Enter the code' >&2\nexec sleep 300\n",
        began.display(),
        asked.display(),
    );
    let plugin = case.file("plugin", &script);
    std::fs::set_permissions(&plugin, std::fs::Permissions::from_mode(0o755)).unwrap();
    let text = std::fs::read_to_string(case.kubeconfig_path()).unwrap();
    let mut kubeconfig: Value = serde_json::from_str(&text).unwrap();
    kubeconfig["users"][0]["user"] = json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": plugin, "interactiveMode": "IfAvailable",
    }});
    let kubeconfig = case
        .file("with-plugin", &kubeconfig.to_string())
        .display()
        .to_string();
    let line = format!("kubectl_complete-apim --kubeconfig '{kubeconfig}' rotate -t ''; true");
    let shown = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .env_clear()
        .env("PATH", path())
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains(":4") && !shown.contains("Enter"), "{shown}");
    let told = std::fs::read_to_string(&began).unwrap();
    assert!(told.contains(r#""interactive":false"#), "{told}");
    assert_eq!(std::fs::read_to_string(&asked).unwrap(), "");
}

#[tokio::test]
async fn the_scripts_of_the_shells_get_names_too() {
    let case = Case::new("complete-shells").await;
    let kubeconfig = case.kubeconfig_path().display().to_string();
    let fish = [("KUBECONFIG", kubeconfig.as_str())];
    assert_eq!(
        asked("fish", &fish, &["rotate", "--context", ""]),
        "apim-sandbox\n"
    );
    case.idle_portal()
        .apply(&case.client, &case.namespace)
        .await
        .unwrap();
    // bash splits at `=`, and passes what follows the cursor.
    let bash = [
        ("KUBECONFIG", kubeconfig.as_str()),
        ("_CLAP_COMPLETE_INDEX", "6"),
        ("_CLAP_IFS", " "),
    ];
    let words = [
        "rotate",
        "--context",
        "=",
        "apim-sandbox",
        "deployment",
        "",
        "--no-such",
    ];
    assert!(asked("bash", &bash, &words).starts_with("gw --k8s-object "));
}
