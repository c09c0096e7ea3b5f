use std::collections::HashMap;
use std::fs;
use std::path::Path;

use kube::config::ExecAuthCluster;

use super::*;

const V1: &str = "client.authentication.k8s.io/v1";

fn plugin(dir: &Path, script: &str) -> AuthInfo {
    let path = dir.join("plugin.sh");
    fs::write(&path, script).unwrap();
    let variable = |name: &str, value: &str| {
        HashMap::from([
            ("name".to_owned(), name.to_owned()),
            ("value".to_owned(), value.to_owned()),
        ])
    };
    AuthInfo {
        exec: Some(ExecConfig {
            api_version: Some(V1.to_owned()),
            command: Some("sh".to_owned()),
            args: Some(vec![path.to_str().unwrap().to_owned(), "get-token".to_owned()]),
            env: Some(vec![variable("DIR", dir.to_str().unwrap())]),
            ..ExecConfig::default()
        }),
        ..AuthInfo::default()
    }
}

fn answer(status: &str) -> String {
    format!(
        "echo run >>\"$DIR/runs\"\necho '{{\"kind\":\"ExecCredential\",\"apiVersion\":\"{V1}\",\"status\":{status}}}'\n"
    )
}

fn at_ten() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

async fn sign_in_to(user: &mut AuthInfo) -> Result<()> {
    sign_in(user, ConnectInputs::new(&|_| None, false, at_ten())).await
}

#[tokio::test]
async fn it_runs_once_and_its_token_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let status = r#"{"token":"t","expirationTimestamp":"2026-11-22T11:00:00Z"}"#;
    let script = format!(
        "printf %s \"$KUBERNETES_EXEC_INFO\" >\"$DIR/info\"\necho $1 >\"$DIR/arg\"\n{}",
        answer(status)
    );
    let mut user = plugin(dir.path(), &script);
    let exec = user.exec.as_mut().unwrap();
    exec.provide_cluster_info = true;
    exec.cluster = Some(ExecAuthCluster {
        server: Some("https://prod:6443".to_owned()),
        certificate_authority_data: Some(b"ca".to_vec()),
        ..ExecAuthCluster::default()
    });
    sign_in_to(&mut user).await.unwrap();
    assert_eq!(user.token.unwrap().expose_secret(), "t");
    assert!(user.exec.is_none());
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(read("runs"), "run\n");
    assert_eq!(read("arg"), "get-token\n");
    let info: serde_json::Value = serde_json::from_str(&read("info")).unwrap();
    let expected = json!({
        "kind": "ExecCredential",
        "apiVersion": V1,
        "spec": {
            "interactive": false,
            "cluster": {"server": "https://prod:6443", "certificate-authority-data": "Y2E="},
        },
    });
    assert_eq!(info, expected);
}

#[tokio::test]
async fn its_certificate_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let status = r#"{"clientCertificateData":"C","clientKeyData":"K"}"#;
    let mut user = plugin(dir.path(), &answer(status));
    sign_in_to(&mut user).await.unwrap();
    assert_eq!(user.client_certificate_data.as_deref(), Some("Qw=="));
    assert_eq!(user.client_key_data.unwrap().expose_secret(), "Sw==");
    assert!(user.token.is_none());
}

