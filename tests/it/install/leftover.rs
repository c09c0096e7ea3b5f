//! What an earlier installation, another tool or an interrupted run has left, and what is
//! being deleted.

use apim_sandbox::wait;
use apim_sandbox::wire::{Action, Fault};
use http::Method;
use serde_json::json;

use super::{NAME, service_principal};
use crate::case::{Case, LIMIT};

const MANAGED: [&str; 2] = ["--auth", "managed-identity"];

const OPTIONAL: [&str; 4] = ["get", "secrets,networkpolicies", "-o", "name"];

async fn idle(name: &str) -> Case {
    let case = Case::new(name).await;
    case.deploy(&case.idle_portal()).await;
    case
}

/// Killed before its last write, an installation leaves all but the CronJob.
#[tokio::test]
async fn an_installation_that_did_not_end_is_replaced_whole() {
    let case = idle("install-killed").await;
    let file = case.file("secret", &case.principal.client_secret);
    let with_secret = service_principal(&case, &file);
    let with_all = [&with_secret[..], &["--network-policy"]].concat();
    let wire = case.sandbox.wire(&case.kubeconfig_path()).await.unwrap();
    wire.fault(Fault::on(&format!("/cronjobs/{NAME}?"), Action::status(403)).method(Method::PATCH));
    case.install_cronjob(&with_all).through(&wire).exits(1).await;
    let left = case.kubectl_in_namespace(&OPTIONAL).await;
    assert!(left.contains(&format!("secret/{NAME}\n")), "{left}");
    assert!(
        left.contains(&format!("networkpolicy.networking.k8s.io/{NAME}\n")),
        "{left}"
    );

    let ended = case.install_cronjob(&MANAGED).exits(0).await;
    for removed in ["secret", "networkpolicy.networking.k8s.io"] {
        let line = format!("{removed}/{NAME} deleted\n");
        assert!(ended.stdout.contains(&line), "{}", ended.stdout);
    }
    let left = case.kubectl_in_namespace(&OPTIONAL).await;
    assert!(!left.contains(NAME), "{left}");
    let again = case.install_cronjob(&MANAGED).exits(0).await.stdout;
    assert_eq!(again.matches(" unchanged\n").count(), 4, "{again}");
}

/// Another tool applies the rendered objects as well, so that an apply alone removes
/// nothing of them.
#[tokio::test]
async fn what_another_tool_has_applied_too_is_named_and_what_it_mounts_is_kept() {
    let case = idle("install-gitops").await;
    let file = case.file("secret", &case.principal.client_secret);
    let with_secret = service_principal(&case, &file);
    case.install_cronjob(&with_secret).exits(0).await;
    let render = [&with_secret[..], &["--dry-run=client", "-o", "yaml"]].concat();
    let rendered = case.install_cronjob(&render).exits(0).await.stdout;
    let apply = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--field-manager=kustomize-controller",
        "-f",
        "-",
    ];
    case.kubectl(&apply).input(&rendered).exits(0).await;

    for _ in 0..2 {
        let ended = case.install_cronjob(&MANAGED).exits(0).await;
        ended.says(&[
            "keeps what kustomize-controller has set: spec.jobTemplate.spec.template.spec.",
            "volumes[",
            &format!("secret/{NAME} is kept, because cronjob.batch/{NAME} refers to it"),
        ]);
        assert!(!ended.stdout.contains(" deleted\n"), "{}", ended.stdout);
    }
    case.kubectl_in_namespace(&["get", "secret", NAME]).await;

    // Without the other tool's fields nothing is left.
    case.kubectl_in_namespace(&["delete", "cronjob", NAME]).await;
    let ended = case.install_cronjob(&MANAGED).exits(0).await;
    assert!(
        ended.stdout.contains(&format!("secret/{NAME} deleted\n")),
        "{}",
        ended.stdout
    );
    assert!(!ended.stderr.contains("kustomize-controller"), "{}", ended.stderr);
}

