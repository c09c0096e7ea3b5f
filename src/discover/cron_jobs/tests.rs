use serde_json::{Value, json};

use super::program::mentions_a_program;
use super::shell::Variables;
use super::*;
use crate::model::request::{Invocation, Program, UNKNOWN};
use crate::model::{Source, Sourced, WorkloadKind};

/// What a container runs, each program with its words.
fn runs(container: &Value) -> Result<Vec<String>, String> {
    let container: Container = serde_json::from_value(container.clone()).unwrap();
    let found = invocations(&container, "shop")?;
    let line = |run: Invocation| {
        format!("{:?} {}", run.program, run.words.join(" "))
            .trim()
            .to_owned()
    };
    Ok(found.into_iter().map(line).collect())
}

fn command(words: &[&str]) -> Result<Vec<String>, String> {
    runs(&json!({"image": "tools:1", "command": words}))
}

/// What `sh -c` runs of a script.
fn script(script: &str) -> Result<Vec<String>, String> {
    command(&["/bin/sh", "-c", script])
}

fn variables_of_the_script() -> Value {
    let names = [
        "SUBSCRIPTION_ID",
        "RESOURCE_GROUP",
        "APIM_INSTANCE",
        "APIM_GATEWAY",
        "TOKEN_SECRET",
    ];
    json!(names.map(|name| json!({"name": name, "value": "x"})))
}

#[test]
fn a_program_is_known_by_the_name_of_its_file() {
    for (words, line) in [
        (&["kubectl-apim", "rotate", "-A"][..], "Ours rotate -A"),
        (&["/usr/local/bin/kubectl-apim", "status"], "Ours status"),
        (&["kubectl", "apim", "rotate"], "Ours rotate"),
        (&["apim-shg-rotate", "-t", "x"], "Link -t x"),
        (&["/root/apim-shg-rotate.sh", "-t", "x"], "Script -t x"),
        (&["/sbin/tini", "--", "kubectl-apim", "rotate"], "Ours rotate"),
        (&["tini", "-s", "--", "kubectl-apim", "rotate"], "Ours rotate"),
        (&["tini", "-g", "kubectl-apim", "rotate"], "Ours rotate"),
        (&["dumb-init", "-c", "kubectl-apim", "rotate"], "Ours rotate"),
        (&["catatonit", "kubectl-apim", "rotate"], "Ours rotate"),
        (&["timeout", "60", "kubectl-apim", "rotate"], "Ours rotate"),
        (
            &["timeout", "-k", "9", "10m", "kubectl", "apim", "rotate"],
            "Ours rotate",
        ),
        (&["nice", "kubectl-apim", "rotate"], "Ours rotate"),
        (&["nice", "-n", "19", "kubectl-apim", "rotate"], "Ours rotate"),
        (&["env", "A=b", "kubectl-apim", "rotate"], "Ours rotate"),
        (&["bash", "/root/apim-shg-rotate.sh", "-d"], "Script -d"),
        (
            &["bash", "/r.sh", "-a", "1", "-g", "2", "-t", "3"],
            "Script -a 1 -g 2 -t 3",
        ),
    ] {
        assert_eq!(command(words), Ok(vec![line.to_owned()]), "{words:?}");
    }
    for words in [
        &["sleep", "1"][..],
        &["kubectl", "get", "pods"],
        &["/backup.sh"],
        &["bash", "/backup.sh"],
        &["sh", "-c", "rotate logs | gzip"],
    ] {
        assert_eq!(command(words), Ok(Vec::new()), "{words:?}");
    }
    for words in [
        &["/bin/kubectl-apim-dashboard", "rotate"][..],
        &["timeout", "59", "kubectl-apim", "rotate"],
        &["timeout", "0.5h", "kubectl", "apim", "rotate"],
        &["timeout", "-s", "KILL", "60", "kubectl-apim", "rotate"],
        &["timeout", "kubectl-apim", "rotate"],
        &["nice", "--adjustment=5", "kubectl-apim", "rotate"],
        &["exec", "kubectl-apim", "rotate"],
        &["env", "-i", "kubectl-apim", "rotate"],
        // It turns an exit code into success.
        &["tini", "-e", "1", "--", "kubectl-apim", "rotate"],
        &["sh", "/kubectl-apim", "rotate"],
        &["sh", "-s", "kubectl-apim", "rotate"],
        &["sh", "-nc", "kubectl-apim rotate"],
    ] {
        assert!(command(words).is_err(), "{words:?}");
    }
}

