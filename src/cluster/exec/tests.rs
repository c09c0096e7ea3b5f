use std::fs;
use std::path::Path;

use super::*;
use crate::cluster::kubeconfig::Variable;

const V1: &str = "client.authentication.k8s.io/v1";

fn exec(dir: &Path, script: &str) -> Exec {
    let path = dir.join("plugin.sh");
    fs::write(&path, script).unwrap();
    Exec {
        api_version: V1.to_owned(),
        command: "sh".to_owned(),
        args: vec![path.to_str().unwrap().to_owned(), "get-token".to_owned()],
        env: vec![Variable {
            name: "DIR".to_owned(),
            value: dir.to_str().unwrap().to_owned(),
        }],
        ..Exec::default()
    }
}

fn plugin(dir: &Path, script: &str) -> Plugin {
    Plugin::new(exec(dir, script), None, nowhere()).unwrap()
}

fn path(name: &str) -> Option<String> {
    (name == "PATH").then(|| "/bin:/usr/bin".to_owned())
}

fn nowhere() -> ConnectInputs<'static> {
    ConnectInputs::new(&path, false, Timestamp::UNIX_EPOCH)
}

fn answer(status: &str) -> String {
    format!(
        "echo run >>\"$DIR/runs\"\necho '{{\"kind\":\"ExecCredential\",\"apiVersion\":\"{V1}\",\"status\":{status}}}'\n"
    )
}

fn at_ten() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

async fn run(plugin: &Plugin) -> Result<Credential> {
    plugin.run(None, at_ten()).await
}

async fn fails(plugin: &Plugin) -> Error {
    run(plugin).await.err().unwrap()
}

fn token(credential: &Credential) -> &str {
    credential.token.as_ref().unwrap().expose_secret()
}

#[tokio::test]
async fn it_runs_once_and_its_token_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let status = r#"{"token":"t","expirationTimestamp":"2026-11-22T11:00:00Z"}"#;
    let script = format!(
        "printf %s \"$KUBERNETES_EXEC_INFO\" >\"$DIR/info\"\necho $1 >\"$DIR/arg\"\n{}",
        answer(status)
    );
    let cluster = json!({"server": "https://prod:6443"});
    let mut exec = exec(dir.path(), &script);
    for provide_cluster_info in [true, false] {
        exec.provide_cluster_info = provide_cluster_info;
        let plugin = Plugin::new(exec.clone(), Some(cluster.clone()), nowhere()).unwrap();
        let credential = run(&plugin).await.unwrap();
        assert_eq!(token(&credential), "t");
        assert_eq!(credential.expires.unwrap().to_string(), "2026-11-22T11:00:00Z");
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(read("runs"), "run\n");
        fs::remove_file(dir.path().join("runs")).unwrap();
        assert_eq!(read("arg"), "get-token\n");
        let info: Value = serde_json::from_str(&read("info")).unwrap();
        let mut spec = json!({"interactive": false});
        if provide_cluster_info {
            spec["cluster"] = cluster.clone();
        }
        assert_eq!(
            info,
            json!({"kind": "ExecCredential", "apiVersion": V1, "spec": spec})
        );
    }
}

#[tokio::test]
async fn its_certificate_is_taken_and_what_is_empty_is_absent() {
    let dir = tempfile::tempdir().unwrap();
    let key = rcgen::generate_simple_self_signed(["me".to_owned()]).unwrap();
    let pair = json!({"clientCertificateData": key.cert.pem(), "clientKeyData": key.signing_key.serialize_pem(), "token": ""});
    let answered = json!({"kind": "ExecCredential", "apiVersion": V1, "status": pair}).to_string();
    fs::write(dir.path().join("answer"), answered).unwrap();
    let credential = run(&plugin(dir.path(), "cat \"$DIR/answer\"")).await.unwrap();
    assert!(credential.identity.is_some() && credential.token.is_none());

    let status = r#"{"token":"t","clientCertificateData":"","clientKeyData":"","expirationTimestamp":null}"#;
    let credential = run(&plugin(dir.path(), &answer(status))).await.unwrap();
    assert!(credential.identity.is_none());
    assert_eq!(token(&credential), "t");
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
    run(&plugin(dir.path(), &script)).await.unwrap();
    let seen = fs::read_to_string(dir.path().join("env")).unwrap();
    assert!(seen.contains("PATH=") && !seen.contains("s3cr3t"), "{seen}");
    assert!(seen.contains("APIM_TOKEN=of another tool"), "{seen}");
}

#[tokio::test]
async fn a_failure_shows_the_message_and_the_withheld_variable() {
    let dir = tempfile::tempdir().unwrap();
    let script = "echo s3cr3t\nprintf 'a\\033[31mred\\033[0m\\nb\\n' >&2\nexit 7\n";
    let variable = |name: &str| {
        (name == "AZURE_CLIENT_SECRET")
            .then(|| "x".to_owned())
            .or_else(|| path(name))
    };
    let inputs = ConnectInputs::new(&variable, false, at_ten());
    let plugin = Plugin::new(exec(dir.path(), script), None, inputs).unwrap();
    let error = fails(&plugin).await;
    assert_eq!(
        error.to_string(),
        "the credential plugin `sh` failed with exit code 7: ared; b"
    );
    assert!(error.hints()[0].starts_with("AZURE_CLIENT_SECRET is not passed to plugins"));
}

