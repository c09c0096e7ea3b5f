//! Who may be rotated over several namespaces.

use apim_sandbox::azure::{Grant, Operation, Slot};
use serde_json::{Value, json};

use crate::case::{Case, DAY};
use crate::terminal::{Answer, REFUSALS};

/// Two teams whose gateways are of one instance, as seen by the first.
pub(super) async fn two_teams(name: &str) -> (Case, Case) {
    let (ours, theirs) = (Case::new(name).await, Case::new(name).await);
    for (case, label) in [(&ours, "ours"), (&theirs, "theirs")] {
        let gateway = ours.gateway_named(label);
        let token = ours
            .azure()
            .mint(&gateway, Slot::Primary, ours.azure().now() + DAY * 2);
        for case in [&ours, &theirs] {
            case.hides(&token);
        }
        let manifest = apim_sandbox::manifests::GatewayManifest::portal(
            label,
            &ours.endpoint(),
            &format!("GatewayKey {token}"),
        );
        case.deploy(&manifest.replicas(0)).await;
        case.patch_deployment(label, &json!({"metadata": {"labels": {"fleet": ours.namespace}}}))
            .await;
    }
    (ours, theirs)
}

/// A run over all namespaces that sees the gateways of this test alone.
pub(super) fn everywhere<'a>(case: &'a Case, arguments: &[&str]) -> crate::run::Run<'a> {
    let labels = format!("fleet={}", case.namespace);
    let line = [&["rotate", "-A", "-l", &labels], arguments].concat();
    case.apim(&line)
}

#[tokio::test]
async fn without_consent_nothing_is_minted() {
    let (ours, theirs) = two_teams("fleet-consent").await;
    let refused = everywhere(&ours, &[]).exits(2).await;
    refused.says(&[
        "2 gateways in 2 namespaces would be rotated",
        "--gateways FILE",
        "--yes",
    ]);
    assert_eq!(ours.mints(), 0);
    everywhere(&ours, &["--dry-run"])
        .exits(0)
        .await
        .says(&["2 to rotate"]);
    // It is not consent either that only one is due today.
    let soon = ours.azure().mint(
        &ours.gateway_named("theirs"),
        Slot::Primary,
        ours.azure().now() + DAY,
    );
    for case in [&ours, &theirs] {
        case.hides(&soon);
    }
    let soon = json!({"stringData": {"value": format!("GatewayKey {soon}")}});
    theirs.patch_secret("theirs-token", &soon).await;
    let due = everywhere(&ours, &["--if-expiring-within", "36h"]).exits(2).await;
    due.says(&["there is no terminal to ask"]);
    assert_eq!(ours.mints(), 0);
    everywhere(&ours, &["--yes"])
        .exits(0)
        .await
        .says(&["2 gateways: 2 rotated"]);
    assert_eq!(ours.mints(), 2);
    drop(theirs);
}

#[tokio::test]
async fn on_a_terminal_the_gateways_are_listed_before_the_question() {
    let (ours, theirs) = two_teams("fleet-ask").await;
    let labels = format!("fleet={}", ours.namespace);
    let binary = env!("CARGO_BIN_EXE_kubectl-apim");
    let ask = async |answer: &str, code: i32| {
        let line =
            format!("printf '{answer}\\n' | script -qec \"'{binary}' rotate -A -l {labels}\" /dev/null");
        let mut command = tokio::process::Command::new("bash");
        command
            .args(["-c", &format!("set -o pipefail; {line}")])
            .env_clear()
            .envs(ours.variables())
            .env("PATH", "/usr/bin:/bin")
            .env("TERM", "xterm")
            .kill_on_drop(true);
        crate::run::Run::new(&ours, command).exits(code).await
    };
    let shown = ask("n", 1).await.stdout;
    for text in [
        "Rotate 2 gateways in 2 namespaces of context apim-sandbox of ",
        "gateways/theirs",
        theirs.namespace.as_str(),
        "not confirmed; nothing was changed",
    ] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    assert_eq!(ours.mints(), 0);
    assert!(ask("y", 0).await.stdout.contains("2 gateways: 2 rotated"));
    assert_eq!(ours.mints(), 2);
}

