//! Ways to give the target, and the output of the run.

use apim_sandbox::azure::Slot;
use apim_sandbox::manifests::GatewayManifest;
use serde_json::{Value, json};

use crate::case::{Case, DAY};
use crate::run::Run;

async fn idle(name: &str) -> Case {
    let case = Case::new(name).await;
    case.deploy(&case.idle_portal()).await;
    case
}

/// Without the principal in the variables of the Azure SDKs.
fn without_principal(run: Run<'_>) -> Run<'_> {
    run.without(&["AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID"])
}

/// Without the namespace in the kubeconfig either.
fn without_all<'a>(case: &'a Case, arguments: &[&str]) -> Run<'a> {
    let kubeconfig = case.sandbox.kubeconfig_path().to_str().unwrap();
    without_principal(case.apim(arguments)).env("KUBECONFIG", kubeconfig)
}

fn source(report: &Value, what: &str) -> (String, String) {
    let source = &report["sources"][what]["source"];
    let text = |part: &Value| part.as_str().unwrap_or_default().to_owned();
    (text(&source["from"]), text(&source["name"]))
}

fn sources_are(report: &Value, from: &str, names: [(&str, &str); 6]) {
    for (what, name) in names {
        assert_eq!(
            source(report, what),
            (from.to_owned(), name.to_owned()),
            "{what} in {report:#}"
        );
    }
}

#[tokio::test]
async fn everything_by_flags() {
    let case = idle("flags").await;
    let (gateway, principal) = (&case.gateway, &case.principal);
    let secret_file = case.file("secret", &principal.client_secret);
    let report = without_all(
        &case,
        &[
            "rotate",
            "-s",
            &gateway.subscription,
            "-r",
            &gateway.resource_group,
            "-a",
            &gateway.service,
            "-g",
            &gateway.name,
            "-n",
            &case.namespace,
            "-t",
            "gw-token",
            "-k",
            "secondary",
            "--k8s-object",
            "deployment/gw",
            "-c",
            &principal.client_id,
            "--client-secret-file",
            &secret_file.display().to_string(),
            "--tenant",
            &principal.tenant,
            "-o",
            "json",
        ],
    )
    .exits(0)
    .await
    .json();
    assert_eq!(report["outcome"], "Rotated");
    assert_eq!(report["keySlot"], "secondary");
    assert_eq!(report["warnings"], json!([]));
    sources_are(
        &report,
        "flag",
        [
            ("subscription", "subscription-id"),
            ("resourceGroup", "resource-group"),
            ("service", "apim-instance"),
            ("gateway", "apim-gateway"),
            ("secret", "token-secret"),
            ("workloads", "k8s-object"),
        ],
    );
}

fn as_the_old_cron_job<'a>(case: &'a Case, arguments: &[&str]) -> Run<'a> {
    let (gateway, principal) = (&case.gateway, &case.principal);
    without_all(case, arguments).envs(&[
        ("SUBSCRIPTION_ID", &gateway.subscription),
        ("RESOURCE_GROUP", &gateway.resource_group),
        ("APIM_INSTANCE", &gateway.service),
        ("APIM_GATEWAY", &gateway.name),
        ("NAMESPACE", &case.namespace),
        ("TOKEN_SECRET", "gw-token"),
        ("TOKEN_KEY", "secondary"),
        ("K8S_OBJECT", "deployment/gw"),
        ("SP_ID", &principal.client_id),
        ("SP_SECRET", &principal.client_secret),
        ("TENANT", &principal.tenant),
    ])
}

