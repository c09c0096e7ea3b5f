//! Containers of this project's own image: their input and their end. The
//! shell stands in for the binary, so that a container can print what it sees.

use std::path::Path;
use std::time::{Duration, Instant};

use apim_sandbox::wait;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::fixture::{Fixture, LIMIT, is_running, waits_for};

async fn fixture(name: &str) -> Fixture {
    let fixture = Fixture::new(name).await;
    fixture.sandbox.provide_binary(Path::new("/bin/sh"));
    fixture
}

/// A pod whose only container is of the image.
pub(crate) fn pod(name: &str, container: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
        "spec": { "restartPolicy": "Never", "containers": [completed(container)] },
    })
}

fn completed(container: &Value) -> Value {
    let mut container = container.clone();
    container["name"] = json!("main");
    container["image"] = json!("ghcr.io/someone/kubectl-apim:v1");
    container
}

/// A container that runs a script.
pub(crate) fn script(text: &str) -> Value {
    json!({ "args": ["-c", text] })
}

fn job(name: &str, policy: &str, container: &Value) -> Value {
    let template = json!({ "spec": { "restartPolicy": policy, "containers": [completed(container)] } });
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": name },
        "spec": { "backoffLimit": 0, "template": template },
    })
}

impl Fixture {
    /// Runs a pod to its end and returns it with its log.
    async fn ended(&self, object: Value) -> (Pod, String) {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        self.apply(object).await;
        let pod = self
            .pod("the end of the pod", |pod| {
                pod.name_any() == name && exit_code(pod).is_some()
            })
            .await;
        (pod, self.kubectl(&["logs", &name]).await.unwrap())
    }

    async fn running(&self, name: &str) -> Pod {
        let its_name = |pod: &Pod| pod.name_any() == name;
        self.pod("the pod to run", |pod| its_name(pod) && is_running(pod))
            .await
    }

    async fn logged(&self, pod: &str, text: &str) {
        wait::until("the log", LIMIT, async || {
            let log = self.kubectl(&["logs", pod]).await?;
            Ok(log.contains(text).then_some(()))
        })
        .await
        .unwrap();
    }
}

fn exit_code(pod: &Pod) -> Option<i32> {
    let status = pod.status.as_ref()?.container_statuses.as_ref()?.first()?;
    Some(status.state.as_ref()?.terminated.as_ref()?.exit_code)
}

fn message(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?.container_statuses.as_ref()?.first()?;
    status.state.as_ref()?.terminated.as_ref()?.message.clone()
}

#[tokio::test]
async fn arguments_and_environment_come_from_the_pod() {
    let fixture = fixture("own-environment").await;
    let show = "tr '\\0' '\\n' </proc/1/cmdline";
    let (_, log) = fixture.ended(pod("entrypoint", &script(show))).await;
    assert_eq!(log, format!("/apim-shg-rotate\n-c\n{show}\n"));
    let container = json!({
        "command": ["/usr/local/bin/kubectl-apim", "-c"],
        "args": [show, "$(WHO) it's", "$(ABSENT)"],
        "env": [{ "name": "WHO", "value": "me" }],
    });
    let (_, log) = fixture.ended(pod("command", &container)).await;
    assert_eq!(log, format!("/kubectl-apim\n-c\n{show}\nme it's\n$(ABSENT)\n"));

    let container = json!({
        "command": ["env"],
        "env": [
            { "name": "config.service.endpoint", "value": "with dots" },
            { "name": "QUOTE", "value": "it's \"$HOME\"" },
            { "name": "NO_PROXY", "value": "$(KUBERNETES_SERVICE_HOST)" },
        ],
    });
    let (_, log) = fixture.ended(pod("environment", &container)).await;
    let mut variables: Vec<&str> = log.lines().collect();
    variables.sort_unstable();
    let url = fixture.sandbox.control_plane().url();
    let port = url.rsplit(':').next().unwrap();
    assert!(variables.contains(&format!("KUBERNETES_SERVICE_PORT={port}").as_str()));
    variables.retain(|variable| !variable.starts_with("KUBERNETES_"));
    assert_eq!(
        variables,
        [
            "HOME=/",
            "HOSTNAME=environment",
            "NO_PROXY=127.0.0.1",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "QUOTE=it's \"$HOME\"",
            "config.service.endpoint=with dots",
        ]
    );
}

