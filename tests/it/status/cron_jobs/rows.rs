//! The kinds of CronJobs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::case::DAY;

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Line,
    Schedule,
    Record,
}

/// One CronJob, and whether it protects the gateway.
pub(super) struct Row {
    pub(super) kind: Kind,
    pub(super) protects: bool,
    /// The days that the token has left.
    pub(super) days: i32,
    /// Another gateway in the namespace.
    pub(super) beside: Option<&'static str>,
    container: Value,
    /// Fields of the CronJob's spec.
    spec: Value,
    /// Fields of the spec of its Jobs.
    job: Value,
    /// When it last ran and last succeeded, as the time before now.
    record: Option<(Option<SignedDuration>, Option<SignedDuration>)>,
    note: String,
}

impl Row {
    fn line(container: Value) -> Self {
        Self {
            kind: Kind::Line,
            protects: false,
            days: 30,
            beside: None,
            container,
            spec: json!({}),
            job: json!({}),
            record: None,
            note: String::new(),
        }
    }

    /// A command line of the program in its image.
    fn ours(words: &[&str]) -> Self {
        Self::line(json!({"image": IMAGE, "command": ["/kubectl-apim"], "args": words}))
    }

    /// A script for a shell.
    fn shell(script: &str) -> Self {
        Self::line(json!({"image": "tools:1", "command": ["sh", "-c", script]}))
    }

    fn protects(mut self) -> Self {
        self.protects = true;
        self
    }

    fn env(mut self, env: Value) -> Self {
        self.container["env"] = env;
        self
    }

    fn beside(mut self) -> Self {
        self.beside = Some("other");
        self.noted("beside another gateway")
    }

    fn noted(mut self, note: &str) -> Self {
        if !self.note.is_empty() {
            self.note += ", ";
        }
        self.note += note;
        self
    }

    fn scheduled(schedule: &str, words: &[&str]) -> Self {
        let words = [&["rotate", "deployment/gw"], words].concat();
        let mut row = Self::ours(&words);
        row.kind = Kind::Schedule;
        row.spec = json!({"schedule": schedule});
        row.note = format!("`{schedule}`");
        if let [_, _, flags @ ..] = words.as_slice()
            && !flags.is_empty()
        {
            row = row.noted(&format!("`{}`", flags.join(" ")));
        }
        row
    }

    fn in_zone(mut self, zone: &str) -> Self {
        self.spec["timeZone"] = json!(zone);
        self.noted(&format!("in `{zone}`"))
    }

    fn recorded(note: &str, ran: Option<SignedDuration>, succeeded: Option<SignedDuration>) -> Self {
        let mut row = Self::ours(&["rotate", "deployment/gw", "--if-expiring-within=15d"]);
        row.kind = Kind::Record;
        row.record = Some((ran, succeeded));
        row.noted(note)
    }

    /// The CronJob, as a user reads it.
    pub(super) fn text(&self) -> String {
        if self.kind != Kind::Line {
            return self.note.clone();
        }
        let words = |name: &str| {
            let words = self.container[name].as_array().cloned().unwrap_or_default();
            words
                .iter()
                .map(|word| quoted(word.as_str().unwrap()))
                .collect::<Vec<_>>()
        };
        let (command, args) = (words("command"), words("args"));
        let image = self.container["image"].as_str().unwrap();
        let mut text = if command.is_empty() {
            let args = if args.is_empty() {
                String::new()
            } else {
                format!(", `{}`", args.join(" "))
            };
            format!("image `{image}`{args}")
        } else {
            format!("`{}`", [command, args].concat().join(" "))
        };
        let variables = self.container["env"].as_array().cloned().unwrap_or_default();
        let usual = script(&[]);
        let is_script = variables
            .iter()
            .any(|variable| variable["name"] == "APIM_GATEWAY");
        if is_script {
            text += ", the variables of the script";
        }
        let is_usual = |variable: &&Value| usual.as_array().unwrap().contains(variable);
        for variable in variables
            .iter()
            .filter(|variable| !(is_script && is_usual(variable)))
        {
            let name = variable["name"].as_str().unwrap();
            let from = if variable["valueFrom"]["fieldRef"].is_object() {
                "its namespace"
            } else {
                "a Secret"
            };
            let _ = match variable["value"].as_str() {
                Some(value) => write!(text, ", `{name}={value}`"),
                None => write!(text, ", `{name}` from {from}"),
            };
        }
        if self.container["envFrom"].is_array() {
            text += ", variables from a Secret";
        }
        if !self.note.is_empty() {
            let _ = write!(text, "; {}", self.note);
        }
        text
    }

