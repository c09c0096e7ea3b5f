//! The control plane: its end, its authorization and its audit log.

use std::time::Instant;

use apim_sandbox::control_plane::{ControlPlane, Options};
use apim_sandbox::wait;
use serde_json::json;

use crate::fixture::{Fixture, LIMIT, kubectl};

/// Names the file to which [`holds_a_control_plane`] writes where its state is.
const HOLDER: &str = "APIM_SANDBOX_TEST_HOLDER";

#[tokio::test]
#[ignore = "a process to be killed, started by a_killed_process_leaves_nothing_behind"]
async fn holds_a_control_plane() {
    let Some(file) = std::env::var_os(HOLDER) else {
        return;
    };
    let control_plane = ControlPlane::start(Options::default()).await.unwrap();
    std::fs::write(file, control_plane.directory().to_str().unwrap()).unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_process_leaves_nothing_behind() {
    // Started at the same time, the two control planes would only slow each other down.
    tokio::task::spawn_blocking(apim_sandbox::shared)
        .await
        .unwrap()
        .unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("directory");
    let mut holder = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["control_plane::holds_a_control_plane", "--exact", "--ignored"])
        .env(HOLDER, &file)
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let directory = wait::until("the other process", LIMIT, async || {
        Ok(std::fs::read_to_string(&file)
            .ok()
            .filter(|directory| !directory.is_empty()))
    })
    .await
    .unwrap();
    assert!(components(&directory) >= 4);

    let start = Instant::now();
    holder.kill().await.unwrap();
    wait::until("processes and directory to go", LIMIT, async || {
        let gone = components(&directory) == 0 && !std::path::Path::new(&directory).exists();
        Ok(gone.then_some(()))
    })
    .await
    .unwrap();
    println!("nothing left {:?} after SIGKILL", start.elapsed());
}

/// How many processes name `directory` in their command line.
fn components(directory: &str) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines
        .filter(|line| String::from_utf8_lossy(line).contains(directory))
        .count()
}

#[tokio::test]
async fn a_service_account_has_the_rights_of_its_role_and_the_audit_log_shows_it() {
    let fixture = Fixture::new("account").await;
    let name = json!({ "name": "reader" });
    fixture
        .apply(json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": name }))
        .await;
    fixture.apply(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": name,
        "rules": [{ "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["mine"], "verbs": ["get", "patch"] }],
    })).await;
    fixture
        .apply(json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": name,
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader" },
            "subjects": [{ "kind": "ServiceAccount", "name": "reader" }],
        }))
        .await;
    fixture
        .apply(json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "mine" } }))
        .await;
    let kubeconfig = fixture
        .sandbox
        .kubeconfig_for(&fixture.namespace, "reader")
        .await
        .unwrap();
    let as_reader = async |arguments: &[&str]| kubectl(&kubeconfig, &fixture.namespace, arguments).await;

    assert_eq!(
        as_reader(&["get", "secret", "mine", "-o", "name"]).await.unwrap(),
        "secret/mine\n"
    );
    as_reader(&["label", "secret", "mine", "a=b", "--dry-run=server"])
        .await
        .unwrap();
    let error = as_reader(&["get", "secrets"]).await.unwrap_err().to_string();
    assert!(
        error.contains("Forbidden") && error.contains("system:serviceaccount"),
        "{error}"
    );

    let records = fixture.sandbox.audit().await.unwrap();
    let user = format!("system:serviceaccount:{}:reader", fixture.namespace);
    let seen: Vec<_> = records
        .iter()
        .filter(|record| record.user == user && record.resource.as_deref() == Some("secrets"))
        .map(|record| {
            (
                record.verb.as_str(),
                record.name.as_deref(),
                record.status,
                record.dry_run,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("get", Some("mine"), Some(200), false),
            ("get", Some("mine"), Some(200), false),
            ("patch", Some("mine"), Some(200), true),
            ("list", None, Some(403), false),
        ]
    );
    assert!(
        records
            .iter()
            .all(|record| !record.user.starts_with("system:node"))
    );
    let of_reader = records
        .iter()
        .find(|record| record.user == user && record.name.is_some())
        .unwrap();
    assert!(of_reader.user_agent.starts_with("kubectl"), "{of_reader:?}");
    assert_eq!(of_reader.namespace.as_deref(), Some(fixture.namespace.as_str()));
}
