//! Ways to sign in to Azure.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use apim_sandbox::azure::Operation;
use serde_json::{Value, json};

use crate::case::Case;
use crate::run::Run;

const SERVICE_PRINCIPAL: [&str; 3] = ["AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID"];

async fn idle(name: &str) -> Case {
    let case = Case::new(name).await;
    case.deploy(&case.idle_portal()).await;
    case
}

fn as_the_principal<'a>(case: &'a Case, arguments: &[&str]) -> Run<'a> {
    let principal = &case.principal;
    let line = [
        &[
            "rotate",
            "-c",
            &principal.client_id,
            "--tenant",
            &principal.tenant,
        ],
        arguments,
    ]
    .concat();
    case.apim(&line).without(&SERVICE_PRINCIPAL)
}

#[tokio::test]
async fn a_secret_from_a_file() {
    let case = idle("secret-file").await;
    // Editors end a file with a line feed.
    let file = case.file("secret", &format!("{}\n", case.principal.client_secret));
    as_the_principal(&case, &["--client-secret-file", &file.display().to_string()])
        .exits(0)
        .await;
    assert_eq!(case.mints(), 1);
}

#[tokio::test]
async fn a_secret_from_stdin() {
    let case = idle("secret-stdin").await;
    as_the_principal(&case, &["--client-secret-file", "-"])
        .input(&case.principal.client_secret)
        .exits(0)
        .await;
    assert_eq!(case.mints(), 1);
}

#[tokio::test]
async fn a_secret_on_the_command_line_is_warned_about() {
    let case = idle("secret-flag").await;
    let ended = as_the_principal(&case, &["-p", &case.principal.client_secret])
        .exits(0)
        .await;
    ended.says(&["warning", "command line", "--client-secret-file"]);
}

#[tokio::test]
async fn a_secret_file_that_is_missing_or_empty() {
    let case = idle("secret-absent").await;
    let absent = as_the_principal(&case, &["--client-secret-file", "/does/not/exist"]);
    let ended = case.fails_untouched(absent, 2).await;
    ended.says(&["--client-secret-file /does/not/exist"]);
    let file = case.file("empty", "\n").display().to_string();
    let empty = as_the_principal(&case, &["--client-secret-file", &file]);
    case.fails_untouched(empty, 2).await.says(&[&file, "is empty"]);
}

#[tokio::test]
async fn half_a_service_principal() {
    let case = idle("half").await;
    let run = case
        .apim(&["rotate", "-c", &case.principal.client_id])
        .without(&SERVICE_PRINCIPAL);
    let ended = case.fails_untouched(run, 2).await;
    ended.says(&["--client-secret-file and --tenant", "SP_SECRET"]);
}

#[tokio::test]
async fn a_wrong_secret_shows_entras_message_and_a_next_step() {
    let case = idle("wrong-secret").await;
    let run = case.apim(&["rotate"]).env("AZURE_CLIENT_SECRET", "this~is.wrong");
    case.hides("this~is.wrong");
    let ended = case.fails_untouched(run, 1).await;
    ended.says(&["AADSTS7000215", "hint:"]);
    // A wrong secret does not get better by another attempt.
    assert_eq!(case.requests(Operation::SignIn).len(), 1);
}

#[tokio::test]
async fn a_cloud_by_its_url() {
    let case = idle("cloud-url").await;
    let ca_file = case.file("ca.pem", case.azure().ca_pem()).display().to_string();
    let url = case.azure().url();
    let line = [
        "rotate",
        "--cloud",
        &url,
        "--azure-ca-file",
        &ca_file,
        "-k",
        "secondary",
    ];
    case.apim(&line)
        .without(&["SSL_CERT_FILE", "HTTPS_PROXY"])
        .exits(0)
        .await;
    let minted = case.requests(Operation::GenerateToken);
    assert_eq!(minted.len(), 1);
    assert!(!minted[0].proxied);
}

#[tokio::test]
async fn an_untrusted_certificate_names_the_ways_to_trust_it() {
    let case = idle("untrusted").await;
    let run = case
        .apim(&["rotate", "--cloud", &case.azure().url(), "--timeout", "1m"])
        .without(&["SSL_CERT_FILE", "HTTPS_PROXY"]);
    let ended = case.fails_untouched(run, 1).await;
    ended.says(&["certificate", "--azure-ca-file", "SSL_CERT_FILE"]);
}

/// A real access token, as the Azure CLI would have it in its cache.
async fn access_token(case: &Case) -> String {
    let principal = &case.principal;
    let url = format!(
        "https://login.microsoftonline.com/{}/oauth2/v2.0/token",
        principal.tenant
    );
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &principal.client_id),
        ("client_secret", &principal.client_secret),
        ("scope", "https://management.azure.com/.default"),
    ];
    let body: Vec<String> = form
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let client = case.azure().client().unwrap();
    let answer = client
        .post(url)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(body.join("&"))
        .send()
        .await
        .unwrap();
    let answer: Value = answer.json().await.unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

