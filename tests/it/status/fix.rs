//! `status --fix`, on a terminal of its own.

use apim_sandbox::azure::Action;
use apim_sandbox::manifests::apply;
use k8s_openapi::api::batch::v1::CronJob;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::case::Case;
use crate::terminal::Answer;

const ASKS: &str = "Run it? [y]es, [n]o, [a]ll of them, [q]uit: ";

/// A namespace with a CronJob that rotates, and with these gateways, each with the days
/// that its token has left.
async fn with(name: &str, gateways: &[(&str, i32)]) -> Case {
    let case = Case::new(name).await;
    let rotates = json!({"image": "ghcr.io/kubectl-apim/kubectl-apim:1.0.0", "command": ["/kubectl-apim"],
        "args": ["rotate", "--all", "--yes"]});
    case.cron_job(&rotates).await;
    for (name, days) in gateways {
        case.deploy(&case.gateway(name, *days)).await;
    }
    case
}

fn rotate(case: &Case, names: &str) -> String {
    format!("kubectl apim rotate {names} -n {}", case.namespace)
}

#[tokio::test]
async fn yes_runs_the_command_and_the_gateway_becomes_healthy() {
    let case = with("fix-yes", &[("gw", -1), ("fine", 29)]).await;
    // The command reaches the cluster of this run.
    let mut terminal = case.on_a_terminal("status --fix --context apim-sandbox");
    terminal.shows("1/1        gw is Expired: ").await;
    let command = format!(
        "command    kubectl apim --context apim-sandbox rotate deployment.apps/gw -n {}",
        case.namespace
    );
    terminal.shows(&command).await;
    terminal.shows(ASKS).await;
    assert_eq!(case.mints(), 0);
    // Only one of the four is an answer.
    terminal.types("\nsure\n").await;
    terminal.shows(ASKS).await;
    terminal.shows(ASKS).await;
    terminal.types("y\n").await;
    let shown = terminal.closes(0).await;
    // What it prints is on the screen.
    for text in [
        "secret/gw-token rotated",
        "done       exit code 0",
        "fixed      gw is Healthy, was Expired",
    ] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    assert!(!shown.contains("hint: gw is Expired"), "{shown}");
    assert_eq!(case.mints(), 1);
    let mut terminal = case.on_a_terminal("status --fix");
    terminal.shows("nothing to fix: each gateway is Healthy").await;
    terminal.closes(0).await;
}

#[tokio::test]
async fn no_and_quit_leave_everything_as_it_is() {
    let case = with("fix-no", &[("due", 10), ("expired", -1)]).await;
    let before = case.versions().await;
    for (second, says) in [
        (Answer::Types("n\n"), "error: 2 commands were not run"),
        (Answer::Types("q\n"), "error: 2 commands were not run"),
        (Answer::Types("\x04"), "error: 2 commands were not run"),
        (Answer::Types("\x03"), "error: interrupted; nothing was changed"),
        (Answer::Signals("TERM"), "error: interrupted; nothing was changed"),
    ] {
        let mut terminal = case.on_a_terminal("status --fix");
        terminal.shows("1/2        expired is Expired: ").await;
        terminal.shows(ASKS).await;
        terminal.types("n\n").await;
        terminal.shows("2/2        due is Due: ").await;
        terminal.shows(ASKS).await;
        let shown = terminal.ends(second, 1).await;
        assert!(shown.contains(&format!("\n{says}\r\n")), "{second:?}: {shown}");
    }
    let mut terminal = case.on_a_terminal("status --fix");
    terminal.shows(ASKS).await;
    let shown = terminal.ends(Answer::Types("quit\n"), 1).await;
    assert!(
        shown.contains("2 commands were not run") && !shown.contains("2/2"),
        "{shown}"
    );
    assert_eq!(case.versions().await, before);
    assert_eq!(case.mints(), 0);
}

#[tokio::test]
async fn all_is_agreed_to_after_each_command_was_shown_and_until_one_fails() {
    let case = with("fix-all", &[("a", -3), ("b", 3), ("c", 10)]).await;
    let mut terminal = case.on_a_terminal("status --fix");
    terminal.shows("1/3        a is Expired: ").await;
    terminal.shows(ASKS).await;
    terminal.types("a\n").await;
    for (count, name) in [("2/3", "b"), ("3/3", "c")] {
        terminal.shows(&format!("{count}        {name} is ")).await;
        terminal
            .shows(&rotate(&case, &format!("deployment.apps/{name}")))
            .await;
    }
    terminal.shows("Run all 3 commands? [y/N] ").await;
    assert_eq!(case.mints(), 0);
    terminal.types("n\n").await;
    terminal.shows(ASKS).await;
    let refused = Action::Status {
        code: 400,
        body: "{\"error\":{\"code\":\"ValidationError\",\"message\":\"no\"}}".to_owned(),
        headers: Vec::new(),
    };
    case.disturb_mint(refused, 1);
    terminal.types("a\n").await;
    terminal.shows("Run all 3 commands? [y/N] ").await;
    terminal.types("y\n").await;
    terminal.shows("failed     exit code 1").await;
    // The next one is asked about again.
    terminal.shows("2/3        b is Expiring: ").await;
    terminal.shows(ASKS).await;
    terminal.types("a\n").await;
    terminal.shows("Run all 2 commands? [y/N] ").await;
    terminal.types("y\n").await;
    let shown = terminal.closes(1).await;
    for text in [
        "left       a is still Expired: ",
        "fixed      b is Healthy, was Expiring",
        "fixed      c is Healthy, was Due",
        "error: 1 command failed\r\n",
    ] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
}