#[tokio::test]
async fn a_missing_plugin_is_named_with_its_hint() {
    let mut exec = exec(tempfile::tempdir().unwrap().path(), "");
    exec.command = "no-such-kubelogin".to_owned();
    exec.install_hint = "brew install it\u{7}".to_owned();
    let error = fails(&Plugin::new(exec, None, nowhere()).unwrap()).await;
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
        (
            answer(r#"{"token":"","clientCertificateData":""}"#),
            "neither a token",
        ),
        (answer(r#"{"clientKeyData":"s3cr3t"}"#), "without the other"),
        (
            answer(r#"{"clientCertificateData":"s3cr3t","clientKeyData":"s3cr3t"}"#),
            "not a certificate in PEM",
        ),
    ] {
        let error = fails(&plugin(dir.path(), &script)).await;
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!format!("{error:?}").contains("s3cr3t"));
    }
}

/// This machine's clock may be wrong, and some tools mean no end by such times.
#[tokio::test]
async fn whether_a_credential_has_expired_is_left_to_the_server() {
    let dir = tempfile::tempdir().unwrap();
    for (time, expires) in [
        ("2026-11-22T09:00:00Z", None),
        ("0001-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59Z", None),
        ("2026-11-22T11:00:00+01:00", None),
        ("2026-11-22T12:00:00+01:00", "2026-11-22T11:00:00Z".parse().ok()),
    ] {
        let status = format!(r#"{{"token":"t","expirationTimestamp":"{time}"}}"#);
        let credential = run(&plugin(dir.path(), &answer(&status))).await.unwrap();
        assert_eq!((token(&credential), credential.expires), ("t", expires), "{time}");
    }
}

#[tokio::test]
async fn a_plugin_is_found_in_the_path_of_this_process_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut here = exec(dir.path(), &answer(r#"{"token":"t"}"#));
    here.env.push(Variable {
        name: "PATH".to_owned(),
        value: "/bin:/usr/bin".to_owned(),
    });
    run(&Plugin::new(here.clone(), None, nowhere()).unwrap())
        .await
        .unwrap();
    let program = dir.path().join("only-there");
    fs::write(&program, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    here.command = "only-there".to_owned();
    here.env[1].value = dir.path().to_str().unwrap().to_owned();
    let error = fails(&Plugin::new(here, None, nowhere()).unwrap()).await;
    assert!(error.to_string().contains("is not installed"), "{error}");
}

#[tokio::test]
async fn an_endless_answer_does_not_stop_the_plugin() {
    let dir = tempfile::tempdir().unwrap();
    let script = format!("head -c 3000000 /dev/zero; touch \"$DIR/end\"; {}", answer("{}"));
    let error = fails(&plugin(dir.path(), &script)).await;
    assert!(error.to_string().contains("is not an ExecCredential"), "{error}");
    assert!(dir.path().join("end").exists());
}

#[tokio::test]
async fn yaml_is_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let yaml = format!("printf 'apiVersion: {V1}\\nstatus:\\n  token: t\\n'");
    assert_eq!(token(&run(&plugin(dir.path(), &yaml)).await.unwrap()), "t");
}

#[tokio::test]
async fn a_plugin_that_hangs_is_killed_and_what_it_said_is_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let plugin = plugin(dir.path(), "echo 'open the page' >&2\nexec sleep 30");
    let error = plugin.run_within(Duration::from_secs(1), None, at_ten()).await;
    let says = "did not answer within 1 seconds: open the page";
    assert!(error.err().unwrap().to_string().ends_with(says));
    let soon = Instant::now() + Duration::from_millis(50);
    let error = plugin.run(Some(soon), at_ten()).await.err().unwrap();
    assert!(error.to_string().contains("did not answer within 0 seconds"));
}

#[tokio::test]
async fn a_child_that_is_left_behind_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let script = format!(
        "echo 'left behind' >&2\nsleep 30 &\necho $! >\"$DIR/pid\"\n{}",
        answer(r#"{"token":"t"}"#)
    );
    let begun = Instant::now();
    let credential = run(&plugin(dir.path(), &script)).await;
    assert_eq!(token(&credential.unwrap()), "t");
    assert!(begun.elapsed() < Duration::from_secs(20));
    let pid = fs::read_to_string(dir.path().join("pid")).unwrap();
    std::process::Command::new("kill")
        .arg(pid.trim())
        .status()
        .unwrap();
}

#[tokio::test]
async fn what_it_says_is_shown_while_it_runs() {
    let dir = tempfile::tempdir().unwrap();
    // It ends after the line was shown, or never.
    let script = format!(
        "printf 'open https://microsoft.com/devicelogin and enter ABCD-EFGH\\n' >&2\n\
         until test -e \"$DIR/shown\"; do sleep 0.01; done\nprintf 'no line break' >&2\n{}",
        answer(r#"{"token":"t"}"#)
    );
    let shown = Arc::new(Mutex::new(Vec::new()));
    let (lines, file) = (shown.clone(), dir.path().join("shown"));
    let show: Show = Arc::new(move |line: &str| {
        lines.lock().unwrap().push(line.to_owned());
        fs::write(&file, "").unwrap();
    });
    let plugin = Plugin::new(exec(dir.path(), &script), None, nowhere().showing(&show)).unwrap();
    run(&plugin).await.unwrap();
    assert_eq!(
        *shown.lock().unwrap(),
        [
            "open https://microsoft.com/devicelogin and enter ABCD-EFGH",
            "no line break"
        ]
    );
}

#[test]
fn a_plugin_that_needs_a_terminal_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (mode, expected) in [("Always", "needs a terminal"), ("Sometimes", "`Sometimes`")] {
        let mut exec = exec(dir.path(), "exit 0");
        exec.interactive_mode = mode.to_owned();
        let error = Plugin::new(exec, None, nowhere()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