/// A directory with a program `az`, for the PATH.
fn az(case: &Case, script: &str) -> PathBuf {
    let file = case.file("az", &format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    file.parent().unwrap().to_owned()
}

#[tokio::test]
async fn the_account_logged_in_to_the_azure_cli() {
    let case = idle("az").await;
    let token = access_token(&case).await;
    for part in token.split('.') {
        case.hides(part);
    }
    let answer = json!({
        "accessToken": token, "expiresOn": "2099-01-01 00:00:00.000000", "expires_on": 4_070_908_800_i64,
        "subscription": case.gateway.subscription, "tenant": case.principal.tenant, "tokenType": "Bearer",
    });
    let answer = case.file("answer.json", &answer.to_string());
    let seen = case.file("seen", "");
    // Warnings before the JSON, and a color that is reset after it.
    let script = format!(
        "{{ echo \"$@\"; env; }} > {}\necho 'WARNING: {{old}}'; cat {}; printf '\\033[0m\\n'",
        seen.display(),
        answer.display()
    );
    let path = format!("{}:/usr/bin:/bin", az(&case, &script).display());
    // The variables of a service principal may be there for other tools.
    case.apim(&["rotate", "--auth", "azure-cli"])
        .env("PATH", &path)
        .envs(&[
            ("SP_SECRET", "secret-of-the-script"),
            ("KUBECTL_APIM_CLIENT_SECRET", "secret-of-ours"),
        ])
        .exits(0)
        .await;
    assert_eq!(case.mints(), 1);

    let seen = std::fs::read_to_string(seen).unwrap();
    assert!(seen.starts_with("account get-access-token"), "{seen}");
    for name in ["AZURE_CLIENT_SECRET", "SP_SECRET", "KUBECTL_APIM_"] {
        assert!(!seen.contains(name), "{name} was passed on");
    }
    assert!(!seen.contains(&case.principal.client_secret));
}

#[tokio::test]
async fn an_azure_cli_without_a_login() {
    let case = idle("az-logged-out").await;
    let script = "echo \"ERROR: Please run 'az login' to setup account.\" >&2; exit 1";
    let path = format!("{}:/usr/bin:/bin", az(&case, script).display());
    let run = case
        .apim(&["rotate"])
        .without(&SERVICE_PRINCIPAL)
        .env("PATH", &path);
    let ended = case.fails_untouched(run, 1).await;
    ended.says(&["Azure CLI", "az login", "--client-id"]);
}

/// As az answers when a tenant demands multifactor authentication.
#[tokio::test]
async fn all_that_the_azure_cli_says_and_its_command() {
    let case = idle("az-mfa").await;
    let login = r#"az login --tenant "t" --scope "https://management.core.windows.net//.default""#;
    let said = case.file(
        "said",
        &format!(
            "WARNING: an extension is old\nERROR: AADSTS50076: Due to a configuration change, you must use \
             multi-factor authentication. Timestamp: 2026-11-28 10:00:00Z\nRun the command below to authenticate \
             interactively; additional arguments may be added as needed:\naz logout\n{login}\n"
        ),
    );
    let script = format!("cat {} >&2; exit 1", said.display());
    let path = format!("{}:/usr/bin:/bin", az(&case, &script).display());
    let run = case
        .apim(&["rotate", "--auth", "azure-cli"])
        .without(&SERVICE_PRINCIPAL)
        .env("PATH", &path);
    let ended = case.fails_untouched(run, 1).await;
    ended.says(&[
        "AADSTS50076: Due to a configuration change",
        "additional arguments may be added as needed:",
        "WARNING: an extension is old",
        &format!("hint: run `az logout && {login}`, or"),
    ]);
}

#[tokio::test]
async fn no_azure_cli_at_all() {
    let case = idle("az-absent").await;
    let run = case
        .apim(&["rotate"])
        .without(&SERVICE_PRINCIPAL)
        .env("PATH", "/nowhere");
    let ended = case.fails_untouched(run, 1).await;
    ended.says(&["(az) is not on the PATH", "az login"]);
}

/// The real Azure CLI, signed in to the emulator as to a cloud of its own.
#[tokio::test]
#[ignore = "needs the Azure CLI, whose directory is named by AZURE_CLI"]
async fn the_account_logged_in_to_the_real_azure_cli() {
    let case = idle("real-az").await;
    #[expect(clippy::disallowed_methods, reason = "it is this test's own variable")]
    let directory = std::env::var("AZURE_CLI").unwrap();
    let path = format!("{directory}:/usr/bin:/bin");
    let url = case.azure().url();
    let ca_file = case.file("ca.pem", case.azure().ca_pem()).display().to_string();
    let home = case
        .file("home", "")
        .with_file_name("azure")
        .display()
        .to_string();
    let variables = [
        ("PATH", path.as_str()),
        ("AZURE_CONFIG_DIR", &home),
        ("AZURE_CORE_COLLECT_TELEMETRY", "no"),
        ("REQUESTS_CA_BUNDLE", &ca_file),
        ("NO_PROXY", "localhost,127.0.0.1"),
    ];
    let principal = &case.principal;
    let (id, secret, tenant) = (&principal.client_id, &principal.client_secret, &principal.tenant);
    let setup = [
        format!(
            "cloud register --name sandbox --endpoint-resource-manager {url} --endpoint-management {url}/ \
             --endpoint-active-directory {url} --endpoint-active-directory-resource-id {url}/"
        ),
        "cloud set --name sandbox".to_owned(),
        format!("login --service-principal -u {id} -p {secret} --tenant {tenant}"),
    ];
    for line in &setup {
        let output = tokio::process::Command::new(format!("{directory}/az"))
            .args(line.split(' '))
            .env_clear()
            .envs(case.variables())
            .envs(variables)
            .output()
            .await
            .unwrap();
        assert!(output.status.success(), "{}", crate::run::text(&output.stderr));
    }
    let line = [
        "rotate",
        "--auth",
        "azure-cli",
        "--cloud",
        &url,
        "--azure-ca-file",
        &ca_file,
    ];
    let ended = case
        .apim(&line)
        .without(&SERVICE_PRINCIPAL)
        .envs(&variables)
        .exits(0)
        .await;
    assert_eq!(case.mints(), 1, "{}", ended.stderr);
}