#[tokio::test]
async fn two_that_share_a_secret_are_rotated_by_one_command() {
    let case = with("fix-shared", &[]).await;
    let manifest = case.gateway("gw", -1);
    case.deploy(&manifest).await;
    for mut object in manifest.objects() {
        if object["kind"] == "Deployment" {
            object["metadata"]["name"] = json!("gw-twin");
            let labels = json!({"app": "gw-twin"});
            object["spec"]["selector"]["matchLabels"] = labels.clone();
            object["spec"]["template"]["metadata"]["labels"] = labels;
            apply(&case.client, &case.namespace, object).await.unwrap();
        }
    }
    case.rolled_out("gw-twin").await;
    let mut terminal = case.on_a_terminal("status --fix");
    terminal.shows("1/1        gw is Expired: ").await;
    terminal.shows("gw-twin is Expired: ").await;
    terminal
        .shows(&rotate(&case, "deployment.apps/gw deployment.apps/gw-twin"))
        .await;
    terminal.shows(ASKS).await;
    terminal.types("yes\n").await;
    let shown = terminal.closes(0).await;
    for name in ["gw", "gw-twin"] {
        assert!(
            shown.contains(&format!("fixed      {name} is Healthy, was Expired")),
            "{shown}"
        );
    }
    assert_eq!(case.mints(), 1);
}

#[tokio::test]
async fn kubectl_gets_its_words_without_a_shell_and_once_for_all_gateways() {
    let case = with("fix-kubectl", &[("a", 29), ("b", 29)]).await;
    let cron_jobs: Api<CronJob> = Api::namespaced(case.client.clone(), &case.namespace);
    let suspend = Patch::Merge(json!({"spec": {"suspend": true}}));
    cron_jobs
        .patch("apim-rotate", &PatchParams::default(), &suspend)
        .await
        .unwrap();
    let mut terminal = case.on_a_terminal("status --fix");
    terminal.shows("1/1        a is Unprotected: ").await;
    terminal.shows("b is Unprotected: ").await;
    let patch = r#"-p '{"spec":{"suspend":false}}'"#;
    terminal
        .shows(&format!(
            "kubectl patch cronjob apim-rotate -n {} {patch}",
            case.namespace
        ))
        .await;
    terminal.shows(ASKS).await;
    terminal.types("y\n").await;
    let shown = terminal.closes(0).await;
    assert!(shown.contains("cronjob.batch/apim-rotate patched"), "{shown}");
    let status = case.apim(&["status", "-o", "json"]).exits(0).await.gateway("a");
    assert_eq!(status["cronJob"]["suspended"], false, "{status:#}");
}

#[tokio::test]
async fn a_command_with_a_placeholder_is_shown_and_not_run() {
    let case = Case::new("fix-placeholder").await;
    case.deploy(&case.gateway("gw", 29)).await;
    let mut terminal = case.on_a_terminal("status --fix");
    terminal.shows("1/1        gw is Unprotected: ").await;
    terminal.shows(" --client-id CLIENT-ID").await;
    terminal
        .shows("a value is missing: replace CLIENT-ID, and run it yourself")
        .await;
    let shown = terminal.closes(0).await;
    assert!(!shown.contains("Run it?"), "{shown}");
}

#[tokio::test]
async fn ctrl_c_goes_to_the_command_and_the_rest_is_not_run() {
    let case = with("fix-signal", &[("a", -1), ("b", -1)]).await;
    case.disturb_mint(Action::DelayBefore { millis: 20_000 }, 1);
    let mut terminal = case.on_a_terminal("status --fix");
    terminal.shows(ASKS).await;
    terminal.types("a\n").await;
    terminal.shows("Run all 2 commands? [y/N] ").await;
    terminal.types("y\n").await;
    case.mint_was_asked_for().await;
    terminal.types("\x03").await;
    // The command says it, and then the run that waited for it.
    terminal.shows("error: interrupted; nothing was changed").await;
    terminal.shows("failed     exit code 1").await;
    let shown = terminal.closes(1).await;
    let rest = "error: interrupted; what was run stays as it is, and the rest was not run";
    assert!(shown.contains(rest), "{shown}");
    assert!(shown.contains("left       a is still Expired: "), "{shown}");
    assert_eq!(case.mints(), 1);
}

#[tokio::test]
async fn without_a_terminal_or_a_table_it_is_refused() {
    let case = Case::new("fix-refused").await;
    for (line, says) in [
        (
            &[][..],
            "--fix asks on a terminal, and stdin or stderr is not a terminal",
        ),
        (&["-o", "json"], "--fix asks below a table"),
        (&["-o", "yaml"], "--fix asks below a table"),
        (&["-o", "name"], "--fix asks below a table"),
        (&["-o", "prometheus"], "--fix asks below a table"),
        (&["-w"], "--watch"),
        (&["--fail-within", "1d"], "--fail-within"),
    ] {
        let line = [&["status", "--fix"], line].concat();
        case.apim(&line).exits(2).await.says(&[says]);
    }
    let refused = case.apim(&["status", "--fix"]).exits(2).await;
    refused.says(&["`kubectl apim status -o json` has the commands"]);
    let mut terminal = case.on_a_terminal("status --fix --token not-a-real-one");
    terminal.shows("--fix cannot pass the token of --token on").await;
    terminal.closes(2).await;
}