#[test]
fn without_a_command_the_image_decides_by_its_repository() {
    let image = |image: &str| runs(&json!({"image": image, "args": ["-k", "rotate"]}));
    for ours in [
        "kubectl-apim",
        "ghcr.io/x/kubectl-apim:1",
        "mirror:5000/a/b/kubectl-apim@sha256:00",
        "mirror:5000/kubectl-apim:v1@sha256:00",
    ] {
        assert_eq!(image(ours), Ok(vec!["Link -k rotate".to_owned()]), "{ours}");
    }
    assert_eq!(
        image("phealy/apim-shg-rotate"),
        Ok(vec!["Script -k rotate".to_owned()])
    );
    for other in [
        "x/kubectl-apim-dashboard:1",
        "x/my-kubectl-apim",
        "kubectl-apim/proxy:2",
        "busybox",
        "",
    ] {
        assert_eq!(image(other), Ok(Vec::new()), "{other}");
    }
    // A command takes the place of the image's own.
    let sleeps = json!({"image": "kubectl-apim", "command": ["sleep", "1"]});
    assert_eq!(runs(&sleeps), Ok(Vec::new()));
}

#[test]
fn the_script_is_known_by_its_variables_whatever_its_image() {
    let of = |env: &Value| runs(&json!({"image": "qbqalex/rotate4shg:latest", "env": env}));
    let mut env = variables_of_the_script();
    assert_eq!(of(&env), Ok(vec!["Script".to_owned()]));
    env.as_array_mut().unwrap().remove(0);
    assert_eq!(of(&env), Ok(Vec::new()));
    let by_file = json!({"image": "tools", "command": ["/root/rotate.sh"], "env": variables_of_the_script()});
    assert_eq!(runs(&by_file), Ok(vec!["Script".to_owned()]));
}

#[test]
fn a_shell_is_unwrapped_where_that_is_certain() {
    let rotates = || Ok(vec!["Ours rotate deploy/gw".to_owned()]);
    for certain in [
        "kubectl-apim rotate deploy/gw",
        "exec kubectl apim rotate deploy/gw",
        "set -euo pipefail; kubectl-apim rotate deploy/gw",
        "set -e\n# nightly | often\necho \"it's time\" && date\nkubectl-apim \\\n  rotate 'deploy/gw' 2>&1\n",
        "az login --identity && kubectl-apim rotate deploy/gw",
        "az login -u $SP_ID -p $SP_SECRET; kubectl-apim rotate deploy/gw",
        "sleep 90 && kubectl-apim rotate deploy/gw && echo done",
        "date &&\n\n  kubectl-apim rotate deploy/gw; # nightly",
        "set -e; kubectl-apim rotate deploy/gw; echo done",
        "A=1 kubectl-apim rotate \"deploy/gw\"",
        "bash -ec 'kubectl-apim rotate deploy/gw'",
    ] {
        assert_eq!(script(certain), rotates(), "{certain}");
    }
    for (options, is_certain) in [
        (&["-ec"][..], true),
        (&["-e", "-u", "-o", "pipefail", "-c"], true),
        (&["-euo", "pipefail", "-c"], true),
        (&["-lc"], true),
        (&["-ic"], false),
        (&["+e", "-c"], false),
        (&["--posix", "-c"], false),
        (&["-o", "noexec", "-c"], false),
    ] {
        let words = [&["bash"][..], options, &["kubectl-apim rotate deploy/gw"]].concat();
        assert_eq!(command(&words) == rotates(), is_certain, "{options:?}");
    }
    let two = script("set -e; kubectl-apim rotate a; kubectl-apim rotate b").unwrap();
    assert_eq!(two, ["Ours rotate a", "Ours rotate b"]);
    // The failure of the first is that of nothing.
    let last = script("kubectl-apim rotate a; kubectl-apim rotate b").unwrap();
    assert_eq!(last, ["Ours rotate b"]);
}