#[tokio::test]
async fn everything_by_the_scripts_variables() {
    let case = idle("script").await;
    let report = as_the_old_cron_job(&case, &["rotate", "-o", "json"])
        .exits(0)
        .await
        .json();
    assert_eq!(report["keySlot"], "secondary");
    assert_eq!(report["workloads"][0]["restarted"], true);
    sources_are(
        &report,
        "variable",
        [
            ("subscription", "SUBSCRIPTION_ID"),
            ("resourceGroup", "RESOURCE_GROUP"),
            ("service", "APIM_INSTANCE"),
            ("gateway", "APIM_GATEWAY"),
            ("secret", "TOKEN_SECRET"),
            ("workloads", "K8S_OBJECT"),
        ],
    );
}

#[tokio::test]
async fn everything_by_the_variable_of_each_flag() {
    let case = idle("variables").await;
    let (gateway, principal) = (&case.gateway, &case.principal);
    let report = without_principal(case.apim(&["rotate"]))
        .envs(&[
            ("KUBECTL_APIM_SUBSCRIPTION_ID", gateway.subscription.as_str()),
            ("KUBECTL_APIM_RESOURCE_GROUP", &gateway.resource_group),
            ("KUBECTL_APIM_APIM_INSTANCE", &gateway.service),
            ("KUBECTL_APIM_APIM_GATEWAY", &gateway.name),
            ("KUBECTL_APIM_TOKEN_SECRET", "gw-token"),
            ("KUBECTL_APIM_TOKEN_KEY", "secondary"),
            ("KUBECTL_APIM_K8S_OBJECT", "deployment/gw"),
            ("KUBECTL_APIM_CLIENT_ID", &principal.client_id),
            ("KUBECTL_APIM_CLIENT_SECRET", &principal.client_secret),
            ("KUBECTL_APIM_TENANT", &principal.tenant),
            ("KUBECTL_APIM_OUTPUT", "json"),
            ("KUBECTL_APIM_NO_WAIT", "true"),
            // Templates leave empty ones behind.
            ("KUBECTL_APIM_EXPIRY", ""),
        ])
        .exits(0)
        .await
        .json();
    assert_eq!(report["keySlot"], "secondary");
    assert!(report.get("proof").is_none(), "the flag is not to wait");
    sources_are(
        &report,
        "variable",
        [
            ("subscription", "KUBECTL_APIM_SUBSCRIPTION_ID"),
            ("resourceGroup", "KUBECTL_APIM_RESOURCE_GROUP"),
            ("service", "KUBECTL_APIM_APIM_INSTANCE"),
            ("gateway", "KUBECTL_APIM_APIM_GATEWAY"),
            ("secret", "KUBECTL_APIM_TOKEN_SECRET"),
            ("workloads", "KUBECTL_APIM_K8S_OBJECT"),
        ],
    );
}

#[tokio::test]
async fn a_flag_beats_the_scripts_variable() {
    let case = idle("flag-first").await;
    let line = ["rotate", "-k", "primary", "-t", "gw-token", "-o", "json"];
    let report = as_the_old_cron_job(&case, &line)
        .env("TOKEN_SECRET", "another")
        .exits(0)
        .await
        .json();
    assert_eq!(report["keySlot"], "primary");
    assert_eq!(
        source(&report, "secret"),
        ("flag".to_owned(), "token-secret".to_owned())
    );
}

#[tokio::test]
async fn missing_values_are_discovered_and_later_read_from_annotations() {
    let case = idle("discovery").await;
    let line = ["rotate", "--no-wait", "-o", "json"];
    let report = case.apim(&line).exits(0).await.json();
    for what in [
        "subscription",
        "resourceGroup",
        "service",
        "gateway",
        "secret",
        "workloads",
    ] {
        assert_eq!(source(&report, what).0, "discovery", "{what}");
    }
    assert_eq!(
        report["gateway"].as_str().map(str::to_lowercase),
        Some(case.gateway.id().to_lowercase())
    );
    let report = case.apim(&line).exits(0).await.json();
    for what in ["subscription", "resourceGroup", "service", "gateway"] {
        assert_eq!(source(&report, what).0, "annotation", "{what}");
    }
}

