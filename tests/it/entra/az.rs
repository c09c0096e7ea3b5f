//! The printed scripts, run by the real Azure CLI.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use apim_sandbox::python::interpreter_with;
use kube::api::DeleteParams;
use tokio::process::Command;

use super::EntraCase;
use crate::run::text;

const REQUIREMENTS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/sandbox/tests/python/azure-cli.txt"
);

/// Runs a shell script in which `az` is the real one, signed in as the case's principal.
async fn run_with_az(entra: &EntraCase, script: &str) -> String {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let python = interpreter_with(scratch, REQUIREMENTS).await;
    let case = &entra.case;
    let variables = case.variables();
    let authority = variables.iter().find(|(name, _)| *name == "SSL_CERT_FILE");
    let home = tempfile::tempdir().unwrap();
    let az = format!("#!/bin/sh\nexec {} -m azure.cli \"$@\"\n", python.display());
    let path = home.path().join("az");
    std::fs::write(&path, az).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let line = format!(
        "az login --service-principal -u \"$AZURE_CLIENT_ID\" -p \"$AZURE_CLIENT_SECRET\" -t \"$AZURE_TENANT_ID\" \
         --allow-no-subscriptions > login.json\naz account set --subscription {}\n{script}",
        case.gateway.subscription
    );
    let output = Command::new("sh")
        .args(["-c", &line])
        .env_clear()
        .envs(variables.clone())
        .env("HOME", home.path())
        .env("PATH", format!("{}:/usr/bin:/bin", home.path().display()))
        .env("AZURE_CORE_COLLECT_TELEMETRY", "no")
        .env("AZURE_CORE_NO_COLOR", "yes")
        .env("REQUESTS_CA_BUNDLE", &authority.unwrap().1)
        .current_dir(home.path())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let shown = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{shown}\nof\n{script}");
    shown
}

#[tokio::test]
#[ignore = "installs the Azure CLI, some 700 MB"]
async fn the_azure_cli_makes_and_removes_the_same() {
    for (mode, more) in [
        ("workload-identity", &["--service-account", "gw"][..]),
        ("app-secret", &[]),
        ("app-certificate", &[]),
    ] {
        let entra = EntraCase::new("az-script").await;
        entra.deploy(|_| {}).await;
        let flags = [&["--create-app", "gw", "--mode", mode], more].concat();
        let run = |more: &[&str]| entra.setup(&[&flags[..], more].concat());
        let script = run(&["--print-az"]).exits(0).await.stdout;
        run_with_az(&entra, &script).await;
        if mode == "workload-identity" {
            // Azure may not have known everything yet.
            run_with_az(&entra, &script).await;
        }
        let plan = run(&["--dry-run"]).exits(0).await.stdout;
        let open = plan.lines().filter(|line| line.starts_with(['+', '~', '?', '!']));
        let open: Vec<&str> = open.collect();
        // A credential is in the Secret, where it is tried.
        let is_in_cluster = |line: &&str| {
            ["serviceaccount/", "secret/", "deployment/"]
                .iter()
                .any(|kind| line.contains(kind))
        };
        assert!(open.iter().all(is_in_cluster), "{mode}: {plan}");
        let secrets = entra.case.secrets();
        if mode != "workload-identity" {
            // Undo removes what is in Azure.
            let deleted = secrets.delete("gw-entra", &DeleteParams::default()).await;
            deleted.expect("the script wrote the Secret");
        }
        let undo = run(&["--print-az", "--undo"]).exits(0).await.stdout;
        run_with_az(&entra, &undo).await;
        assert!(entra.apps().is_empty(), "{mode}");
        let plan = run(&["--dry-run"]).exits(0).await.stdout;
        assert!(plan.contains("+ create the app gw"), "{mode}: {plan}");
    }
}

/// What an administrator makes by the script is what the next run needs.
#[tokio::test]
#[ignore = "installs the Azure CLI, some 700 MB"]
async fn a_credential_that_the_azure_cli_makes_is_adopted() {
    for mode in ["app-secret", "app-certificate"] {
        let entra = EntraCase::new("az-hands-over").await;
        entra.deploy(|_| {}).await;
        let run = |more: &[&str]| entra.setup(&[&["--create-app", "gw", "--mode", mode], more].concat());
        let script = run(&["--print-az"]).exits(0).await.stdout;
        run_with_az(&entra, &script).await;
        let adopted = run(&["--yes"]).exits(0).await;
        adopted.says(&["proved"]);
        assert!(
            adopted.stdout.contains("? secret/gw-entra seems to hold"),
            "{mode}: {}",
            adopted.stdout
        );
        let again = run(&["--yes"]).exits(0).await.stdout;
        assert!(
            again.lines().all(|line| line.starts_with(['=', ' '])),
            "{mode}: {again}"
        );
    }
}
