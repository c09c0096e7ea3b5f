//! Which CronJobs protect a gateway, and whether in time. The rows of the table
//! in `docs/protects.md` are run one by one, each in a namespace of its own.

mod rows;
mod runs;

use std::fmt::Write as _;

use apim_sandbox::azure::Slot;
use apim_sandbox::manifests::{GatewayManifest, apply};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::case::{Case, DAY};
use crate::documents::is_current;
use rows::{Kind, Row, rows};

/// How many rows are run at a time.
const SIDE_BY_SIDE: usize = 4;

const PAGE: &str = "docs/protects.md";

const INTRODUCTION: &str = "# Which CronJobs protect a gateway

<!-- The test tests/it/status/cron_jobs.rs writes this page: UPDATE=1 cargo test --test it -- status::cron_jobs -->

`kubectl apim status` calls a gateway `Unprotected` unless a CronJob
[protects its token](status.md#which-cronjobs-count). The rows below are results of `status`, each for
`deployment/gw` in the namespace `shop`, whose token is in `secret/gw-token` and has 30 days left. The
gateway is alone in its namespace, unless the row says something else. What the program prints is
longer: it names the CronJob, and dates instead of `DATE`.
";

/// What is left out of the reasons.
const NOT_COUNTED: &str = "no CronJob was found that rotates the token; cronjob/apim-rotate does not count: ";

/// What `status` shows of a row.
struct Shown {
    verdict: String,
    reason: String,
}

/// A gateway without a pod, whose token has some days left.
fn gateway(case: &Case, name: &str, days: i32) -> GatewayManifest {
    let token = case.token(Slot::Primary, DAY * days);
    GatewayManifest::portal(name, &case.endpoint(), &token).replicas(0)
}

/// The API server's time, in the minute.
fn now(case: &Case) -> Timestamp {
    let seconds = case.azure().now().as_second();
    Timestamp::from_second(seconds - seconds % 60).unwrap()
}

async fn run(case: &Case, row: &Row) -> Shown {
    let namespace = case.sandbox.create_namespace("protects").await.unwrap();
    let mut gateways = vec!["gw"];
    gateways.extend(row.beside);
    for name in gateways {
        let manifest = gateway(case, name, row.days);
        manifest.apply(&case.client, &namespace).await.unwrap();
    }
    for object in row.cron_jobs(now(case)) {
        let service = &case.gateway.service;
        let text = object
            .to_string()
            .replace("\"shop\"", &format!("\"{namespace}\""));
        let text = text.replace("\"contoso\"", &format!("\"{service}\""));
        apply(&case.client, &namespace, serde_json::from_str(&text).unwrap())
            .await
            .unwrap();
        let name = object["metadata"]["name"].as_str().unwrap();
        super::record(&case.client, &namespace, name, &row.status(now(case))).await;
    }
    let ended = case
        .apim(&["status", "-n", &namespace, "-o", "json"])
        .exits(0)
        .await;
    let item = ended.gateway("gw");
    let text = |field: &Value| field.as_str().unwrap_or_default().replace(&namespace, "shop");
    Shown {
        verdict: text(&item["verdict"]),
        reason: text(&item["unprotected"]),
    }
}

/// A text in which every date and time is replaced: they differ from day to day.
fn without_dates(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("20") {
        let (before, after) = rest.split_at(at);
        shown.push_str(before);
        let date = after.get(..16).filter(|date| {
            let form = date.replace(|letter: char| letter.is_ascii_digit(), "0");
            form == "0000-00-00 00:00"
        });
        let (text, length) = if date.is_some() { ("DATE", 16) } else { ("20", 2) };
        shown.push_str(text);
        rest = &after[length..];
    }
    shown + rest
}

fn page(results: &[(Row, Shown)]) -> String {
    let mut page = INTRODUCTION.to_owned();
    for (kind, title, head) in [
        (Kind::Line, "By what it runs", "CronJob"),
        (
            Kind::Schedule,
            "By its schedule",
            "CronJob that runs `rotate deployment/gw`",
        ),
        (Kind::Record, "By what it has done", "CronJob that runs daily"),
    ] {
        let _ = write!(
            page,
            "\n## {title}\n\n| {head} | verdict | why not |\n|---|---|---|\n"
        );
        for (row, shown) in results.iter().filter(|(row, _)| row.kind == kind) {
            let text = row.text().replace('|', "\\|");
            let reason = shown.reason.strip_prefix(NOT_COUNTED).unwrap_or(&shown.reason);
            let reason = without_dates(reason).replace('|', "\\|");
            let _ = writeln!(page, "| {text} | `{}` | {reason} |", shown.verdict);
        }
    }
    page
}

#[tokio::test]
async fn every_kind_of_cron_job_has_its_verdict() {
    let case = Case::new("protects").await;
    let rows = rows();
    let lines = rows.iter().filter(|row| row.kind == Kind::Line).count();
    assert!(lines >= 40, "{lines} kinds of command lines");
    let runs = stream::iter(rows).map(async |row| {
        let shown = run(&case, &row).await;
        (row, shown)
    });
    let results: Vec<(Row, Shown)> = runs.buffered(SIDE_BY_SIDE).collect().await;
    let wrong: Vec<String> = results
        .iter()
        .filter(|(row, shown)| (shown.verdict == "Healthy") != row.protects)
        .map(|(row, shown)| format!("{}: {}: {}", row.text(), shown.verdict, shown.reason))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        results.len(),
        wrong.join("\n")
    );
    let odd: Vec<&str> = results.iter().map(|(_, shown)| shown.reason.as_str()).collect();
    assert!(odd.iter().all(|reason| !reason.contains("hush")), "{odd:#?}");

    is_current(PAGE, &page(&results), "status::cron_jobs");
}