/// The annotation of an identity that is not used any more would still sign in the pods.
#[tokio::test]
async fn an_identity_that_another_tool_has_applied_too_is_removed() {
    let case = idle("install-gitops-identity").await;
    let id = "00000000-0000-0000-0000-00000000c11d";
    let federated = ["--auth", "workload-identity", "--client-id", id];
    case.install_cronjob(&federated).exits(0).await;
    let render = [&federated[..], &["--dry-run=client", "-o", "yaml"]].concat();
    let rendered = case.install_cronjob(&render).exits(0).await.stdout;
    let apply = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--field-manager=flux",
        "-f",
        "-",
    ];
    case.kubectl(&apply).input(&rendered).exits(0).await;
    let ended = case.install_cronjob(&MANAGED).exits(0).await;
    ended.says(&["keeps what flux has set"]);
    let account = case
        .kubectl_in_namespace(&["get", "serviceaccount", NAME, "-o", "json"])
        .await;
    assert!(
        !account.contains(&format!("\"azure.workload.identity/client-id\": \"{id}\"")),
        "{account}"
    );
}

#[tokio::test]
async fn an_object_that_is_being_deleted_is_not_taken_for_installed() {
    let case = idle("install-ending").await;
    case.install_cronjob(&MANAGED).exits(0).await;
    let finalizer = json!({ "metadata": { "finalizers": ["example.com/held"] } }).to_string();
    case.kubectl_in_namespace(&["patch", "cronjob", NAME, "--type=merge", "-p", &finalizer])
        .await;
    case.kubectl_in_namespace(&["delete", "cronjob", NAME, "--wait=false"])
        .await;
    let ended = case.fails_untouched(case.install_cronjob(&MANAGED), 4).await;
    ended.says(&[
        &format!("cronjob.batch/{NAME} is being deleted"),
        "example.com/held",
        "run the same command again when it is gone",
    ]);
    let ended = case.apim(&["uninstall-cronjob", "--yes"]).exits(0).await;
    ended.says(&["is being deleted already, and stays until its finalizers are removed: example.com/held"]);
    assert!(!ended.stdout.contains("cronjob"), "{}", ended.stdout);
    let free = json!({ "metadata": { "finalizers": null } }).to_string();
    case.kubectl_in_namespace(&["patch", "cronjob", NAME, "--type=merge", "-p", &free])
        .await;
    case.install_cronjob(&MANAGED).exits(0).await;
    assert_eq!(case.cron_jobs().await.len(), 1);
}

#[tokio::test]
async fn what_an_uninstallation_that_fails_has_left_is_named() {
    let case = idle("uninstall-stopped").await;
    let file = case.file("secret", &case.principal.client_secret);
    let with_secret = service_principal(&case, &file);
    case.install_cronjob(&with_secret).exits(0).await;
    let wire = case.sandbox.wire(&case.kubeconfig_path()).await.unwrap();
    wire.fault(Fault::on(&format!("/roles/{NAME}"), Action::status(403)).method(Method::DELETE));
    let run = case.apim(&["uninstall-cronjob", "--yes"]).through(&wire);
    run.exits(1).await.says(&[
        &format!("still there: role.rbac.authorization.k8s.io/{NAME}, serviceaccount/{NAME}, secret/{NAME}"),
        "run the same command again once the cause is removed",
    ]);
    case.apim(&["uninstall-cronjob", "--yes"]).exits(0).await;
}

#[tokio::test]
async fn a_job_that_runs_on_after_an_interrupt_is_named() {
    let case = idle("install-interrupted").await;
    // No node runs its pod.
    let line = [&MANAGED[..], &["--run-now", "--node-selector", "nowhere=yes"]].concat();
    let run = case.install_cronjob(&line).start().await;
    let started = wait::until("the Job", LIMIT, async || {
        let jobs = case.kubectl_in_namespace(&["get", "jobs", "-o", "name"]).await;
        Ok((!jobs.is_empty()).then(|| jobs.trim().replace("job.batch/", "job/")))
    });
    let job = started.await.unwrap();
    run.signal("INT").await;
    run.ends(1).await.says(&[
        "the Job that was started runs on",
        &format!("kubectl -n {} logs -f {job}", case.namespace),
    ]);
}