#[tokio::test]
async fn the_target_is_named_as_for_kubectl() {
    let case = idle("targets").await;
    for target in [
        &["gw"][..],
        &["deploy/gw"],
        &["deployment", "gw"],
        &["deployments.apps/gw"],
    ] {
        let line = [&["rotate", "--no-wait", "-o", "json"], target].concat();
        let report = case.apim(&line).exits(0).await.json();
        let workload = &report["workloads"][0];
        assert_eq!(
            *workload,
            json!({"kind": "Deployment", "name": "gw", "restarted": true})
        );
        // The next run would complete a rollout that still runs, and mint nothing.
        case.rolled_out("gw").await;
    }
    assert_eq!(case.mints(), 4);
}

#[tokio::test]
async fn one_of_two_gateways_is_chosen_and_the_other_left_alone() {
    let case = idle("one-of-two").await;
    let token = case.token(Slot::Primary, DAY * 2);
    let other =
        GatewayManifest::custom("other", &case.endpoint(), &token, "other-token", "token").replicas(0);
    case.deploy(&other).await;
    let before = case.versions().await;
    case.apim(&["rotate", "gw"]).exits(0).await;
    let after = case.versions().await;
    for object in ["secret/other-token", "deployment/other"] {
        assert_eq!(after[object], before[object]);
    }
    assert_ne!(after["secret/gw-token"], before["secret/gw-token"]);
}

#[tokio::test]
async fn every_workload_that_uses_the_secret_is_restarted() {
    let case = Case::new("shared-secret").await;
    let token = case.token(Slot::Primary, DAY * 2);
    for name in ["east", "west"] {
        let manifest = GatewayManifest::custom(name, &case.endpoint(), &token, "shared", "token");
        case.deploy(&manifest.replicas(0)).await;
    }
    let ended = case.apim(&["rotate", "-o", "name"]).exits(0).await;
    assert_eq!(
        ended.stdout,
        "secret/shared\ndeployment.apps/east\ndeployment.apps/west\n"
    );
    assert_eq!(case.mints(), 1);
}

#[tokio::test]
async fn the_result_is_printed_as_text_and_for_scripts() {
    let case = idle("formats").await;
    let ended = case.apim(&["rotate"]).exits(0).await;
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(
        lines[..3],
        [
            "secret/gw-token rotated",
            "deployment.apps/gw restarted",
            "key slot: primary"
        ]
    );
    assert!(lines[3].starts_with("expires: "), "{lines:?}");

    let ended = case.apim(&["rotate", "-o", "name"]).exits(0).await;
    assert_eq!(ended.stdout, "secret/gw-token\ndeployment.apps/gw\n");

    let ended = case.apim(&["rotate", "-o", "yaml"]).exits(0).await;
    let report: Value = serde_yaml::from_str(&ended.stdout).unwrap();
    assert_eq!(report["apiVersion"], "kubectl-apim/v1");
    assert_eq!(report["kind"], "Rotation");
    assert_eq!(report["outcome"], "Rotated");
}

#[tokio::test]
async fn the_log_is_one_json_object_a_line_and_shows_nothing_at_any_level() {
    let case = idle("leaks").await;
    for line in [
        &["rotate", "-v=9", "--log-format", "json"][..],
        &["rotate", "--debug"],
    ] {
        let run = case.apim(line).env("RUST_BACKTRACE", "full");
        let ended = run.exits(0).await;
        assert!(ended.stderr.lines().count() > 8, "{}", ended.stderr);
        if line.contains(&"json") {
            for line in ended.stderr.lines() {
                serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            }
        }
    }
    // Failing runs have more to say, and their causes.
    let wrong = case
        .apim(&["rotate", "-v=9"])
        .env("RUST_BACKTRACE", "full")
        .env("AZURE_CLIENT_SECRET", "wr0ng~secret.of-a-run");
    case.hides("wr0ng~secret.of-a-run");
    case.fails_untouched(wrong, 1).await;
}
