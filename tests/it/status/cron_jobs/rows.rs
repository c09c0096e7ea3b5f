//! The kinds of CronJobs.

mod list;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub(super) use list::rows;

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
    record: (Option<SignedDuration>, Option<SignedDuration>),
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
            record: (None, Some(SignedDuration::ZERO)),
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
        row.record = (ran, succeeded);
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
    pub(super) fn status(&self, now: Timestamp) -> Value {
        let (ran, succeeded) = self.record;
        json!({
            "lastScheduleTime": ran.map(|ago| now - ago),
            "lastSuccessfulTime": succeeded.map(|ago| now - ago),
        })
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
