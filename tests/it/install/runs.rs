//! The CronJob as installed runs as a pod, under its own Role.

use std::time::Duration;

use apim_sandbox::azure::Machine;
use apim_sandbox::wait;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde_json::json;

use super::{NAME, cron_job_json, everything, workload_identity};
use crate::case::{Case, LIMIT};

#[tokio::test]
async fn by_workload_identity_from_nothing_to_a_rotated_gateway() {
    let (case, manifest) = Case::in_pod("install-wi").await;
    let principal = case.federated().await;
    let before = case.credential(&manifest).await;
    let line = workload_identity(&principal);
    let ended = case.install_cronjob_that_runs(&line).await.exits(0).await;
    ended.says(&[
        "federated",
        &format!("issuer {}", case.sandbox.control_plane().service_account_issuer()),
        &format!("subject system:serviceaccount:{}:{NAME}", case.namespace),
        "audience api://AzureADTokenExchange",
    ]);
    for line in [
        "serviceaccount/apim-shg-rotate created",
        "role.rbac.authorization.k8s.io/apim-shg-rotate created",
        "cronjob.batch/apim-shg-rotate created",
        "secret/gw-token rotated",
        " completed",
    ] {
        assert!(ended.stdout.contains(line), "{line}: {}", ended.stdout);
    }
    assert!(ended.stdout.contains("as workload identity"), "{}", ended.stdout);
    let after = case.credential(&manifest).await;
    assert!(after != before && case.azure().accepts(&after));

    // The run itself needed the named objects and nothing else.
    let user = format!("system:serviceaccount:{}:{NAME}", case.namespace);
    let mut requests = case.kube_requests().await;
    requests.retain(|request| request.user == user);
    assert!(requests.iter().any(|request| request.verb == "patch"));
    let unreadable = |resource: Option<&str>| resource == Some("configmaps");
    assert!(
        requests
            .iter()
            .all(|request| request.status != Some(403) || unreadable(request.resource.as_deref())),
        "{requests:?}"
    );
}

#[tokio::test]
async fn by_a_service_principal_whose_secret_is_a_mounted_file() {
    let (case, manifest) = Case::in_pod("install-sp").await;
    let before = case.credential(&manifest).await;
    let line = [
        "deploy/gw",
        "--auth",
        "service-principal",
        "--client-id",
        &case.principal.client_id,
        "--client-secret-file",
        "-",
    ];
    let run = case.install_cronjob_that_runs(&line).await;
    let ended = run
        .input(&format!("{}\n", case.principal.client_secret))
        .exits(0)
        .await;
    assert!(
        ended.stdout.contains("secret/apim-shg-rotate created"),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.contains("as service principal"), "{}", ended.stdout);
    let after = case.credential(&manifest).await;
    assert!(after != before && case.azure().accepts(&after));
    assert!(!everything(&case).await.contains(&case.principal.client_secret));

    // A Secret of one's own is as good, and no second one is made.
    let line = [
        "--name",
        "other",
        "--auth",
        "service-principal",
        "--client-id",
        "99999999-8888-7777-6666-555555555555",
        "--existing-secret",
        "mine:pem",
        "--dry-run=client",
        "-t",
        "gw-token",
        "-g",
        "gw",
        "-a",
        "svc",
        "deploy/gw",
        "-o",
        "yaml",
    ];
    let rendered = case.install_cronjob(&line).exits(0).await.stdout;
    assert!(!rendered.contains("kind: Secret"), "{rendered}");
    assert!(
        rendered.contains("secretName: mine") && rendered.contains("principal/pem"),
        "{rendered}"
    );
}

#[tokio::test]
async fn several_gateways_are_one_cron_job_to_which_later_ones_are_added() {
    let (case, manifest) = Case::in_pod("install-two").await;
    let second = case.second_portal();
    case.deploy(&second).await;
    let principal = case.federated().await;
    let identity = workload_identity(&principal);
    let first = [&["deploy/gw"][..], &identity].concat();
    case.install_cronjob(&first).exits(0).await;
    let rules = case.rules().await;
    assert_eq!(rules, ["get,patch secrets gw-token", "get,patch deployments gw"]);

    let added = [&["deploy/gw2"][..], &identity].concat();
    let ended = case.install_cronjob_that_runs(&added).await.exits(0).await;
    assert!(
        ended
            .stdout
            .contains("role.rbac.authorization.k8s.io/apim-shg-rotate configured"),
        "{}",
        ended.stdout
    );
    let rules = case.rules().await;
    assert_eq!(
        rules,
        [
            "get,patch secrets gw-token,gw2-token",
            "get,patch deployments gw,gw2"
        ]
    );
    let cron_jobs = case.cron_jobs().await;
    let [cron_job] = cron_jobs.as_slice() else {
        panic!("{cron_jobs:?}")
    };
    let spec = &cron_job_json(cron_job)["spec"]["jobTemplate"]["spec"];
    assert_eq!(spec["activeDeadlineSeconds"], 660);
    for manifest in [&manifest, &second] {
        let annotation = case.annotation(manifest, "apim-rotate/rotation-id").await;
        assert!(annotation.is_some(), "{}", ended.stdout);
    }
}