#[test]
fn a_shell_that_may_not_run_it_or_may_hide_its_failure_is_uncertain() {
    for uncertain in [
        "kubectl-apim rotate | tee log",
        "kubectl-apim rotate || true",
        "kubectl-apim rotate &",
        "kubectl-apim rotate; exit 0",
        "kubectl-apim rotate; true",
        "exit 0; kubectl-apim rotate",
        "exec sleep 1; kubectl-apim rotate",
        "if test -f x; then kubectl-apim rotate; fi",
        "test -f x && kubectl-apim rotate",
        "[ -f x ] && kubectl-apim rotate",
        "while true; do kubectl-apim rotate; done",
        "f() { kubectl-apim rotate; }",
        "(kubectl-apim rotate)",
        "! kubectl-apim rotate",
        "kubectl-apim rotate $(cat gateways)",
        "kubectl-apim rotate `cat gateways`",
        "kubectl-apim rotate \"$(cat gateways)\"",
        "kubectl-apim rotate $EXTRA",
        "kubectl-apim rotate ${GATEWAY:-gw}",
        "kubectl-apim rotate \"$@\"",
        "kubectl-apim rotate deploy/*",
        "kubectl-apim rotate > log",
        "kubectl-apim rotate 'deploy/gw",
        "kubectl config use-context x && kubectl-apim rotate",
        "alias kubectl-apim=true; kubectl-apim rotate",
        "export KUBECTL_APIM_DRY_RUN=client; kubectl-apim rotate",
        "KUBECTL_APIM_DRY_RUN=client; kubectl-apim rotate",
        "set -n; kubectl-apim rotate",
        "set -e; true && kubectl-apim rotate; echo done",
        "printf -v KUBECTL_APIM_DRY_RUN client; kubectl-apim rotate",
        "date;; kubectl-apim rotate",
        "; kubectl-apim rotate",
        "date\n; kubectl-apim rotate",
        "date && ; kubectl-apim rotate",
        "kubectl-apim rotate && # nothing",
        "kubectl-apim rotate &&\n",
        "sleep infinity; kubectl-apim rotate",
        "echo kubectl-apim rotate",
        "sh -c \"sh -c 'sh -c \\\"sh -c kubectl-apim\\\"'\" | cat",
    ] {
        let found = script(uncertain);
        assert!(found.is_err(), "{uncertain}: {found:?}");
    }
    assert_eq!(script("sleep 1; echo rotate"), Ok(Vec::new()));
}

#[test]
fn variables_are_expanded_as_by_the_kubelet_and_by_the_shell() {
    let run = |words: &[&str], env: Value| {
        let words: Vec<&str> = [&["kubectl-apim", "rotate"][..], words].concat();
        runs(&json!({"image": "x", "command": words, "env": env}))
            .unwrap()
            .remove(0)
    };
    let env = json!([
        {"name": "GW", "value": "gw"}, {"name": "TARGET", "value": "deploy/$(GW)"},
        {"name": "NS", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "HUSH", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ]);
    assert_eq!(
        run(
            &["$(TARGET)", "-n", "$(NS)", "$$(GW)", "$(NONE)", "-p$(HUSH)"],
            env.clone()
        ),
        format!("Ours rotate deploy/gw -n shop $(GW) $(NONE) -p{UNKNOWN}")
    );
    let in_shell = |script: &str| runs(&json!({"image": "x", "command": ["sh", "-c", script], "env": env}));
    assert_eq!(
        in_shell("kubectl-apim rotate $TARGET -n ${NS} -p \"$HUSH\""),
        Ok(vec![format!("Ours rotate deploy/gw -n shop -p {UNKNOWN}")])
    );
    assert!(in_shell("kubectl-apim rotate $HUSH").is_err());
    let imports = json!({"command": ["kubectl-apim", "rotate"], "envFrom": [{"secretRef": {"name": "s"}}]});
    assert!(runs(&imports).is_err());
}

#[test]
fn a_line_that_is_too_long_is_not_understood() {
    let mut words = vec!["kubectl-apim", "rotate"];
    words.extend(vec!["deploy/gw"; 2048]);
    assert!(command(&words).is_err());
    assert!(command(&["kubectl-apim", "rotate", &"x".repeat(33_000)]).is_err());
    assert_eq!(command(&["echo", &"x".repeat(33_000)]), Ok(Vec::new()));
    assert!(!mentions_a_program("backup.sh", &Variables::new()));
}

fn read(run: &Invocation) -> CommandLine {
    match (run.program, run.words.first().map(String::as_str)) {
        (Program::Ours, Some("rotate")) => CommandLine::Rotates(Box::new(RotateRequest {
            secret: run.words.get(1).cloned(),
            ..RotateRequest::default()
        })),
        (_, Some("status")) => CommandLine::RotatesNothing("it shows".to_owned()),
        _ => CommandLine::NotUnderstood("it is odd".to_owned()),
    }
}

/// A CronJob with these containers and this part of the Job's spec.
fn rotator(containers: &Value, job: &Value) -> Option<Rotator> {
    let mut object = json!({"metadata": {"namespace": "shop", "name": "r", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"schedule": "@daily", "jobTemplate": {"spec": {"template": {"spec": {"containers": containers}}}}}});
    for (name, value) in job.as_object().unwrap() {
        object["spec"]["jobTemplate"]["spec"][name] = value.clone();
    }
    Rotator::of_json(&object.to_string(), read)
}

fn container(words: &[&str]) -> Value {
    json!({"name": "c", "image": "x", "command": words})
}

#[test]
fn every_container_counts() {
    let found = rotator(
        &json!([
            container(&["kubectl-apim", "rotate", "a"]),
            container(&["sleep"]),
            container(&["kubectl-apim", "rotate", "b"])
        ]),
        &json!({}),
    );
    let secrets = |rotator: &Rotator| {
        let secrets = rotator
            .requests
            .iter()
            .filter_map(|request| request.secret.clone());
        secrets.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(secrets(&found.unwrap()), "a b");
    assert!(rotator(&json!([container(&["sleep"])]), &json!({})).is_none());
    let shows = rotator(&json!([container(&["kubectl-apim", "status"])]), &json!({})).unwrap();
    assert_eq!(
        (shows.why.as_deref(), shows.is_unclear),
        (Some("it shows"), false)
    );
    let odd = rotator(&json!([container(&["kubectl-apim", "odd"])]), &json!({})).unwrap();
    assert_eq!((odd.why.as_deref(), odd.is_unclear), (Some("it is odd"), true));
    // The first fails, so the second does not run.
    let stops = container(&["sh", "-ec", "kubectl-apim odd; kubectl-apim rotate a"]);
    assert!(rotator(&json!([stops]), &json!({})).unwrap().requests.is_empty());
    for job in [
        json!({"suspend": true}),
        json!({"parallelism": 0}),
        json!({"completions": 0}),
        json!({"managedBy": "example.com/other"}),
        json!({"activeDeadlineSeconds": 59}),
        json!({"successPolicy": {"rules": [{"succeededCount": 1}]}}),
        json!({"podFailurePolicy": {"rules": [{"action": "Ignore", "onExitCodes": {"values": [1]}}]}}),
        json!({"template": {"spec": {"initContainers": [
            {"image": "x", "command": ["kubectl-apim", "rotate"], "restartPolicy": "Always"}]}}}),
    ] {
        let found = rotator(&json!([container(&["kubectl-apim", "rotate"])]), &job).unwrap();
        assert!(found.requests.is_empty() && found.why.is_some(), "{job}");
    }
    for job in [
        json!({"managedBy": "kubernetes.io/job-controller"}),
        json!({"podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": {"values": [2]}},
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]}}),
    ] {
        let found = rotator(&json!([container(&["kubectl-apim", "rotate"])]), &job).unwrap();
        assert_eq!(found.requests.len(), 1, "{job}");
    }
}