#[tokio::test]
async fn tokens_are_those_of_the_service_account_and_of_their_audience() {
    let fixture = fixture("own-token").await;
    let name = json!({ "name": "reader" });
    for object in [
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": name }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": name,
            "rules": [{ "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["mine"], "verbs": ["get"] }],
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": name,
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader" },
            "subjects": [{ "kind": "ServiceAccount", "name": "reader" }],
        }),
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "mine" } }),
    ] {
        fixture.apply(object).await;
    }
    let text = "cd /var/run/secrets
        cluster=kubernetes.io/serviceaccount
        set -- --server=https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT \
            --certificate-authority=$cluster/ca.crt --token=$(cat $cluster/token) -n $(cat $cluster/namespace)
        kubectl \"$@\" get secret mine -o name
        kubectl \"$@\" get secrets
        echo token $(cat azure/tokens/token)";
    let mut object = pod("reader", &script(text));
    object["spec"]["serviceAccountName"] = json!("reader");
    object["spec"]["containers"][0]["volumeMounts"] =
        json!([{ "name": "azure", "mountPath": "/var/run/secrets/azure/tokens", "readOnly": true }]);
    let source =
        json!({ "path": "token", "audience": "api://AzureADTokenExchange", "expirationSeconds": 3600 });
    object["spec"]["volumes"] = json!([
        { "name": "azure", "projected": { "sources": [{ "serviceAccountToken": source }] } },
    ]);
    let (_, log) = fixture.ended(object).await;
    assert!(log.starts_with("secret/mine\n"), "{log}");
    let user = format!("system:serviceaccount:{}:reader", fixture.namespace);
    assert!(log.contains("Forbidden") && log.contains(&user), "{log}");

    let token = log.lines().last().unwrap().strip_prefix("token ").unwrap();
    let review = async |audience: &str| {
        let review = TokenReview {
            spec: TokenReviewSpec {
                audiences: Some(vec![audience.to_owned()]),
                token: Some(token.to_owned()),
            },
            ..TokenReview::default()
        };
        let reviews: Api<TokenReview> = Api::all(fixture.client.clone());
        reviews
            .create(&PostParams::default(), &review)
            .await
            .unwrap()
            .status
            .unwrap()
    };
    let status = review("api://AzureADTokenExchange").await;
    assert_eq!(status.user.unwrap().username, Some(user));
    let status = review(fixture.sandbox.control_plane().service_account_issuer()).await;
    assert_ne!(status.authenticated, Some(true));
}

#[tokio::test]
async fn two_pods_have_volumes_and_roots_of_their_own() {
    let fixture = fixture("own-volumes").await;
    fixture
        .apply(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "keys" },
            "data": { "binary": "//4K", "other": "eA==" },
        }))
        .await;
    fixture
        .apply(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "ca" }, "data": { "ca.pem": "pem\n" },
        }))
        .await;
    let text = "touch /sandbox-of-$HOSTNAME /sandbox-data/of-$HOSTNAME
        ls -d /sandbox-* /tmp
        ls /sandbox-data /keys
        od -An -tx1 /keys/deep/renamed
        stat -c %a /keys/deep/renamed
        cat /etc/ssl/certs/ca.pem
        echo x >/keys/new
        echo x >/sandbox-read-only/new
        echo done
        exec sleep 1000";
    let mut container = script(text);
    container["volumeMounts"] = json!([
        { "name": "keys", "mountPath": "/keys" },
        { "name": "ca", "mountPath": "/etc/ssl/certs/ca.pem", "subPath": "ca.pem" },
        { "name": "data", "mountPath": "/sandbox-data" },
        { "name": "data", "mountPath": "/sandbox-read-only", "readOnly": true },
    ]);
    let items = json!([{ "key": "binary", "path": "deep/renamed", "mode": 0o400 }]);
    let volumes = json!([
        { "name": "keys", "secret": { "secretName": "keys", "items": items } },
        { "name": "ca", "configMap": { "name": "ca" } },
        { "name": "data", "emptyDir": {} },
    ]);
    for name in ["one", "two"] {
        let mut object = pod(name, &container);
        object["spec"]["volumes"] = volumes.clone();
        fixture.apply(object).await;
    }
    for name in ["one", "two"] {
        fixture.running(name).await;
        fixture.logged(name, "done").await;
        let log = fixture.kubectl(&["logs", name]).await.unwrap();
        let (shown, refused): (Vec<_>, Vec<_>) = log
            .lines()
            .partition(|line| !line.contains("Read-only file system"));
        assert_eq!(refused.len(), 2, "{log}");
        let own = format!("/sandbox-of-{name}");
        let data = format!("of-{name}");
        let expected = [
            "ls: cannot access '/tmp': No such file or directory",
            "/sandbox-data",
            &own,
            "/sandbox-read-only",
            "/keys:",
            "deep",
            "",
            "/sandbox-data:",
            &data,
            " ff fe 0a",
            "400",
            "pem",
            "done",
        ];
        assert_eq!(shown.join("\n"), expected.join("\n"));
    }
    let here = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let state = fixture.sandbox.control_plane().directory().display().to_string();
    assert!(!here.contains(&state), "{here}");
    assert!(!Path::new("/sandbox-data").exists());
}