/// A day of the month is named if each month has it.
fn monthly(day: Timestamp) -> (String, Timestamp) {
    let date = day.strftime("%d").to_string();
    if date.parse::<u8>().unwrap() <= 28 {
        (format!("0 0 {date} * *"), day)
    } else {
        monthly(day + DAY)
    }
}

#[tokio::test]
async fn a_token_that_dies_between_two_runs_is_named_with_its_date() {
    let case = Case::new("dies").await;
    let (schedule, run) = monthly(now(&case) + DAY * 2);
    // 18 days after the run that will find it not due.
    let expires = run + DAY * 18;
    let token = case.token(Slot::Primary, expires.duration_since(case.azure().now()));
    let manifest = GatewayManifest::portal("gw", &case.endpoint(), &token).replicas(0);
    manifest.apply(&case.client, &case.namespace).await.unwrap();
    let container = json!({"image": "kubectl-apim", "command": ["/kubectl-apim"],
        "args": ["rotate", "deployment/gw", "--if-expiring-within=15d"]});
    apply(
        &case.client,
        &case.namespace,
        rows::cron_job("apim-rotate", &schedule, &container),
    )
    .await
    .unwrap();
    case.has_succeeded("apim-rotate").await;
    let gw = case.apim(&["status", "-o", "json"]).exits(0).await.gateway("gw");
    assert_eq!(gw["verdict"], "Unprotected", "{gw:#}");
    let reason = gw["reason"].as_str().unwrap();
    let date = expires.strftime("the token expires on %F").to_string();
    assert!(reason.starts_with(&date), "{reason}");
    assert!(
        reason.contains("no run of cronjob/apim-rotate rotates it before"),
        "{reason}"
    );
    assert_eq!(gw["unprotected"], gw["reason"]);
    assert_eq!(gw["cronJob"]["name"], "apim-rotate");
    let wide = case.apim(&["status", "-o", "wide"]).exits(0).await.stdout;
    assert!(wide.contains(&date), "{wide}");

    // What it proposes is enough.
    case.shell(gw["fix"].as_str().unwrap()).exits(0).await;
    let gw = case.apim(&["status", "-o", "json"]).exits(0).await.gateway("gw");
    assert_eq!(
        (&gw["verdict"], &gw["unprotected"]),
        (&json!("Healthy"), &Value::Null),
        "{gw:#}"
    );
}

#[tokio::test]
async fn whether_a_gateway_is_the_only_one_is_found_out_for_one_by_name() {
    let case = Case::new("only").await;
    let container = json!({"image": "kubectl-apim", "command": ["/kubectl-apim", "rotate"]});
    case.cron_job(&container).await;
    gateway(&case, "gw", 30)
        .apply(&case.client, &case.namespace)
        .await
        .unwrap();
    let verdict = async |arguments: &[&str]| {
        let line = [&["status", "-o", "json"], arguments].concat();
        case.apim(&line).exits(0).await.gateway("gw")["verdict"].clone()
    };
    assert_eq!(verdict(&["gw"]).await, "Healthy");
    gateway(&case, "other", 30)
        .apply(&case.client, &case.namespace)
        .await
        .unwrap();
    let labels = json!({"metadata": {"labels": {"team": "blue"}}});
    case.patch_deployment("gw", &labels).await;
    for arguments in [&["gw"][..], &["deploy/gw"], &[], &["-l", "team=blue"]] {
        assert_eq!(verdict(arguments).await, "Unprotected", "{arguments:?}");
    }
}

#[tokio::test]
async fn what_is_installed_protects_what_it_was_installed_for() {
    let case = Case::new("installed").await;
    for name in ["gw", "other"] {
        gateway(&case, name, 30)
            .apply(&case.client, &case.namespace)
            .await
            .unwrap();
    }
    // What is not understood may rotate the same gateways, which is worth a warning.
    let odd = json!({"image": "tools:1", "command": ["sh", "-c", "kubectl-apim rotate | tee log"]});
    let odd = rows::cron_job("odd", "@yearly", &odd);
    apply(&case.client, &case.namespace, odd).await.unwrap();
    let install = async |target: &str| {
        let image = "registry.example.com/kubectl-apim:v0.1.0";
        let line = [
            "install-cronjob",
            target,
            "--auth",
            "managed-identity",
            "--image",
            image,
        ];
        let installed = case.apim(&line).exits(0).await;
        installed.says(&["cronjob/odd may rotate the same gateways: it is not certain what its shell runs"]);
        case.has_succeeded("apim-shg-rotate").await;
        let ended = case.apim(&["status", "-o", "json"]).exits(0).await;
        ["gw", "other"].map(|name| ended.gateway(name)["verdict"].clone())
    };
    assert_eq!(install("deploy/gw").await, ["Healthy", "Unprotected"]);
    assert_eq!(install("deploy/other").await, ["Healthy", "Healthy"]);
}