#[test]
fn a_rotator_serves_what_it_selects() {
    let gw = WorkloadRef {
        kind: WorkloadKind::Deployment,
        name: "gw".to_owned(),
    };
    let serves = |request: RotateRequest, namespace: &str| {
        let mut rotator = rotator(&json!([container(&["kubectl-apim", "rotate"])]), &json!({})).unwrap();
        rotator.requests = vec![request];
        rotator.serves(namespace, &gw, Some("gw-token"))
    };
    let named = |name: WorkloadRequest| {
        let mut request = RotateRequest::default();
        let source = Source::Discovery("command line".to_owned());
        request.selection.names.push(Sourced::new(name, source));
        request
    };
    let by_name = |name: &str| named(WorkloadRequest::ByName(name.to_owned()));
    let exact = |kind| {
        let name = "gw".to_owned();
        named(WorkloadRequest::Exact(WorkloadRef { kind, name }))
    };
    assert!(serves(RotateRequest::default(), "shop") && !serves(RotateRequest::default(), "bank"));
    assert!(serves(by_name("gw"), "shop") && serves(exact(WorkloadKind::Deployment), "shop"));
    assert!(!serves(by_name("other"), "shop") && !serves(exact(WorkloadKind::StatefulSet), "shop"));
    let mut everywhere = RotateRequest::default();
    everywhere.selection.everywhere = true;
    assert!(serves(everywhere, "bank"));
    let other_secret = RotateRequest {
        secret: Some("other".to_owned()),
        ..RotateRequest::default()
    };
    assert!(!serves(other_secret, "shop"));
    let elsewhere = RotateRequest {
        namespace: Some("bank".to_owned()),
        ..RotateRequest::default()
    };
    assert!(serves(elsewhere.clone(), "bank") && !serves(elsewhere, "shop"));
}