#[tokio::test]
async fn gateways_of_two_instances_are_told_apart_by_their_settings() {
    let (case, _) = Case::in_pod("install-inst").await;
    let second = case.second_portal();
    case.deploy(&second).await;
    let other = apim_sandbox::azure::Gateway {
        service: format!("other-{}", case.gateway.service),
        name: "gw2".to_owned(),
        ..case.gateway.clone()
    };
    case.azure().add_gateway(&other);
    let maps: Api<ConfigMap> = Api::namespaced(case.client.clone(), &case.namespace);
    let endpoint = format!("https://{}.configuration.azure-api.net", other.service);
    let patch = json!({ "data": { "config.service.endpoint": endpoint } });
    let params = kube::api::PatchParams::default();
    maps.patch("gw2-env", &params, &kube::api::Patch::Merge(&patch))
        .await
        .unwrap();
    case.install_cronjob(&["--all", "--auth", "managed-identity"])
        .exits(0)
        .await;
    let rules = case.rules().await;
    assert_eq!(rules.last().unwrap(), "get configmaps gw-env,gw2-env");
    let cron_jobs = case.cron_jobs().await;
    assert!(
        !cron_job_json(&cron_jobs[0])
            .to_string()
            .contains("--apim-instance")
    );
}

#[tokio::test]
async fn a_namespace_that_enforces_restricted_admits_the_pod() {
    let case = Case::new("install-psa").await;
    case.sandbox
        .provide_binary(env!("CARGO_BIN_EXE_kubectl-apim").as_ref());
    let manifest = case.idle_portal();
    case.deploy(&manifest).await;
    case.label_namespace("pod-security.kubernetes.io/enforce", "restricted")
        .await;
    let principal = case.federated().await;
    let line = workload_identity(&principal);
    case.install_cronjob_that_runs(&line).await.exits(0).await;
    assert!(case.azure().accepts(&case.credential(&manifest).await));
}

#[tokio::test]
async fn a_run_that_fails_ends_with_its_code_and_its_log() {
    let (case, manifest) = Case::in_pod("install-fails").await;
    let before = case.credential(&manifest).await;
    // Entra knows no such federated credential.
    let principal = case.another(|_| ());
    let line = workload_identity(&principal);
    let run = case.install_cronjob_that_runs(&line).await;
    let ended = run.exits(1).await;
    assert!(ended.stdout.contains("federated credential"), "{}", ended.stdout);
    ended.says(&[
        "job/apim-shg-rotate-now-",
        "failed, its last run with exit code 1",
    ]);
    assert_eq!(case.credential(&manifest).await, before);
}

#[tokio::test]
async fn with_events_and_logs_as_proof_the_role_has_just_what_they_need() {
    let (case, manifest) = Case::in_pod("install-events").await;
    let principal = case.federated().await;
    let before = case.credential(&manifest).await;
    let line = [
        &workload_identity(&principal)[..],
        &["--events", "--prove", "logs"],
    ]
    .concat();
    let ended = case.install_cronjob_that_runs(&line).await.exits(0).await;
    assert!(
        ended.stdout.contains("no log shows that Azure refused the token"),
        "{}",
        ended.stdout
    );
    assert_ne!(case.credential(&manifest).await, before);
    let events = [
        "-n",
        &case.namespace,
        "get",
        "events",
        "--field-selector",
        "reason=CredentialRotated",
    ];
    let events = case.kubectl(&events).exits(0).await.stdout;
    assert!(events.contains("deployment/gw"), "{events}");
    let user = format!("system:serviceaccount:{}:{NAME}", case.namespace);
    let mut requests = case.kube_requests().await;
    requests.retain(|request| request.user == user && request.status == Some(403));
    assert!(
        requests
            .iter()
            .all(|request| request.resource.as_deref() == Some("configmaps")),
        "{requests:?}"
    );
}

#[tokio::test]
async fn by_its_schedule_and_status_shows_it() {
    let (case, manifest) = Case::in_pod("install-schedule").await;
    let principal = case.federated().await;
    let before = case.credential(&manifest).await;
    let line = [&workload_identity(&principal)[..], &["--schedule", "* * * * *"]].concat();
    case.install_cronjob_that_can_run(&line).await.exits(0).await;
    let status = async || case.apim(&["status", "-o", "json"]).exits(0).await.gateway("gw");
    let shown = status().await;
    assert_eq!(shown["cronJob"]["name"], NAME);
    assert_eq!(shown["verdict"], "Expiring");
    // The controller looks at schedules at each full minute.
    wait::until("a run by the schedule", Duration::from_mins(3), async || {
        Ok((case.credential(&manifest).await != before).then_some(()))
    })
    .await
    .unwrap();
    case.rolled_out("gw").await;
    wait::until("the end of the run", LIMIT, async || {
        let shown = status().await;
        Ok((shown["cronJob"]["lastResult"] == "Succeeded").then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(status().await["verdict"], "Healthy");
    case.apim(&["uninstall-cronjob", "--yes"]).exits(0).await;
    assert_eq!(status().await["verdict"], "Unprotected");
}

#[tokio::test]
async fn by_a_managed_identity() {
    let (case, manifest) = Case::in_pod("install-mi").await;
    let principal = case.another(|_| ());
    let header = case.azure().add_machine(Machine {
        system_assigned: Some(principal.client_id.clone()),
        user_assigned: Vec::new(),
    });
    let before = case.credential(&manifest).await;
    let line = ["--auth", "managed-identity"];
    let ended = case.install_cronjob_that_can_run(&line).await.exits(0).await;
    ended.says(&["unchecked"]);
    // Where the node has no metadata service, its stand-in is told like this.
    let endpoint = format!("IDENTITY_ENDPOINT={}", case.azure().identity_endpoint());
    let header = format!("IDENTITY_HEADER={header}");
    let cron_job = format!("cronjob/{NAME}");
    for line in [
        &[
            "set",
            "env",
            cron_job.as_str(),
            endpoint.as_str(),
            header.as_str(),
        ][..],
        &["create", "job", "once", "--from", cron_job.as_str()],
        &["wait", "--for=condition=complete", "--timeout=60s", "job/once"],
    ] {
        case.kubectl_in_namespace(line).await;
    }
    let after = case.credential(&manifest).await;
    assert!(after != before && case.azure().accepts(&after));
}
