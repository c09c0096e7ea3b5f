//! The rows of the table.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{IMAGE, Row, script};
use crate::case::DAY;

fn with(mut env: Value, variable: Value) -> Value {
    env.as_array_mut().unwrap().push(variable);
    env
}

fn from_secret(name: &str) -> Value {
    json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "sp", "key": "k"}}})
}

/// The words of the script for the gateway.
const WORDS: [&str; 14] = [
    "-s",
    "s",
    "-r",
    "r",
    "-a",
    "contoso",
    "-g",
    "gw",
    "-n",
    "shop",
    "-t",
    "gw-token",
    "-o",
    "deployment/gw",
];

pub(in crate::status::cron_jobs) fn rows() -> Vec<Row> {
    let mut rows = of_the_program();
    rows.extend(of_jobs());
    rows.extend(of_failures_and_starts());
    rows.extend(of_other_programs());
    rows.extend(of_the_script());
    rows.extend(of_shells());
    rows.extend(by_schedule());
    rows.extend(by_record());
    rows
}

fn of_the_program() -> Vec<Row> {
    let all = &["rotate", "--all", "--yes"];
    vec![
        Row::ours(&["rotate", "deployment/gw", "--if-expiring-within=15d"]).protects(),
        Row::ours(&["-v=6", "rotate", "deploy/gw"]).protects(),
        Row::ours(&["-v=6", "rotate", "deploy/other"]),
        Row::ours(&["rotate", "statefulset/gw"]),
        Row::ours(&["rotate"]).protects(),
        Row::ours(&["rotate"]).beside(),
        Row::ours(&["rotate", "-t", "gw-token"]).beside().protects(),
        Row::ours(&["rotate", "-t", "other-token"]).beside(),
        Row::ours(all).beside().protects(),
        Row::ours(&["rotate", "deploy", "gw", "other"]).beside().protects(),
        Row::ours(&["rotate", "-A"]),
        // Without the instance it would count for the gateways of all tests.
        Row::ours(&["rotate", "-A", "--yes", "--apim-instance", "contoso"]).protects(),
        Row::ours(&["rotate", "-A", "--gateways=/etc/gateways.txt"]),
        Row::ours(&["rotate", "--all", "-l", "app=gw"]),
        Row::ours(&["rotate", "gw", "-n", "shop"]).protects(),
        Row::ours(&["rotate", "gw", "-n", "bank"]),
        Row::ours(&["rotate", "gw", "--context=prod"]),
        Row::ours(&["rotate", "--contexts=eu-*"]),
        Row::ours(&["rotate", "gw", "--apim-gateway=payments"]),
        Row::ours(&["rotate", "gw", "--apim-instance=fabrikam"]),
        Row::ours(&["rotate", "gw", "--dry-run"]),
        Row::ours(&["rotate", "gw"]).env(json!([{"name": "KUBECTL_APIM_DRY_RUN", "value": "server"}])),
        Row::ours(&["rotate", "gw"]).env(json!([{"name": "KUBECTL_APIM_DRY_RUN", "value": ""}])).protects(),
        Row::ours(&["rotate", "--help"]),
        Row::ours(&["rotate", "gw", "--no-such-flag"]),
        Row::ours(&["rotate", "gw", "--if-expiring-within=31d"]),
        Row::ours(&["status", "-A", "--fail-within=10d"]),
        Row::ours(&["version"]),
        Row::ours(&[]),
        Row::ours(&["rotate"]).beside().env(json!([{"name": "KUBECTL_APIM_K8S_OBJECT", "value": "deployment/gw"}])).protects(),
        Row::ours(&["rotate"]).beside().env(json!([from_secret("KUBECTL_APIM_K8S_OBJECT")])),
        Row::ours(&["rotate", "deployment/$(GATEWAY)"]).env(json!([{"name": "GATEWAY", "value": "gw"}])).protects(),
        Row::ours(&["rotate", "deployment/$(GATEWAY)"]).env(json!([from_secret("GATEWAY")])),
        Row::ours(&["rotate", "gw", "-p$(SP_SECRET)"]).env(json!([from_secret("SP_SECRET")])).protects(),
        Row::ours(&["rotate", "gw", "-n", "$(NAMESPACE)"])
            .env(json!([{"name": "NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}]))
            .protects(),
        {
            let mut row = Row::ours(&["rotate", "gw"]);
            row.container["envFrom"] = json!([{"secretRef": {"name": "sp"}}]);
            row
        },
        {
            let mut row = Row::ours(&["rotate", "gw"]).noted("suspended");
            row.spec = json!({"suspend": true});
            row
        },
        Row::ours(&["rotate", "gw", "--as=nobody"]),
        Row::ours(&["rotate", "gw", "--as-uid=1"]),
        Row::ours(&["rotate", "gw", "--tls-server-name=x"]),
        Row::ours(&["rotate", "gw", "--certificate-authority=/ca"]),
        Row::ours(&["rotate", "gw", "--insecure-skip-tls-verify"]).protects(),
        Row::ours(&["rotate", "gw"]).env(json!([{"name": "KUBERNETES_SERVICE_HOST", "value": "10.0.0.1"}])),
    ]
}

/// A CronJob of the program that differs in its Jobs.
fn with_jobs(note: &str, job: Value) -> Row {
    let mut row = Row::ours(&["rotate", "gw"]).noted(note);
    row.job = job;
    row
}

/// By the fields of the Job beside its containers.
fn of_jobs() -> Vec<Row> {
    let pod = |pod: Value| {
        let containers = json!([{"name": "rotate", "image": IMAGE, "command": ["/kubectl-apim"], "args": ["rotate", "gw"]}]);
        let mut spec = json!({"restartPolicy": "Never", "containers": containers});
        for (name, value) in pod.as_object().unwrap() {
            spec[name] = value.clone();
        }
        json!({"template": {"spec": spec}})
    };
    vec![
        with_jobs("its Jobs have `parallelism: 0`", json!({"parallelism": 0})),
        with_jobs("its Jobs have `completions: 0`", json!({"completions": 0})),
        with_jobs("its Jobs have `suspend: true`", json!({"suspend": true})),
        with_jobs("its Jobs have `backoffLimit: 0`", json!({"backoffLimit": 0})).protects(),
        with_jobs(
            "its Jobs have `ttlSecondsAfterFinished: 0`",
            json!({"ttlSecondsAfterFinished": 0}),
        )
        .protects(),
        with_jobs(
            "its Jobs have `activeDeadlineSeconds: 1`",
            json!({"activeDeadlineSeconds": 1}),
        ),
        with_jobs(
            "its Jobs have `activeDeadlineSeconds: 360`",
            json!({"activeDeadlineSeconds": 360}),
        )
        .protects(),
        with_jobs(
            "its pods have `activeDeadlineSeconds: 1`",
            pod(json!({"activeDeadlineSeconds": 1})),
        ),
    ]
}

/// By what decides whether a failed run fails the Job, and whether a Job starts.
fn of_failures_and_starts() -> Vec<Row> {
    let of_cron_job = |note: &str, spec: Value| {
        let mut row = Row::ours(&["rotate", "gw"]).noted(note);
        row.spec = spec;
        row
    };
    vec![
        with_jobs(
            "another controller runs its Jobs",
            json!({"managedBy": "example.com/controller"}),
        ),
        with_jobs(
            "its Jobs ignore exit codes",
            json!({"podFailurePolicy": {"rules": [
            {"action": "Ignore", "onExitCodes": {"operator": "NotIn", "values": [0]}}]}}),
        ),
        with_jobs(
            "its Jobs succeed with one of two pods",
            json!({"completionMode": "Indexed", "completions": 2,
            "parallelism": 2, "successPolicy": {"rules": [{"succeededCount": 1}]}}),
        ),
        with_jobs(
            "in a sidecar",
            json!({"template": {"spec": {"restartPolicy": "Never",
            "initContainers": [{"name": "rotate", "image": IMAGE, "restartPolicy": "Always",
                "command": ["/kubectl-apim"], "args": ["rotate", "gw"]}],
            "containers": [{"name": "sleep", "image": "busybox", "command": ["sleep", "1"]}]}}}),
        ),
        of_cron_job(
            "with `startingDeadlineSeconds: 0`",
            json!({"startingDeadlineSeconds": 0}),
        ),
        of_cron_job(
            "with `startingDeadlineSeconds: 9`",
            json!({"startingDeadlineSeconds": 9}),
        ),
        of_cron_job(
            "with `startingDeadlineSeconds: 10`",
            json!({"startingDeadlineSeconds": 10}),
        )
        .protects(),
    ]
}

fn of_other_programs() -> Vec<Row> {
    let command = |image: &str, command: &[&str]| Row::line(json!({"image": image, "command": command}));
    vec![
        command("tools:1", &["kubectl", "apim", "rotate", "gw"]).protects(),
        command("tools:1", &["/opt/bin/kubectl-apim", "rotate", "gw"]).protects(),
        command("tools:1", &["kubectl-apim-dashboard", "rotate", "gw"]),
        command("tools:1", &["/sbin/tini", "--", "kubectl-apim", "rotate", "gw"]).protects(),
        command("tools:1", &["tini", "-s", "--", "kubectl-apim", "rotate", "gw"]).protects(),
        command("tools:1", &["tini", "-g", "kubectl-apim", "rotate", "gw"]).protects(),
        command(
            "tools:1",
            &["tini", "-e", "1", "--", "kubectl-apim", "rotate", "gw"],
        ),
        command("tools:1", &["dumb-init", "--", "kubectl-apim", "rotate", "gw"]).protects(),
        command("tools:1", &["catatonit", "--", "kubectl-apim", "rotate", "gw"]).protects(),
        command("tools:1", &["timeout", "600", "kubectl-apim", "rotate", "gw"]).protects(),
        command(
            "tools:1",
            &["timeout", "-k", "10", "10m", "kubectl-apim", "rotate", "gw"],
        )
        .protects(),
        command("tools:1", &["timeout", "1", "kubectl-apim", "rotate", "gw"]),
        command("tools:1", &["nice", "-n", "10", "kubectl-apim", "rotate", "gw"]).protects(),
        command("tools:1", &["env", "-i", "A=b", "kubectl-apim", "rotate", "gw"]),
        command("tools:1", &["exec", "kubectl-apim", "rotate", "gw"]),
        command(IMAGE, &["sleep", "1"]),
        Row::line(json!({"image": "ghcr.io/x/kubectl-apim-dashboard:2", "args": ["rotate", "gw"]})),
        Row::line(json!({"image": IMAGE, "args": ["rotate", "gw"]})),
        Row::line(json!({"image": "busybox", "args": ["rotate", "gw"]})),
    ]
}

fn of_the_script() -> Vec<Row> {
    let image = |image: &str, env: Value| Row::line(json!({"image": image})).env(env);
    let hush = with(script(&[]), from_secret("SP_SECRET"));
    vec![
        image(IMAGE, script(&[])).protects(),
        image("mirror.example.com:5000/kubectl-apim@sha256:0123", script(&[])).protects(),
        image("qbqalex/rotate4shg:latest", hush).protects(),
        image(IMAGE, script(&[("NAMESPACE", "bank")])),
        image(IMAGE, script(&[("TOKEN_SECRET", "other-token")])),
        image(IMAGE, script(&[("K8S_OBJECT", "")])).beside().protects(),
        image(IMAGE, script(&[("K8S_OBJECT", "deployment.v1.apps/gw")])).protects(),
        image(IMAGE, script(&[("TOKEN_SECRET", "")])),
        image(IMAGE, script(&[("KUBECTL_APIM_DRY_RUN", "client")])),
        image(
            "qbqalex/rotate4shg:latest",
            script(&[("KUBECTL_APIM_DRY_RUN", "client")]),
        )
        .protects(),
        Row::line(json!({"image": IMAGE, "args": WORDS})).protects(),
        Row::line(json!({"image": "az:1", "command": ["/root/apim-shg-rotate.sh"], "args": WORDS}))
            .protects(),
        Row::line(json!({"image": "az:1", "command": ["bash", "/root/rotate.sh"]}))
            .env(script(&[]))
            .protects(),
        Row::line(json!({"image": "az:1", "command": ["/root/apim-shg-rotate.sh", "--debug", "--help"]}))
            .env(script(&[])),
        Row::line(json!({"image": "az:1", "command": ["/root/backup.sh"]})),
    ]
}

fn of_shells() -> Vec<Row> {
    vec![
        Row::shell("kubectl-apim status"),
        Row::shell("kubectl-apim rotate gw").protects(),
        Row::shell("exec kubectl-apim rotate gw").protects(),
        Row::shell("set -e\naz login --identity\nkubectl apim rotate gw").protects(),
        Row::shell("az login --identity && kubectl apim rotate gw && echo done").protects(),
        Row::line(
            json!({"image": "tools:1", "command": ["/bin/bash", "-euo", "pipefail", "-c"],
            "args": ["kubectl-apim rotate other; kubectl-apim rotate gw; date"]}),
        )
        .protects(),
        Row::shell("kubectl-apim rotate gw; date"),
        Row::shell("kubectl-apim rotate gw || true"),
        Row::shell("kubectl-apim rotate gw | tee /tmp/log"),
        Row::shell("if test -e /tmp/on; then kubectl-apim rotate gw; fi"),
        Row::shell("kubectl-apim rotate $(cat /etc/gateways)"),
        Row::shell("kubectl-apim rotate $GATEWAY")
            .env(json!([{"name": "GATEWAY", "value": "gw"}]))
            .protects(),
        Row::shell("kubectl-apim rotate $GATEWAY").env(json!([from_secret("GATEWAY")])),
        Row::shell("KUBECTL_APIM_DRY_RUN=client kubectl-apim rotate gw"),
        Row::shell("exit 0; kubectl-apim rotate gw"),
        Row::shell("printf -v KUBECTL_APIM_DRY_RUN client; kubectl-apim rotate gw"),
        Row::shell("date;; kubectl-apim rotate gw"),
        Row::shell("echo kubectl-apim rotate gw"),
        Row::shell("kubectl-apim rotate gw --client-secret hush --no-such-flag"),
    ]
}

fn by_schedule() -> Vec<Row> {
    let within = |flag: &'static str| [flag];
    vec![
        Row::scheduled("17 3 * * *", &within("--if-expiring-within=15d")).protects(),
        Row::scheduled("17 3 * * *", &within("--if-expiring-within=2d")),
        Row::scheduled("17 3 * * *", &within("--if-older-than=20d")).protects(),
        Row::scheduled("17 3 * * *", &within("--if-older-than=29d")),
        Row::scheduled("17 3 * * *", &within("--if-expiring-within=15d"))
            .in_zone("Australia/Lord_Howe")
            .protects(),
        // A run that clocks skip is one that is missing.
        Row::scheduled("30 2 * * *", &within("--if-expiring-within=60h")).in_zone("Europe/Berlin"),
        Row::scheduled("0 */24 * * *", &within("--if-expiring-within=15d")).protects(),
        // On the days of either field.
        Row::scheduled("0 3 */10 * 1", &within("--if-expiring-within=15d")).protects(),
        Row::scheduled("0 3 * * 1", &within("--if-expiring-within=15d")).protects(),
        Row::scheduled("0 3 * * 1", &within("--if-expiring-within=10d")),
        Row::scheduled("0 3 1,11,21 * *", &[]).protects(),
        // The article's, with which one run that fails is one too many.
        Row::scheduled("0 9 1,15 * *", &[]),
        Row::scheduled("@every 12h", &within("--if-expiring-within=15d")).protects(),
        Row::scheduled("@every 192h", &within("--if-expiring-within=15d")),
        Row::scheduled("@weekly", &within("--if-expiring-within=15d")).protects(),
        Row::scheduled("0 0 31 2 *", &within("--if-expiring-within=15d")),
    ]
}

fn by_record() -> Vec<Row> {
    let ago = |days: i32| Some(DAY * days + SignedDuration::from_hours(12));
    let done = |days: i32| ago(days).map(|ago| ago - SignedDuration::from_secs(40));
    vec![
        Row::recorded("new", None, None),
        Row::recorded("new, and a Job that was started by hand succeeded", None, done(0)).protects(),
        Row::recorded("succeeded on its last day", ago(0), done(0)).protects(),
        Row::recorded("succeeded 26 days ago, and failed since", ago(0), done(26)),
        Row::recorded("failed once, after a success the day before", ago(0), done(1)),
        Row::recorded("has run, and has never succeeded", ago(0), None),
        Row::recorded("succeeded 26 days ago, and has not run since", ago(26), done(26)),
    ]
}