#[tokio::test]
async fn a_job_succeeds_or_fails_as_its_process_does() {
    let fixture = fixture("own-jobs").await;
    fixture
        .apply(job(
            "good",
            "Never",
            &script("echo out; echo err >&2; printf end"),
        ))
        .await;
    let mut container = script("echo why; echo gone >/dev/termination-log; exit 4");
    fixture.apply(job("bad", "Never", &container)).await;
    container = script("echo why; exit 3");
    container["terminationMessagePolicy"] = json!("FallbackToLogsOnError");
    fixture.apply(pod("fallback", &container)).await;
    let jobs: Api<Job> = fixture.api();
    for (name, condition) in [("good", "Complete"), ("bad", "Failed")] {
        wait::until(name, LIMIT, async || {
            let status = jobs.get(name).await?.status.unwrap_or_default();
            let conditions = status.conditions.unwrap_or_default();
            let holds = conditions
                .iter()
                .any(|its| its.type_ == condition && its.status == "True");
            Ok(holds.then_some(()))
        })
        .await
        .unwrap();
    }
    // Following ends with the process.
    let log = fixture.kubectl(&["logs", "-f", "job/good"]).await.unwrap();
    assert_eq!(log, "out\nerr\nend\n");
    let bad = fixture
        .pod("the failed pod", |pod| exit_code(pod) == Some(4))
        .await;
    assert_eq!(message(&bad).unwrap(), "gone\n");
    let phase = bad.status.unwrap().phase;
    assert_eq!(phase.as_deref(), Some("Failed"));
    let fallback = fixture
        .pod("the other pod", |pod| exit_code(pod) == Some(3))
        .await;
    assert_eq!(message(&fallback).unwrap(), "why\n");

    // The second run finds what the first has left in the pod's volume.
    let mut container = script("[ -e /data/first ] && exit 0; touch /data/first; exit 1");
    container["volumeMounts"] = json!([{ "name": "data", "mountPath": "/data" }]);
    let mut again = job("again", "OnFailure", &container);
    again["spec"]["backoffLimit"] = json!(3);
    again["spec"]["template"]["spec"]["volumes"] = json!([{ "name": "data", "emptyDir": {} }]);
    fixture.apply(again).await;
    wait::until("the second run", LIMIT, async || {
        let status = jobs.get("again").await?.status.unwrap_or_default();
        Ok((status.succeeded == Some(1)).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_deleted_pod_is_asked_to_end_and_then_killed() {
    let fixture = fixture("own-deletion").await;
    let wait_for_ever = "while :; do sleep 0.02; done";
    let polite = format!("trap 'echo terminated; exit 7' TERM; echo ready; {wait_for_ever}");
    fixture.apply(pod("polite", &script(&polite))).await;
    let stubborn = format!("trap 'echo refused' TERM; echo ready; {wait_for_ever}");
    let mut stubborn = pod("stubborn", &script(&stubborn));
    stubborn["spec"]["terminationGracePeriodSeconds"] = json!(1);
    fixture.apply(stubborn).await;
    for (name, word, least) in [("polite", "terminated", 0), ("stubborn", "refused", 1)] {
        fixture.running(name).await;
        fixture.logged(name, "ready").await;
        let follow = ["logs", "-f", name];
        let following = fixture.kubectl(&follow);
        let start = Instant::now();
        let deleting = async {
            wait::until("the follower", LIMIT, async || {
                let records = fixture.sandbox.audit().await?;
                let path = format!("/{}/pods/{name}/log?", fixture.namespace);
                let follows = |uri: &str| uri.contains(&path) && uri.contains("follow=true");
                Ok(records.iter().any(|record| follows(&record.uri)).then_some(()))
            })
            .await
            .unwrap();
            let pods: Api<Pod> = fixture.api();
            pods.delete(name, &DeleteParams::default()).await.unwrap();
        };
        let (log, ()) = tokio::join!(following, deleting);
        assert!(log.unwrap().contains(word));
        wait::until("the pod to go", LIMIT, async || {
            let pods = fixture.pods().await;
            Ok(pods.iter().all(|pod| pod.name_any() != name).then_some(()))
        })
        .await
        .unwrap();
        let took = start.elapsed();
        assert!(
            took >= Duration::from_secs(least) && took < Duration::from_secs(10),
            "{took:?}"
        );
    }
}

#[tokio::test]
async fn a_failed_mount_is_reported() {
    let fixture = fixture("own-mounts").await;
    let mut container = script("true");
    container["volumeMounts"] = json!([{ "name": "host", "mountPath": "/host" }]);
    let mut object = pod("host", &container);
    object["spec"]["volumes"] = json!([{ "name": "host", "hostPath": { "path": "/" } }]);
    fixture.apply(object).await;
    fixture
        .pod("the pod to wait", |pod| waits_for(pod, "ContainerCreating"))
        .await;
    wait::until("the event", LIMIT, async || {
        let events = fixture
            .kubectl(&["get", "events", "-o", "jsonpath={..message}"])
            .await?;
        Ok(events.contains("no volumes of this type").then_some(()))
    })
    .await
    .unwrap();

    // The host's programs are read-only, so no mount point can be created among them.
    container["volumeMounts"] = json!([{ "name": "data", "mountPath": "/usr/sandbox-data" }]);
    let mut object = pod("point", &container);
    object["spec"]["volumes"] = json!([{ "name": "data", "emptyDir": {} }]);
    let (pod, _) = fixture.ended(object).await;
    assert_eq!(exit_code(&pod), Some(128));
    assert!(message(&pod).unwrap().contains("/usr/sandbox-data"));
}