/// Nothing but yes rotates, and a signal ends the run while it waits.
#[tokio::test]
async fn a_question_takes_every_answer_and_every_signal() {
    let (ours, theirs) = two_teams("fleet-answers").await;
    let words = format!("rotate -A -l fleet={}", ours.namespace);
    let before = (ours.versions().await, theirs.versions().await);
    let ask = async |answer, code| {
        let mut terminal = ours.on_a_terminal(&words);
        terminal
            .shows("Rotate 2 gateways in 2 namespaces of context apim-sandbox of ")
            .await;
        terminal.shows("? [y/N] ").await;
        terminal.ends(answer, code).await
    };
    for (answer, says) in REFUSALS {
        let shown = ask(answer, 1).await;
        assert!(shown.contains(&format!("\n{says}\r\n")), "{answer:?}: {shown}");
        assert_eq!(ours.mints(), 0);
        assert_eq!((ours.versions().await, theirs.versions().await), before);
    }
    let shown = ask(Answer::Types("YES\n"), 0).await;
    assert!(shown.contains("2 gateways: 2 rotated"), "{shown}");
    assert_eq!(ours.mints(), 2);
}

#[tokio::test]
async fn a_secret_that_is_forged_to_name_another_teams_gateway_is_refused() {
    let (ours, theirs) = two_teams("fleet-forged").await;
    let service = ours.gateway.service_id();
    let file = ours.file(
        "fleet.txt",
        &format!(
            "# the platform team's list\n{} deployment/ours {service}/gateways/ours\n\
             {} deployment/theirs {service}/gateways/theirs\n",
            ours.namespace, theirs.namespace
        ),
    );
    let file = file.display().to_string();
    // Someone with the right to write Secrets in the other namespace names our gateway.
    let token = ours.azure().mint(
        &ours.gateway_named("ours"),
        Slot::Primary,
        ours.azure().now() + DAY,
    );
    for case in [&ours, &theirs] {
        case.hides(&token);
    }
    let forged = json!({"stringData": {"value": format!("GatewayKey {token}")}});
    theirs.patch_secret("theirs-token", &forged).await;

    let ended = everywhere(&ours, &["--gateways", &file, "-o", "json"])
        .exits(6)
        .await;
    assert_eq!(ended.with_outcome("Refused"), ["theirs-token"]);
    assert_eq!(ended.with_outcome("Rotated"), ["ours-token"]);
    ended.says(&[
        "names the gateway",
        "somebody may have forged",
        "2 gateways: 1 rotated, 1 refused",
    ]);
    assert_eq!(ended.json()["counts"]["failed"], 0);
    // One token was minted, for the one that is in the list.
    let minted = ours.requests(Operation::GenerateToken);
    assert_eq!(minted.len(), 1);
    let secret = theirs.secret("theirs-token").await;
    assert!(
        !secret
            .metadata
            .annotations
            .unwrap_or_default()
            .contains_key("apim-rotate/rotation-id")
    );

    // A gateway that is not on the list is refused the same way.
    let only_ours = ours.file(
        "ours.txt",
        &format!("{} deploy/ours {service}/gateways/ours\n", ours.namespace),
    );
    let only_ours = only_ours.display().to_string();
    let ended = everywhere(&ours, &["--gateways", &only_ours, "--dry-run"])
        .exits(6)
        .await;
    ended.says(&["deployment.apps/theirs", "is not in", "add the line"]);
}

#[tokio::test]
async fn an_annotation_that_contradicts_the_workload_is_refused_even_with_yes() {
    let (ours, theirs) = two_teams("fleet-annotated").await;
    // The record counts only while it is about the very token.
    everywhere(&ours, &["--yes"]).exits(0).await;
    let other = Case::new("fleet-annotated").await;
    let recorded = json!({"metadata": {"annotations": {"apim-rotate/gateway": other.gateway.id()}}});
    theirs.patch_secret("theirs-token", &recorded).await;
    ours.azure()
        .add_principal(ours.principal.clone().with(Grant::token_operator("/")));
    let before = ours.mints();
    let ended = everywhere(&ours, &["--yes", "-o", "json"]).exits(6).await;
    assert_eq!(ended.with_outcome("Refused"), ["theirs-token"]);
    ended.says(&["two API Management instances are named"]);
    assert_eq!(ours.mints(), before + 1);
    assert_eq!(other.mints(), 0);
}

