//! Every write of an installation, disturbed: it is repeated where that is safe, and
//! never overwrites what was changed meanwhile.

use std::time::Duration;

use apim_sandbox::wait;
use apim_sandbox::wire::{Action, Fault};
use http::Method;
use serde_json::json;

use super::legacy::apply_the_article;
use super::{NAME, cron_job_json};
use crate::case::{Case, LIMIT};

const MANAGED: [&str; 2] = ["--auth", "managed-identity"];

const WRITES: [&str; 4] = ["roles", "serviceaccounts", "rolebindings", "cronjobs"];

#[tokio::test]
async fn a_write_that_the_server_does_not_answer_is_repeated() {
    let case = Case::new("install-busy").await;
    case.deploy(&case.idle_portal()).await;
    for fault in [
        Fault::on("", Action::retry_after(429, 1)).once(),
        Fault::on("", Action::status(503)).once(),
        Fault::on("", Action::status(503)).once().after_effect(),
        Fault::on("", Action::Reset).once(),
        Fault::on("", Action::Reset).once().after_effect(),
    ] {
        let wire = case.sandbox.wire(&case.kubeconfig_path()).await.unwrap();
        for kind in WRITES {
            let path = format!("/{kind}/{NAME}?");
            wire.fault(fault.clone().of(&path).method(Method::PATCH));
            wire.fault(
                fault
                    .clone()
                    .of(&format!("/{kind}/{NAME}"))
                    .method(Method::DELETE),
            );
        }
        case.install_cronjob(&MANAGED).through(&wire).exits(0).await;
        assert_eq!(
            case.rules().await,
            ["get,patch secrets gw-token", "get,patch deployments gw"]
        );
        let again = case.install_cronjob(&MANAGED).exits(0).await.stdout;
        assert_eq!(again.matches(" unchanged\n").count(), 4, "{fault:?}: {again}");
        let removed = case
            .apim(&["uninstall-cronjob", "--yes"])
            .through(&wire)
            .exits(0)
            .await
            .stdout;
        assert_eq!(removed.matches(" deleted\n").count(), 4, "{fault:?}: {removed}");
    }
}

/// A legacy CronJob that gets another gateway after it was read and before it is
/// removed.
#[tokio::test]
async fn a_legacy_cron_job_that_changes_meanwhile_is_read_anew() {
    let case = Case::new("install-legacy-changes").await;
    let manifest = case.idle_portal();
    case.deploy(&manifest).await;
    apply_the_article(&case, &manifest).await;
    let wire = case.sandbox.wire(&case.kubeconfig_path()).await.unwrap();
    let path = format!("/cronjobs/{NAME}");
    let late = Fault::on(&path, Action::Delay(Duration::from_secs(3))).method(Method::DELETE);
    wire.fault(late.once());
    let line = [&MANAGED[..], &["--replace-legacy"]].concat();
    let change = async {
        let asked = wait::until("the removal", LIMIT, async || {
            Ok((!wire.seen_of(&Method::DELETE, &path).is_empty()).then_some(()))
        });
        asked.await.unwrap();
        let later = json!({ "spec": { "schedule": "0 7 * * *" } }).to_string();
        let line = ["patch", "cronjob", NAME, "--type=merge", "-p", &later];
        case.kubectl_in_namespace(&line).await;
    };
    let (ended, ()) = tokio::join!(case.install_cronjob(&line).through(&wire).exits(0), change);
    ended.says(&["cronjob.batch/apim-shg-rotate was changed while this command ran"]);
    let cron_jobs = case.cron_jobs().await;
    assert!(cron_job_json(&cron_jobs[0])["metadata"]["labels"]["app.kubernetes.io/managed-by"].is_string());
}