/// A test cannot set variables of its own process, so it runs itself again with
/// the variables set.
#[tokio::test]
async fn our_secrets_are_not_passed_on() {
    #[expect(
        clippy::disallowed_methods,
        reason = "the variable shows whether this is the second run"
    )]
    if std::env::var_os("AZURE_CLIENT_SECRET").is_none() {
        let name = "cluster::exec::tests::our_secrets_are_not_passed_on";
        let again = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .envs(SECRET_VARIABLES.map(|name| (name, "s3cr3t")))
            .env("KUBECTL_APIM_CLIENT_SECRET", "s3cr3t")
            .env("KUBECTL_APIM_ANY_OTHER", "s3cr3t")
            .env("APIM_TOKEN", "of another tool")
            .output()
            .unwrap();
        let stdout = String::from_utf8_lossy(&again.stdout);
        assert!(again.status.success() && stdout.contains("1 passed"), "{stdout}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let script = format!("env >\"$DIR/env\"\n{}", answer(r#"{"token":"t"}"#));
    let mut user = plugin(dir.path(), &script);
    sign_in_to(&mut user).await.unwrap();
    let seen = fs::read_to_string(dir.path().join("env")).unwrap();
    assert!(seen.contains("PATH=") && !seen.contains("s3cr3t"), "{seen}");
    assert!(seen.contains("APIM_TOKEN=of another tool"), "{seen}");
}

#[tokio::test]
async fn a_failure_shows_the_message_and_the_withheld_variable() {
    let dir = tempfile::tempdir().unwrap();
    let mut user = plugin(
        dir.path(),
        "echo s3cr3t\nprintf 'a\\033[31mred\\033[0m\\nb\\n' >&2\nexit 7\n",
    );
    let variable = |name: &str| (name == "AZURE_CLIENT_SECRET").then(|| "x".to_owned());
    let error = sign_in(&mut user, ConnectInputs::new(&variable, false, at_ten()))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the credential plugin `sh` failed with exit code 7: ared; b"
    );
    assert!(error.hints()[0].starts_with("AZURE_CLIENT_SECRET is not passed to plugins"));
}

#[tokio::test]
async fn a_missing_plugin_is_named_with_its_hint() {
    let mut user = plugin(tempfile::tempdir().unwrap().path(), "");
    let exec = user.exec.as_mut().unwrap();
    exec.command = Some("no-such-kubelogin".to_owned());
    exec.install_hint = Some("brew install it\u{7}".to_owned());
    let error = sign_in_to(&mut user).await.unwrap_err();
    assert!(error.to_string().contains("`no-such-kubelogin` is not installed"));
    assert_eq!(error.hints(), ["brew install it"]);
}

#[tokio::test]
async fn an_invalid_answer_is_refused_and_not_quoted() {
    let dir = tempfile::tempdir().unwrap();
    for (script, expected) in [
        ("echo s3cr3t".to_owned(), "not an ExecCredential"),
        (
            "echo '{\"status\":{\"token\":\"s3cr3t\"}}'".to_owned(),
            "another apiVersion",
        ),
        (answer("{}"), "neither a token"),
        (answer(r#"{"clientKeyData":"s3cr3t"}"#), "without the other"),
        (
            answer(r#"{"token":"s3cr3t","expirationTimestamp":"2026-11-22T09:00:00Z"}"#),
            "expired at 2026-11-22T09:00:00Z",
        ),
    ] {
        let mut user = plugin(dir.path(), &script);
        let error = sign_in_to(&mut user).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!format!("{error:?}").contains("s3cr3t"));
    }
}

#[tokio::test]
async fn yaml_is_accepted_and_a_static_token_comes_first() {
    let dir = tempfile::tempdir().unwrap();
    let yaml = format!("printf 'apiVersion: {V1}\\nstatus:\\n  token: t\\n'");
    let mut user = plugin(dir.path(), &yaml);
    sign_in_to(&mut user).await.unwrap();
    assert_eq!(user.token.as_ref().unwrap().expose_secret(), "t");

    user.exec = plugin(dir.path(), "exit 1").exec;
    sign_in_to(&mut user).await.unwrap();
    assert!(user.exec.is_none());
}

#[tokio::test]
async fn a_plugin_that_hangs_is_killed_and_one_that_needs_a_terminal_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut user = plugin(dir.path(), "exec sleep 30");
    let environment = ConnectInputs::new(&|_| None, false, at_ten());
    let error = sign_in_within(&mut user, environment, Duration::from_millis(50))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("did not answer within"));

    let mut user = plugin(dir.path(), "exec sleep 30");
    let soon = Instant::now() + Duration::from_millis(50);
    let error = sign_in(&mut user, environment.until(soon)).await.unwrap_err();
    assert!(error.to_string().contains("did not answer within"));

    let mut user = plugin(dir.path(), "exit 0");
    user.exec.as_mut().unwrap().interactive_mode = Some(ExecInteractiveMode::Always);
    assert!(
        sign_in_to(&mut user)
            .await
            .unwrap_err()
            .to_string()
            .contains("needs a terminal")
    );
}