    /// The CronJob, which does not start while the test runs.
    pub(super) fn cron_jobs(&self, now: Timestamp) -> Vec<Value> {
        let mut object = cron_job("apim-rotate", &daily(now), &self.container);
        for (name, value) in self.spec.as_object().unwrap() {
            object["spec"][name] = value.clone();
        }
        for (name, value) in self.job.as_object().unwrap() {
            object["spec"]["jobTemplate"]["spec"][name] = value.clone();
        }
        vec![object]
    }

    /// The status of the CronJob.
    pub(super) fn status(&self, now: Timestamp) -> Option<Value> {
        let (ran, succeeded) = self.record?;
        Some(json!({
            "lastScheduleTime": ran.map(|ago| now - ago),
            "lastSuccessfulTime": succeeded.map(|ago| now - ago),
        }))
    }
}

/// Every day at the time of 12 hours ago.
fn daily(now: Timestamp) -> String {
    (now - SignedDuration::from_hours(12))
        .strftime("%M %H * * *")
        .to_string()
}

pub(super) fn cron_job(name: &str, schedule: &str, container: &Value) -> Value {
    let mut container = container.clone();
    container["name"] = json!("rotate");
    json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name},
        "spec": {
            "schedule": schedule, "startingDeadlineSeconds": 20,
            "jobTemplate": {"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}}},
        },
    })
}

fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:@=,+$()".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\n', "; "))
    }
}

const IMAGE: &str = "ghcr.io/kubectl-apim/kubectl-apim:v0.1.0";

/// The variables of the script.
fn script(changed: &[(&str, &str)]) -> Value {
    let mut variables = BTreeMap::from([
        ("SUBSCRIPTION_ID", "s"),
        ("RESOURCE_GROUP", "r"),
        ("APIM_INSTANCE", "contoso"),
        ("APIM_GATEWAY", "gw"),
        ("NAMESPACE", "shop"),
        ("TOKEN_SECRET", "gw-token"),
        ("K8S_OBJECT", "deployment/gw"),
    ]);
    variables.extend(changed.iter().copied());
    json!(
        variables
            .iter()
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect::<Vec<_>>()
    )
}

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

pub(super) fn rows() -> Vec<Row> {
    let mut rows = of_the_program();
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
        {
            let mut row = Row::ours(&["rotate", "gw"]).noted("its Jobs have `parallelism: 0`");
            row.job = json!({"parallelism": 0});
            row
        },
    ]
}

fn of_other_programs() -> Vec<Row> {
    let command = |image: &str, command: &[&str]| Row::line(json!({"image": image, "command": command}));
    vec![
        command("tools:1", &["kubectl", "apim", "rotate", "gw"]).protects(),
        command("tools:1", &["/opt/bin/kubectl-apim", "rotate", "gw"]).protects(),
        command("tools:1", &["kubectl-apim-dashboard", "rotate", "gw"]),
        command("tools:1", &["/sbin/tini", "--", "kubectl-apim", "rotate", "gw"]).protects(),
        command("tools:1", &["timeout", "300", "kubectl-apim", "rotate", "gw"]),
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
        Row::recorded("new", None, None).protects(),
        Row::recorded("succeeded on its last day", ago(0), done(0)).protects(),
        Row::recorded("succeeded 26 days ago, and failed since", ago(0), done(26)),
        Row::recorded("failed once, after a success the day before", ago(0), done(1)),
        Row::recorded("has run, and has never succeeded", ago(0), None),
        Row::recorded("succeeded 26 days ago, and has not run since", ago(26), done(26)),
    ]
}
