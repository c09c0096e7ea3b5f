//! The link `apim-shg-rotate`: the old script's command line and variables,
//! under the very Role that its users have.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use apim_sandbox::azure::{Operation, Slot};
use apim_sandbox::manifests::{GatewayManifest, apply};
use serde_json::json;
use tokio::process::Command;

use crate::case::{Case, DAY};
use crate::run::Ended;

/// The rules of the article's rbac.yaml.
pub(crate) async fn grant_the_scripts_role(case: &Case) -> PathBuf {
    let name = "apim-shg-rotate";
    let rules = json!([
        {"apiGroups": ["*"], "resources": ["deployments"], "verbs": ["get", "patch"]},
        {"apiGroups": ["*"], "resources": ["secrets"], "verbs": ["get", "update", "patch"]},
        {"apiGroups": ["*"], "resources": ["statefulsets"], "verbs": ["get", "patch"]},
    ]);
    for object in [
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": name}, "rules": rules}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name}],
            "roleRef": {"kind": "Role", "name": name, "apiGroup": "rbac.authorization.k8s.io"}}),
    ] {
        apply(&case.client, &case.namespace, object).await.unwrap();
    }
    case.sandbox.kubeconfig_for(&case.namespace, name).await.unwrap()
}

/// The link, with the sandbox's network and the given variables only.
async fn link(case: &Case, kubeconfig: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let scratch = tempfile::tempdir().unwrap();
    let link = scratch.path().join("apim-shg-rotate");
    symlink(env!("CARGO_BIN_EXE_kubectl-apim"), &link).unwrap();
    let network = case
        .sandbox
        .variables()
        .into_iter()
        .filter(|(name, _)| *name != "KUBECONFIG");
    let output = Command::new(link)
        .args(arguments)
        .env_clear()
        .envs(network)
        .env("KUBECONFIG", kubeconfig)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    Ended::from(output)
}

#[tokio::test]
async fn the_scripts_command_line_works_under_the_scripts_role() {
    let case = Case::new("link").await;
    let manifest = case.portal();
    case.deploy(&manifest).await;
    let kubeconfig = grant_the_scripts_role(&case).await;
    let (gateway, principal) = (&case.gateway, &case.principal);
    let line = [
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
        "rotate",
        "-o",
        "deployment/gw",
        "--client-id",
        &principal.client_id,
        "--client-secret",
        &principal.client_secret,
        "--tenant",
        &principal.tenant,
    ];
    let ended = link(&case, &kubeconfig, &line, &[]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("proved"), "{}", ended.stderr);
    assert!(case.azure().accepts(&case.credential(&manifest).await));
    for record in case.kube_requests().await {
        assert!(["get", "patch"].contains(&record.verb.as_str()), "{record:?}");
    }
    let ended = link(&case, &kubeconfig, &line, &[]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let slot = case
        .azure()
        .judge(&case.credential(&manifest).await)
        .unwrap()
        .slot;
    assert_eq!(slot, Slot::Secondary);
}

#[tokio::test]
async fn without_an_object_nothing_is_restarted() {
    let case = Case::new("link").await;
    let manifest = case.portal();
    case.deploy(&manifest).await;
    let kubeconfig = grant_the_scripts_role(&case).await;
    let (gateway, principal) = (&case.gateway, &case.principal);
    let variables = [
        ("SUBSCRIPTION_ID", gateway.subscription.as_str()),
        ("RESOURCE_GROUP", &gateway.resource_group),
        ("APIM_INSTANCE", &gateway.service),
        ("APIM_GATEWAY", &gateway.name),
        ("NAMESPACE", &case.namespace),
        ("TOKEN_SECRET", "gw-token"),
        ("SP_ID", &principal.client_id),
        ("SP_SECRET", &principal.client_secret),
        ("TENANT", &principal.tenant),
    ];
    let before = case.template_annotations("gw").await;
    let ended = link(&case, &kubeconfig, &[], &variables).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(case.template_annotations("gw").await, before);
    assert!(case.azure().accepts(&case.credential(&manifest).await));
}

#[tokio::test]
async fn settings_that_the_role_may_not_read_are_not_needed() {
    let case = Case::new("link").await;
    // Nothing in the pod spec itself shows a gateway: the image is a mirror's.
    let mut objects =
        GatewayManifest::docs("gw", &case.endpoint(), &case.token(Slot::Primary, DAY)).objects();
    for object in &mut objects {
        if object["kind"] == "Deployment" {
            object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("mirror.local/shg:1");
        }
        apply(&case.client, &case.namespace, object.clone())
            .await
            .unwrap();
    }
    case.rolled_out("gw").await;
    let kubeconfig = grant_the_scripts_role(&case).await;
    let (gateway, principal) = (&case.gateway, &case.principal);
    let line = [
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
        "apim-access-token",
        "-o",
        "deployment/gw",
        "--client-id",
        &principal.client_id,
        "--client-secret",
        &principal.client_secret,
        "--tenant",
        &principal.tenant,
    ];
    let ended = link(&case, &kubeconfig, &line, &[]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(case.requests(Operation::GenerateToken).len(), 1);
}

#[tokio::test]
async fn any_failure_ends_with_1() {
    let case = Case::new("link").await;
    let kubeconfig = case.sandbox.kubeconfig_path().to_owned();
    for arguments in [&["--nonsense"][..], &["-k"], &[], &["--help=x"]] {
        let ended = link(&case, &kubeconfig, arguments, &[]).await;
        assert_eq!(ended.code, Some(1), "{arguments:?}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn its_help_is_that_of_the_script() {
    let case = Case::new("link-help").await;
    let kubeconfig = case.sandbox.kubeconfig_path().to_owned();
    let help = link(&case, &kubeconfig, &["--help"], &[]).await;
    assert_eq!(help.code, Some(0), "{}", help.stderr);
    assert!(
        help.stdout.contains("Usage: apim-shg-rotate [OPTIONS]\n"),
        "{}",
        help.stdout
    );
    for of_ours in [
        "apim-shg-rotate rotate",
        "--output",
        "--if-expiring-within",
        "TARGET",
    ] {
        assert!(!help.stdout.contains(of_ours), "{of_ours}: {}", help.stdout);
    }
    // Each option that it names is one.
    let named = help
        .stdout
        .split_whitespace()
        .filter(|word| word.starts_with('-'));
    let named: Vec<&str> = named.map(|word| word.trim_end_matches(['`', '.', ','])).collect();
    assert!(named.len() >= 24, "{named:?}");
    let variables = [("K8S_OBJECT", "deployment/gw")];
    for word in named
        .into_iter()
        .filter(|word| !["-h", "--help", "--debug"].contains(word))
    {
        let ended = link(&case, &kubeconfig, &[word], &variables).await;
        let wanted = format!("option `{word}` requires a value");
        assert!(ended.stderr.contains(&wanted), "{word}: {}", ended.stderr);
    }
    // Wherever it stands, and shortened as getopt takes it.
    for arguments in [&["-h"][..], &["-s", "x", "-help"], &["--he"]] {
        let ended = link(&case, &kubeconfig, arguments, &[]).await;
        assert_eq!(
            (ended.code, &ended.stdout),
            (Some(0), &help.stdout),
            "{arguments:?}"
        );
    }
}