#[tokio::test]
async fn a_command_line_that_makes_no_sense() {
    let case = Case::new("fleet-usage").await;
    let missing = case.file("x", "").display().to_string();
    for (line, says) in [
        (&["--all", "gw"][..], "leave the names out"),
        (&["-A", "gw"], "by name or by --all-namespaces"),
        (
            &["--all", "--token-secret", "s"],
            "--token-secret names the Secret",
        ),
        (
            &["--all", "--apim-gateway", "g"],
            "--apim-gateway names the gateway",
        ),
        (
            &["--all", "--canary", "1", "--no-wait"],
            "--canary waits for the proof of a gateway",
        ),
        (&["--all", "--max-parallel", "0"], "--max-parallel"),
        (&["--gateways", "list.txt"], "--gateways is for several gateways"),
        (&["--all", "--gateways", "/no/such/file"], "cannot be read"),
        (&["--all", "--gateways", &missing], "names no gateway"),
        (
            &["-A", "-o", "gateways"],
            "-o gateways prints what a dry run has found; add --dry-run",
        ),
        (&["gw", "-o", "gateways"], "add --dry-run"),
    ] {
        let line = [&["rotate"], line].concat();
        case.fails_untouched(case.apim(&line), 2).await.says(&[says]);
    }
    let by_variable = case.apim(&["rotate", "--all"]).env("K8S_OBJECT", "deployment/gw");
    case.fails_untouched(by_variable, 2)
        .await
        .says(&["variable K8S_OBJECT names the workload"]);
    case.fails_untouched(case.apim(&["rotate", "--all"]), 1)
        .await
        .says(&["no self-hosted gateway was found"]);
}

/// A kubeconfig with these contexts, each for the namespace of a case.
fn contexts(case: &Case, contexts: &[(&str, &Case)]) -> String {
    let text = std::fs::read_to_string(case.sandbox.kubeconfig_path()).unwrap();
    let mut kubeconfig: Value = serde_json::from_str(&text).unwrap();
    let named = contexts.iter().map(|(name, of)| {
        let mut context = kubeconfig["contexts"][0].clone();
        context["name"] = json!(name);
        context["context"]["namespace"] = json!(of.namespace);
        context
    });
    kubeconfig["contexts"] = named.collect();
    let path = case.file("contexts", &kubeconfig.to_string());
    path.display().to_string()
}

#[tokio::test]
async fn a_run_over_two_places_needs_consent_whatever_pattern_names_them() {
    let (eu, us) = two_teams("fleet-places").await;
    let file = contexts(&eu, &[("prod-eu", &eu), ("prod-us", &us), ("eu-again", &eu)]);
    let run = |arguments: &[&str]| {
        let line = [&["rotate", "--kubeconfig", &file, "--all"], arguments].concat();
        eu.apim(&line)
    };
    // Only one of the two is due today.
    let gateway = eu.gateway_named("ours");
    let soon = eu.azure().mint(&gateway, Slot::Primary, eu.azure().now() + DAY);
    for case in [&eu, &us] {
        case.hides(&soon);
    }
    let soon = json!({"stringData": {"value": format!("GatewayKey {soon}")}});
    eu.patch_secret("ours-token", &soon).await;
    let due = ["--if-expiring-within", "36h"];
    let ended = run(&[&["--contexts", "prod-*"], &due[..]].concat())
        .exits(2)
        .await;
    ended.says(&["there is no terminal to ask", "--gateways FILE", "--yes"]);
    assert_eq!(eu.mints(), 0);

    // One place is one place, however often and by whatever name it is meant.
    let line = ["--contexts", "prod-eu,prod-eu,eu-again", "-o", "json"];
    let ended = run(&[&line[..], &due].concat()).exits(0).await;
    assert_eq!(ended.with_outcome("Rotated"), ["ours-token"]);
    assert_eq!(ended.json()["items"].as_array().unwrap().len(), 1);
    assert_eq!(eu.mints(), 1);
}

#[tokio::test]
async fn a_cluster_that_cannot_be_reached_is_a_place_too() {
    let (eu, _us) = two_teams("fleet-unreached").await;
    let text = std::fs::read_to_string(contexts(&eu, &[("prod-eu", &eu), ("prod-us", &eu)])).unwrap();
    let mut kubeconfig: Value = serde_json::from_str(&text).unwrap();
    kubeconfig["contexts"][1]["context"]["cluster"] = json!("gone");
    let file = eu.file("gone", &kubeconfig.to_string()).display().to_string();
    let line = ["rotate", "--kubeconfig", &file, "--all", "--contexts", "prod-*"];
    let ended = eu.apim(&line).exits(2).await;
    ended.says(&["there is no terminal to ask"]);
    assert_eq!(eu.mints(), 0);
}

#[tokio::test]
async fn without_contexts_the_error_says_where_they_were_looked_for() {
    let case = Case::new("fleet-no-contexts").await;
    let line = ["rotate", "--all", "--contexts", "prod-*"];
    let run = case.apim(&line).env("KUBECONFIG", "/no/such/kubeconfig");
    case.fails_untouched(run, 2)
        .await
        .says(&["there is no context", "no /no/such/kubeconfig"]);
}
